"""Moments and spans as people write and read them on a command line.

Written: `2h` (that long ago, or in that time), `now`, `today`, `yesterday`,
`tomorrow`, `03:00`, `2026-03-01`, `2026-03-01T03:00`, with or without offset.
A time without offset is in the zone of display: the host's, or UTC.
"""

import re
from datetime import datetime, timedelta, tzinfo

from jobrun.domain.errors import UsageError
from jobrun.domain.instants import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Instant,
    from_datetime,
    is_tellable,
    parse_duration,
    to_datetime,
)

_HINT = 'Write "2h", "yesterday", "03:00", "2026-03-01" or "2026-03-01T03:00".'
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_SPAN = re.compile(r"\d[\d.]*\s*[a-z].*|\d+")
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}


def localize(instant: Instant, zone: tzinfo | None) -> datetime:
    """The instant as a date-time in the zone of display."""
    return to_datetime(instant).astimezone(zone)


def iso(instant: Instant | None, zone: tzinfo | None) -> str | None:
    """ISO 8601 with offset, for JSON; None stays None."""
    return None if instant is None else localize(instant, zone).isoformat()


def in_zone(text: str | None, zone: tzinfo | None) -> str | None:
    """A moment that the daemon told as ISO 8601, in the zone of display; None stays None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(zone).isoformat()


def iso_seconds(instant: Instant | None, zone: tzinfo | None) -> str:
    """ISO 8601 with offset to the second, for plain text; `-` for None."""
    return "-" if instant is None else localize(instant, zone).isoformat(timespec="seconds")


def parse_past(text: str, now: Instant, zone: tzinfo | None) -> Instant:
    """A moment for `--since` and `--until`: a span means that long ago. Raises UsageError."""
    return _parse(text, now, zone, -1)


def parse_future(text: str, now: Instant, zone: tzinfo | None) -> Instant:
    """A moment for `--at`: a clock time alone is its next coming. Raises UsageError."""
    moment = _parse(text, now, zone, 1)
    if not is_tellable(moment):
        raise UsageError(f'"{text}" is not in the years 2 to 9998.', _HINT)
    return moment


def parse_span(text: str, option: str) -> int:
    """A duration given to an option, in microseconds. Raises UsageError."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", 'For example "90s", "1h30m" or "7d".') from None


def _parse(text: str, now: Instant, zone: tzinfo | None, direction: int) -> Instant:
    word = text.strip().lower().removesuffix(" ago").removeprefix("in ")
    today = localize(now, zone)
    if word == "now":
        return now
    day, _, clock = word.partition(" ")
    if day in _DAYS:
        start = (today + timedelta(days=_DAYS[day])).date()
        return _on_day(start.isoformat(), clock or "00:00", zone, text)
    if _CLOCK.fullmatch(word):
        moment = _on_day(today.date().isoformat(), word, zone, text)
        if direction > 0 and moment <= now:
            tomorrow = (today + timedelta(days=1)).date()
            return _on_day(tomorrow.isoformat(), word, zone, text)
        return moment
    if _SPAN.fullmatch(word):
        try:
            return now + direction * parse_duration(word)
        except ValueError:
            pass
    return _absolute(text, zone)


def _on_day(day: str, clock: str, zone: tzinfo | None, text: str) -> Instant:
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise UsageError(f'"{text}" is not a moment.', _HINT)
    hour, minute, second = match[1], match[2], match[3] or "00"
    return _absolute(f"{day}T{hour.zfill(2)}:{minute}:{second}", zone)


def _absolute(text: str, zone: tzinfo | None) -> Instant:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return from_datetime(moment)
    except (ValueError, OverflowError):
        raise UsageError(f'"{text}" is not a moment.', _HINT) from None


def span_words(span: int) -> str:
    """A span for people, to two figures at most: `4 min`, `2 h 5 min`, `3 d`, `0.4 s`."""
    rest = abs(span)
    if rest < 10 * SECOND:
        return f"{rest / SECOND:.1f} s" if rest >= SECOND // 20 else f"{rest // 1000} ms"
    if rest < MINUTE:
        return f"{rest // SECOND} s"
    if rest < HOUR:
        minutes, left = divmod(rest, MINUTE)
        return f"{minutes} min" + (f" {left // SECOND} s" if minutes < 10 and left >= SECOND else "")
    if rest < DAY:
        hours, left = divmod(rest, HOUR)
        return f"{hours} h" + (f" {left // MINUTE} min" if hours < 10 and left >= MINUTE else "")
    days, left = divmod(rest, DAY)
    return f"{days} d" + (f" {left // HOUR} h" if days < 10 and left >= HOUR else "")


def relative_words(instant: Instant, now: Instant) -> str:
    """`in 4 min`, `2 h ago`, `now`: whole units, largest only, for a terminal."""
    gap = instant - now
    if abs(gap) < SECOND:
        return "now"
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if abs(gap) >= size:
            text = f"{abs(gap) // size} {name}"
            break
    return f"in {text}" if gap > 0 else f"{text} ago"
