"""The checks of text with a grammar of its own: cron text, zones, retry conditions."""

import builtins
import re
import signal
from functools import lru_cache

from jobrun.conf.model.checks import check_filled, check_text, each, kind_of
from jobrun.conf.problems import Fault, did_you_mean, nearest, quoted
from jobrun.domain import calendar
from jobrun.domain.retry import signal_number

_LONGEST_CRON = 500
_LONGEST_ZONE = 100
_PLAIN_CONDITIONS = ("timed_out", "lost", "spawn", "failed")
_EXCEPTIONS = tuple(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
_ALMOST = 0.93  # "ConectionError"; two exceptions that both exist are less alike
_EXIT = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


def check_cron_text(value: object) -> str:
    """Cron text the calendar understands, its fields one blank apart; `@reboot` too."""
    text = " ".join(check_filled(value).split())
    if len(text) > _LONGEST_CRON:
        raise Fault(f"the cron text is longer than {_LONGEST_CRON} characters")
    if text == "@reboot":
        return text
    fault = _cron_fault(text)
    if fault is not None:
        raise fault
    return text


@lru_cache(maxsize=4096)
def _cron_fault(text: str) -> Fault | None:
    try:
        calendar.check_cron(text)
    except calendar.CronError as error:
        message = str(error)
        if text.isprintable() and 0 <= error.start < error.end <= len(text):
            marks = " " * error.start + "^" * (error.end - error.start)
            message += f"\n    {text}\n    {marks}"
        return Fault(message, error.hint)
    return None


def check_zone(value: object) -> str:
    """The name of a time zone this host knows."""
    name = check_filled(value)
    if not name.isprintable() or len(name) > _LONGEST_ZONE:
        raise Fault(f"{quoted(name)} is not a known time zone")
    try:
        _load_zone(name)
    except ValueError as error:
        raise Fault(str(error)) from None
    return name


# A miss is not kept: the host may get the zone later.
_load_zone = lru_cache(maxsize=256)(calendar.load_zone)


def check_conditions(value: object) -> tuple[str, ...]:
    """The conditions of `retry_on` and `no_retry_on`, in the words the domain matches."""
    if not isinstance(value, list):
        return (_condition(value),)
    return each([_condition] * len(value), value)


_CONDITION_HINT = (
    'Conditions are 75, "exit:64-78", "signal:KILL", "timed_out", "lost", "spawn", '
    'and exceptions such as "ConnectionError" or "socket.gaierror".'
)


def _condition(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _exit(str(value) if abs(value) < 1000 else "1000")
    if not isinstance(value, str):
        raise Fault(f"expected an exit code or a condition, not {kind_of(value)}", _CONDITION_HINT)
    text = check_text(value)
    kind, colon, rest = text.partition(":")
    if kind == "exit" and colon:
        return _exit(rest)
    if kind == "signal" and colon:
        return _signal(rest)
    if text in _PLAIN_CONDITIONS:
        return text
    if text.isdigit():
        raise Fault(f"{quoted(text)} is not a condition", f"Write the exit code without quotes: {text[:9]}")
    if is_exception(text):
        return _exception(text)
    guess = did_you_mean(text, (*_PLAIN_CONDITIONS, "exit:1", "signal:KILL"))
    raise Fault(f"{quoted(text)} is not a condition", guess or _CONDITION_HINT)


def is_exception(text: str) -> bool:
    """Whether a condition has the form of an exception's name: `ConnectionError`, `socket.gaierror`."""
    parts = text.split(".")
    return all(part.isidentifier() for part in parts) and (len(parts) > 1 or text[0].isupper())


def _exception(text: str) -> str:
    """The name as it is, unless it is something else with a slip."""
    meant = _meant(text)
    if meant is not None:
        hint = f'Did you mean "{meant}"? If not, write the exception with its module: "module.{text}".'
        raise Fault(f"{quoted(text)} is not a condition", hint)
    return text


def _meant(text: str) -> str | None:
    """What a name without a module probably stands for; None if it may well be an exception's."""
    if "." in text or text in _EXCEPTIONS:
        return None
    plain = {word.replace("_", ""): word for word in _PLAIN_CONDITIONS}
    word = plain.get(text.lower().replace("_", ""))
    if word is not None:
        return word
    full = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    if full in {one.name for one in signal.Signals} and text.isupper():
        return f"signal:{full.removeprefix('SIG')}"
    return nearest(text, _EXCEPTIONS, _ALMOST)


def _exit(text: str) -> str:
    found = _EXIT.fullmatch(text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (-1, -1)
    if not 0 <= low <= high <= 255:
        raise Fault("an exit code is a number from 1 to 255, a range is written 64-78")
    if low == 0:
        raise Fault("exit code 0 is success, which is never tried again")
    return f"exit:{low}" if low == high else f"exit:{low}-{high}"


def _signal(text: str) -> str:
    try:
        name = signal.Signals(signal_number(text)).name
    except ValueError:
        names = [one.name.removeprefix("SIG") for one in signal.Signals]
        raise Fault(f"{quoted(text)} is not a signal", did_you_mean(text.upper(), names)) from None
    return f"signal:{name.removeprefix('SIG')}"
