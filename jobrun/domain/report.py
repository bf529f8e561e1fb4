"""What a job says about itself: its result, the exception that ended it, its progress.

The rule: job code can write all of this, so nothing here is believed beyond its
form. What is odd is taken as not said, never an error; texts are made storable
and clipped. What is kept as JSON, any reader of JSON can read again.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, field

from jobrun.domain.instants import LONGEST, Duration, Instant
from jobrun.domain.records import storable
from jobrun.domain.value import value

# Made once: `json.dumps` makes an encoder for each call.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
LARGEST_RESULT = 1 << 20  # bytes of JSON text
# The same as in task/results. An interpreter reads some 1,000 levels, and can be told to read 640 digits.
DEEPEST, MOST_DIGITS = 100, 600
_LONG_NUMBER = re.compile(rf"(?<![0-9])[0-9]{{{MOST_DIGITS + 1}}}")
_NO_BRACKETS = re.compile(r"[^][{}]+")
_LONGEST_NAME = 300
_LONGEST_MESSAGE = 2_000
_LONGEST_TRACE = 64 << 10
_LONGEST_META = 4_000
_MOST_BASES = 100
_LATEST: Instant = 1 << 62


@value(frozen=True, slots=True)
class Raised:
    """The exception that came out of a job. `bases` are the names of its classes, short and qualified.

    `retry_in` is the job's own wish (`Retry`), `final` its word that another try
    would be of no use (`Dead`).
    """

    type: str
    bases: tuple[str, ...] = ()
    message: str = ""
    traceback: str = ""
    retry_in: Duration | None = None
    final: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which `retry_on` may call it."""
        return tuple(dict.fromkeys((self.short_type, self.type, *self.bases)))

    @property
    def short_type(self) -> str:
        """The class's name without its module."""
        return self.type.rpartition(".")[2]

    def is_ours(self, name: str) -> bool:
        """Whether it is the exception of that name of `jobrun.task`, or derived from it."""
        return any(full.startswith("jobrun.") and full.endswith(f".{name}") for full in self.names)


@value(frozen=True, slots=True)
class Progress:
    """How far a job said it had come at a moment: from 0 to 100, a word for its stage, whatever else."""

    at: Instant
    percent: float | None = None
    state: str | None = None
    meta: Mapping[str, object] = field(default_factory=dict)


@value(frozen=True, slots=True)
class Report:
    """What an attempt left behind besides its exit code and its output.

    `result` is JSON text. `retry_in` is the wish of a job that is no function
    (`jobrun retry-me`); it counts with exit code 75 only.
    """

    result: str | None = None
    error: Raised | None = None
    progress: Progress | None = None
    retry_in: Duration | None = None


def read_report(mapping: object) -> Report:
    """The report in the JSON object that a call gives back."""
    if not isinstance(mapping, Mapping):
        return Report()
    if len(mapping) == 1 and "result" in mapping:
        return Report(result_text(mapping["result"]))
    return Report(
        result=result_text(mapping.get("result")),
        error=read_raised(mapping.get("error")),
        progress=read_progress(mapping.get("progress")),
        retry_in=read_span(mapping.get("retry_in")),
    )


def result_text(value: object) -> str | None:
    """A result as compact JSON text; None if there is none, if it is not JSON, or if it is too large."""
    return None if value is None else json_text(value)


def json_text(value: object) -> str | None:
    """A value as compact JSON text; None if it is not JSON, too large, or not for every reader."""
    text = _json(value)
    if text is None or len(text.encode()) > LARGEST_RESULT or why_unreadable(text):
        return None
    return text


def why_unreadable(text: str) -> str:
    """What keeps some readers of JSON from reading this text of JSON, said of it; empty if nothing does."""
    if len(text) <= 2 * DEEPEST:
        return ""
    bare = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    if _LONG_NUMBER.search(bare):
        return f"has a whole number of more than {MOST_DIGITS} digits"
    if bare.count("[") + bare.count("{") <= DEEPEST:
        return ""
    brackets = _NO_BRACKETS.sub("", bare).replace("{", "[").replace("}", "]")
    for _ in range(DEEPEST):
        brackets = brackets.replace("[]", "")
    return f"is nested too deeply, more than {DEEPEST} levels" if brackets else ""


def read_raised(mapping: object) -> Raised | None:
    """The exception in the JSON object of a report; None if it does not even have a type."""
    if not isinstance(mapping, Mapping):
        return None
    name = _text(mapping.get("type"), _LONGEST_NAME)
    if not name:
        return None
    bases = mapping.get("bases")
    said = bases[:_MOST_BASES] if isinstance(bases, list | tuple) else ()
    names = (_text(base, _LONGEST_NAME) for base in said)
    return Raised(
        name,
        tuple(base for base in names if base),
        _text(mapping.get("message"), _LONGEST_MESSAGE) or "",
        _trace(mapping.get("traceback")),
        read_span(mapping.get("retry_in")),
        mapping.get("final") is True,
    )


def read_progress(mapping: object) -> Progress | None:
    """The progress in the JSON object of a notes file; None if it does not say of when it is."""
    if not isinstance(mapping, Mapping):
        return None
    at = mapping.get("at")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < _LATEST:
        return None
    return Progress(
        at,
        _percent(mapping.get("percent")),
        _text(mapping.get("state"), _LONGEST_NAME),
        _meta(mapping.get("meta")),
    )


def sentence_of(value: object) -> str:
    """What a worker gives as a reason, as text that can be stored."""
    return storable(str(value)[:_LONGEST_MESSAGE])


def canonical(value: object) -> str | None:
    """A value as JSON text with its keys in order; None if it is not JSON, or not for every reader."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if why_unreadable(text) else storable(text)


def raised_text(raised: Raised) -> str:
    """The exception as JSON text that `read_raised` understands."""
    return _json(asdict(raised)) or "{}"


def progress_text(progress: Progress) -> str:
    """The progress as JSON text that `read_progress` understands."""
    return _json(asdict(progress)) or "{}"


def _json(value: object) -> str | None:
    # What `storable` makes of half a surrogate pair is its escape in JSON too.
    try:
        return str(value) if type(value) is int else storable(_encode(value))
    except (TypeError, ValueError, RecursionError):
        return None


def _text(value: object, longest: int) -> str | None:
    return storable(value[:longest]) if isinstance(value, str) else None


def _trace(value: object) -> str:
    """Its head and its tail: the cause of a deep recursion stands at one of them."""
    if not isinstance(value, str):
        return ""
    if len(value) > _LONGEST_TRACE:
        half = _LONGEST_TRACE // 2
        value = f"{value[:half]}\n…\n{value[-half:]}"
    return storable(value)


def read_span(value: object) -> Duration | None:
    """A wait in microseconds as a job may have written it; None if it is none that can be."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST:
        return None
    return value


def _percent(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of some hundred digits
        return None
    return min(max(number, 0.0), 100.0) if math.isfinite(number) else None


def _meta(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        return {}
    text = json_text(dict(value))
    if text is None or len(text) > _LONGEST_META:
        return {}
    found: dict[str, object] = json.loads(text)
    return found
