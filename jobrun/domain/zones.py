"""Time zones: loading one by name, and how its wall clock runs.

The one input from outside that the ground floor allows itself is here: the
time zone database, read by `zoneinfo`. It is the same for the whole life of
the process.

Times are whole seconds: `at` on the time line (since 1970, UTC), `wall` as a
clock on the wall shows them (the same count, read as if there were no zones).
"""

import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache

from jobrun.domain.instants import EARLIEST, LATEST, SECOND

DAY = 86_400
HOUR = 3_600

# Debian cron 3.0pl1, cron.c: a jump of the local clock is a change of time if less than three hours
# forward or up to three hours back; more is a correction.
LONGEST_GAP = 3 * HOUR - 1
LONGEST_REPEAT = 3 * HOUR

# Offsets are compared once a day: no two changes of a zone since 1900 are closer than four days.
_PROBE = DAY
BLOCK = 32 * DAY

FIRST_AT = EARLIEST // SECOND
LAST_AT = LATEST // SECOND


@lru_cache(maxsize=1024)
def load_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of that name. Raises ValueError with a sentence and, where one is near, a suggestion."""
    try:
        # right/ counts leap seconds, which no other clock here does.
        if not name.startswith("right/"):
            return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    known = zoneinfo.available_timezones()
    if not known:
        raise ValueError(
            f'"{name}" cannot be looked up: there is no time zone database here; install the package tzdata'
        )
    near = _near_zone(name, known)
    hint = f'; did you mean "{near}"?' if near else '; names look like "Europe/Berlin" or "UTC"'
    raise ValueError(f'"{name}" is not a known time zone{hint}')


def _near_zone(name: str, known: set[str]) -> str | None:
    lower = {zone.lower(): zone for zone in sorted(known, reverse=True)}
    cities: dict[str, str] = {}
    for zone in sorted(known):
        if "/" in zone:
            cities.setdefault(zone.rpartition("/")[2].lower(), zone)
    asked = name.strip().lower().replace(" ", "_").replace("right/", "")
    if asked in lower:
        return lower[asked]
    city = asked.rpartition("/")[2]
    if city in cities:
        return cities[city]
    if close := get_close_matches(asked, lower, 1, 0.75):
        return lower[close[0]]
    if close := get_close_matches(city, cities, 1, 0.8):
        return cities[close[0]]
    return None


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of a zone's offset: `at` is the first second with the new one. Offsets in seconds east."""

    at: int
    before: int
    after: int

    @property
    def size(self) -> int:
        """How far the wall clock moves: forward is positive."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of wall time, and when it happens.

    The wall seconds from `first` up to, not including, `end` happen at
    `wall - offset`; in a collapsed window they were skipped by the clock, and
    happen all at once, `collapsed_at`.
    """

    first: int
    end: int
    offset: int
    collapsed_at: int | None = None


def shifts(zone: str, start: int, end: int) -> list[Shift]:
    """The changes of the zone's offset in [start, end), seconds since 1970."""
    found: list[Shift] = []
    for number in range(start // BLOCK, -(-end // BLOCK)):
        found += [shift for shift in _block_shifts(zone, number) if start <= shift.at < end]
    return found


def offset_at(zone: str, at: int) -> int:
    """The zone's offset at a second of the time line, in seconds east of UTC."""
    return _offset(load_zone(zone), at)


def block_of(at: int) -> int:
    """The number of the block (of 32 days) that holds a second."""
    return max(at, FIRST_AT) // BLOCK


def block_end(number: int) -> int:
    """The first second after a block."""
    return (number + 1) * BLOCK


@lru_cache(maxsize=4096)
def block_windows(zone: str, number: int, fixed: bool) -> tuple[Window, ...]:
    """The wall time that happens within one block of the time line, in order.

    With `fixed`, as Debian's cron shows it to fixed-time jobs: time skipped by
    a change of less than three hours comes collapsed right after the change,
    time repeated by a change of up to three hours comes once. Without, as the
    clock on the wall shows it.
    """
    start, end = number * BLOCK, (number + 1) * BLOCK
    # A repeat lasts three hours at most, so a day before the block tells all that reaches into it.
    since = start - DAY
    changes = shifts(zone, since, end)
    offset = changes[0].before if changes else _offset(load_zone(zone), start)
    seen = since + offset
    found: list[Window] = []
    for change in (*changes, None):
        until = end if change is None else change.at
        first = max(since, start) + offset
        if fixed:
            first = max(first, seen)
        if first < until + offset:
            found.append(Window(first, until + offset, offset))
        if change is None:
            break
        seen = max(seen, until + offset)
        since, offset = change.at, change.after
        jump = since + offset - seen
        if fixed and since >= start and 0 < jump <= LONGEST_GAP:
            found.append(Window(seen, since + offset, offset, since))
        if jump < -LONGEST_REPEAT:
            seen = since + offset
    return tuple(found)


@lru_cache(maxsize=4096)
def _block_shifts(zone: str, number: int) -> tuple[Shift, ...]:
    loaded = load_zone(zone)
    found: list[Shift] = []
    at, block_end = number * BLOCK - 1, (number + 1) * BLOCK - 1
    offset = _offset(loaded, at)
    while at < block_end:
        probe = min(at + _PROBE, block_end)
        then = _offset(loaded, probe)
        if then != offset:
            low, high = at, probe
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(loaded, middle) == offset:
                    low = middle
                else:
                    high = middle
            then = _offset(loaded, high)
            found.append(Shift(high, offset, then))
            probe = high
        at, offset = probe, then
    return tuple(found)


def _offset(zone: zoneinfo.ZoneInfo, at: int) -> int:
    inside = min(max(at, FIRST_AT), LAST_AT)
    offset = datetime.fromtimestamp(inside, zone).utcoffset()
    return 0 if offset is None else offset.days * DAY + offset.seconds
