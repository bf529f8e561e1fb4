"""What job code raises to say how its run goes on, and what it is told by an exception.

Two of them the job raises (Retry, Dead), two are raised in it (SoftTimeout,
Stopped), two are said about it (BadCall, BadResult).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNITS["w"] = 7 * _UNITS["d"]
LONGEST = 100 * 366 * _UNITS["d"]


class Retry(Exception):
    """Raise it to ask for another try of this run: `raise Retry(in_="60s")`.

    `in_` is the wait: seconds, or a text such as "90s", "1h30m", "7d", or a
    timedelta; without it the job's own retry policy says how long. The first
    argument is the reason, a text or the exception that made it necessary.
    It counts as a try: when none is left, the run has failed.
    """

    __module__ = "jobrun.task"

    def __init__(
        self, reason: BaseException | str = "", *, in_: float | str | timedelta | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_in = None if in_ is None else _microseconds(in_)
        if isinstance(reason, BaseException):
            self.__cause__ = reason

    def __str__(self) -> str:
        """The reason in words."""
        if isinstance(self.reason, BaseException):
            return f"{type(self.reason).__name__}: {self.reason}"
        return str(self.reason) or "the job asks for another try"


class Dead(Exception):
    """Raise it to end the run for good: no retry, whatever the policy says. The text is the reason."""

    __module__ = "jobrun.task"


class SoftTimeout(Exception):
    """Raised in the job when its soft time limit has passed; the hard limit will end the process."""

    __module__ = "jobrun.task"


class Stopped(BaseException):
    """Raised in the job when the run is to end: cancelled, replaced, or jobrun shuts down.

    Not an Exception: `except Exception` does not hold a stop up. The process
    is killed after the job's `grace`.
    """

    __module__ = "jobrun.task"


class BadCall(Exception):
    """There is nothing to call, or not with these arguments; the text is one line for the user."""

    __module__ = "jobrun"


class BadResult(Exception):
    """A result that is not JSON, or too large; the text is one line for the user."""

    __module__ = "jobrun"


def _microseconds(span: float | str | timedelta) -> int:
    """A wait in microseconds. Raises ValueError with a sentence."""
    if hasattr(span, "total_seconds"):
        span = span.total_seconds()
    if isinstance(span, bool) or not isinstance(span, (int, float, str)):
        raise ValueError('a wait is written "90s", "1h30m", "7d", or as seconds')
    total = _read(span) if isinstance(span, str) else span * 1_000_000
    if not 0 <= total <= LONGEST:
        raise ValueError("a wait cannot be negative, or longer than a hundred years")
    return round(total)


def _read(text: str) -> float:
    import re

    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text):
        return float(text) * 1_000_000
    if not re.fullmatch(r"(\s*\d+(\.\d+)?\s*(us|ms|s|m|h|d|w))+\s*", text):
        raise ValueError(f'"{text}" is not a wait; write "90s", "1h30m", "7d" or seconds')
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
