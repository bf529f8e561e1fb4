"""Moments and spans of time, in one unit.

Every instant in the domain, the store and on the wire is an integer count of
microseconds since 1970-01-01T00:00:00Z; every span is an integer count of
microseconds. Integers compare exactly, which the slot key needs, and one unit
leaves nothing to mix up. Text is made and read only here.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

Instant = int
Duration = int

MILLISECOND: Duration = 1_000
SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR
WEEK: Duration = 7 * DAY

_UNITS: dict[str, Duration] = {
    "us": 1,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": WEEK,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST: Duration = 100 * 366 * DAY
# Years 2 to 9998: what a calendar (`datetime`) can tell in every zone.
EARLIEST: Instant = -62_104_060_800 * SECOND
LATEST: Instant = 253_370_764_800 * SECOND


def parse_duration(value: str | int | float) -> Duration:
    """Read `"90s"`, `"1h30m"`, `"7d"` or a number of seconds.

    Raises ValueError with a sentence a user can act on.
    """
    if isinstance(value, bool):
        raise ValueError('expected a duration such as "90s", not true or false')
    if isinstance(value, int | float):
        if not 0 <= value < float("inf"):
            raise ValueError("a duration cannot be negative or infinite")
        return _bounded(round(value * SECOND))
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _bounded(round(float(text) * SECOND))
    total, position = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != position:
            break
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
        while position < len(text) and text[position] == " ":
            position += 1
    if position != len(text) or not text:
        raise ValueError(f'"{value}" is not a duration; write "90s", "1h30m", "7d" or seconds')
    return _bounded(round(total))


def _bounded(span: Duration) -> Duration:
    if span > LONGEST:
        raise ValueError("a duration cannot be longer than a hundred years")
    return span


def format_duration(span: Duration) -> str:
    """The shortest text that `parse_duration` reads back as the same span."""
    if span == 0:
        return "0s"
    sign, rest, out = ("-" if span < 0 else ""), abs(span), ""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            out += f"{count}{unit}"
    return sign + out


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware date-time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a date-time without an offset is not an instant")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def to_datetime(instant: Instant, zone: tzinfo = UTC) -> datetime:
    """The instant as an aware date-time in `zone`."""
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def is_tellable(instant: Instant) -> bool:
    """Whether the calendar can tell the instant in every zone."""
    return EARLIEST <= instant < LATEST


def to_iso(instant: Instant, zone: tzinfo = UTC) -> str:
    """ISO 8601 with offset; sub-second digits only where there are any."""
    return to_datetime(instant, zone).isoformat()


def seconds(span: Duration) -> float:
    """The span as a number of seconds, for people and for JSON."""
    return span / SECOND
