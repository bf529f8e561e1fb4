"""The checks of single values, each with a sentence of its own.

A check takes what tomllib gives and returns what the domain works with
(microseconds, bytes, instants), or raises a Fault.
"""

import re
import signal
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from enum import StrEnum

from jobrun.conf.problems import Fault, did_you_mean, first_of, quoted
from jobrun.domain.instants import (
    Duration,
    Instant,
    format_duration,
    from_datetime,
    is_tellable,
    parse_duration,
)
from jobrun.domain.sizes import format_size, parse_size

_LONGEST_TEXT = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET_BY_US = frozenset(
    (
        "JOBRUN_RUN_ID",
        "JOBRUN_STORE_ID",
        "JOBRUN_JOB",
        "JOBRUN_ATTEMPT",
        "JOBRUN_MAX_ATTEMPTS",
        "JOBRUN_QUEUE",
        "JOBRUN_SCHEDULED_AT",
        "JOBRUN_DATA",
        "JOBRUN_RESULT",
        "JOBRUN_NOTES",
        "JOBRUN_WORKER",
        "JOBRUN_CHECKPOINT_DIR",
        "JOBRUN_CHECKPOINT_KEEP",
        "JOBRUN_CHECKPOINT_INTERVAL",
        "JOBRUN_CHECKPOINT_RESUME",
        "JOBRUN_RESUME_FROM",
    )
)
_LARGEST_SIZE = 1 << 63


def kind_of(value: object) -> str:
    """What a TOML value is, in words."""
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a decimal number"),
        (str, "text"),
        (list, "an array"),
        (dict, "a table"),
        (datetime, "a date-time"),
        (date, "a date"),
        (time, "a time"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), type(value).__name__)


def check_text(value: object) -> str:
    """Text without NUL, which neither a process nor a file name can take."""
    if not isinstance(value, str):
        hint = "Write it in quotes." if isinstance(value, int | float) else ""
        raise Fault(f"expected text, not {kind_of(value)}", hint)
    if "\0" in value:
        raise Fault("the text contains a NUL character")
    return value


def check_filled(value: object) -> str:
    """Text that is not empty."""
    text = check_text(value)
    if not text.strip():
        raise Fault("the text is empty")
    return text


def check_flag(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Fault(f"expected true or false, not {kind_of(value)}")
    return value


def check_name(value: object) -> str:
    """The name of a job, a queue, a template or a schedule."""
    name = check_text(value)
    if not NAME.fullmatch(name):
        raise Fault(
            f"{quoted(name)} cannot be a name",
            "A name has letters, digits, '.', '_' and '-', begins with a letter or digit, "
            "and has at most 64 characters.",
        )
    if name.isdigit():
        raise Fault(f"{quoted(name)} cannot be a name", "A number would be taken for a run; add a letter.")
    return name


def whole(least: int, most: int) -> Callable[[object], int]:
    """A check for whole numbers between two bounds, both included."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Fault(f"expected a whole number, not {kind_of(value)}")
        if value < least:
            raise Fault(f"the number must be at least {least}")
        if value > most:
            raise Fault(f"the number must be at most {most}")
        return value

    return check


def choice(options: type[StrEnum]) -> Callable[[object], StrEnum]:
    """A check for one of a few words."""
    words = [option.value for option in options]

    def check(value: object) -> StrEnum:
        text = check_text(value)
        if text not in words:
            expected = ", ".join(f'"{word}"' for word in words[:-1]) + f' or "{words[-1]}"'
            raise Fault(f"expected {expected}, not {quoted(text)}", did_you_mean(text, words))
        return options(text)

    return check


def _is_short(text: str) -> bool:
    """Whether a message may hold the text as it is."""
    return len(text) <= _LONGEST_TEXT and text.isprintable()


def span(least: Duration = 0) -> Callable[[object], Duration]:
    """A check for durations of at least `least` microseconds."""

    def check(value: object) -> Duration:
        if not isinstance(value, str | int | float):
            raise Fault(f'expected a duration such as "90s", not {kind_of(value)}')
        if isinstance(value, str) and not _is_short(value):
            raise Fault(f"{quoted(value)} is not a duration", 'Write "90s", "1h30m", "7d" or seconds.')
        try:
            duration = parse_duration(value)
        except ValueError as error:
            raise Fault(str(error)) from None
        if duration < least:
            raise Fault(f"the duration must be at least {format_duration(least)}")
        return duration

    return check


def size(least: int) -> Callable[[object], int]:
    """A check for sizes of at least `least` bytes."""

    def check(value: object) -> int:
        if not isinstance(value, str | int):
            raise Fault(f'expected a size such as "512M", not {kind_of(value)}')
        if isinstance(value, str) and not _is_short(value):
            raise Fault(f"{quoted(value)} is not a size", 'Write "512M", "1G" or a number of bytes.')
        try:
            count = parse_size(value)
        except ValueError as error:
            raise Fault(str(error)) from None
        if not least <= count < _LARGEST_SIZE:
            bound = f"at least {format_size(least)}" if count < least else "below 8 EiB"
            raise Fault(f"the size must be {bound}", 'Units are K, M, G and T, as in "512M".')
        return count

    return check


def check_moment(value: object) -> Instant:
    """A TOML date-time with an offset, or the same as text."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value[:_LONGEST_TEXT])
        except ValueError:
            raise Fault(f"{quoted(value)} is not a date-time", _WRITE_MOMENT) from None
    if not isinstance(moment, datetime):
        raise Fault(f"expected a date-time, not {kind_of(value)}", _WRITE_MOMENT)
    if moment.tzinfo is None:
        raise Fault("the date-time has no offset, so it is not one moment", _WRITE_MOMENT)
    instant = from_datetime(moment)
    if not is_tellable(instant):
        raise Fault("the moment must lie in the years 2 to 9998", "Others cannot be told in every time zone.")
    return instant


_WRITE_MOMENT = "Write it with an offset: 2026-12-01T02:00:00+01:00, or …Z for UTC."


def check_umask(value: object) -> int:
    """A umask as octal text; a bare number would be read as decimal by half its readers."""
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{1,3}", value):
        shown = quoted(value) if isinstance(value, str) else kind_of(value)
        raise Fault(f"expected a umask as octal text, not {shown}", 'For example umask = "027".')
    return int(value, 8)


def check_signal(value: object) -> str:
    """A signal by name, with or without SIG, that a process can act on."""
    text = check_text(value)
    names = {one.name for one in signal.Signals}
    full = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if full not in names:
        raise Fault(f"{quoted(text)} is not a signal", did_you_mean(full, names))
    if full in ("SIGKILL", "SIGSTOP"):
        raise Fault(f"{full} gives a process no chance to act", "The hard limit sends SIGKILL after grace.")
    return full


def check_command(value: object) -> str | tuple[str, ...]:
    """Text for a shell, or a program with its arguments."""
    if isinstance(value, str):
        return check_filled(value)
    if not isinstance(value, list):
        raise Fault(
            f"expected text or an array of texts, not {kind_of(value)}",
            'command = "text for /bin/sh", or command = ["program", "argument"].',
        )
    if not value:
        raise Fault("the array is empty: there is no program to run")
    return each([check_filled, *([check_text] * (len(value) - 1))], value)


def texts(check: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    """A check for one text or an array of texts."""

    def check_all(value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            return (check(value),)
        if not isinstance(value, list):
            raise Fault(f"expected an array of texts, not {kind_of(value)}")
        return each([check] * len(value), value)

    return check_all


def each(checks: Sequence[Callable[[object], str]], values: Sequence[object]) -> tuple[str, ...]:
    """Every element by its check; all the elements that have a fault are told."""
    found: list[str] = []
    faults: list[Fault] = []
    for number, (check, value) in enumerate(zip(checks, values, strict=True)):
        try:
            found.append(check(value))
        except Fault as fault:
            faults.append(fault.inside((number,)))
    if faults:
        raise first_of(faults)
    return tuple(found)


def check_variable(value: object) -> str:
    """The name of an environment variable."""
    name = check_text(value)
    if not VARIABLE.fullmatch(name):
        raise Fault(f"{quoted(name)} cannot be the name of a variable", "Use letters, digits and '_'.")
    if name in _SET_BY_US:
        raise Fault(f"{name} is set for every run and cannot be set in the file")
    return name


def check_jitter(value: object) -> float | str:
    """A fraction, or `full`."""
    if value == "full":
        return "full"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Fault(
            'jitter must be a number from 0 to 1, or "full"',
            '0.2 shifts each wait by up to 20 % either way; "full" draws it from zero to the whole wait.',
        )
    return float(value)


def check_power(value: object) -> float:
    """The exponent of a polynomial backoff."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10:
        raise Fault("power must be a number above 0 and at most 10")
    return float(value)


def check_concurrency(value: object) -> int | str:
    """How many at once, or `cpus`: as many as the host has processors."""
    if value == "cpus":
        return "cpus"
    if isinstance(value, str):
        raise Fault(f'expected a whole number or "cpus", not {quoted(value)}')
    return whole(1, 100_000)(value)
