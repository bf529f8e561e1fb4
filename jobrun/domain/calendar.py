"""When a cron text is due. The one importer of cronsim.

The rule: cronsim says which dates fit, `zones` says how the wall clock runs,
and this module brings the two together; nothing else in the project computes
cron times. Preview, explanation, firing and catch-up all ask the functions
here. Nothing here reads a clock: where to start is an argument.

cronsim's own walk over a zone is not used. It gives times in the repeated
hour that are not after its start, misses hourly steps at a half-hour change
(Lord Howe), reads `5-5/15` as `5/15`, and takes fifty years of search to find
that a date never comes.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

from jobrun.domain.cron_hints import CronError, NeverComes
from jobrun.domain.cron_text import DAY_OF_MONTH, DAY_OF_WEEK, MONTHS, CronText, read_cron
from jobrun.domain.daytimes import Daytimes
from jobrun.domain.instants import SECOND, Instant
from jobrun.domain.zones import (
    BLOCK,
    DAY,
    FIRST_AT,
    LAST_AT,
    Window,
    block_end,
    block_of,
    block_windows,
    load_zone,
)

__all__ = [
    "CronError",
    "NeverComes",
    "check_cron",
    "cron_between",
    "fitting_walls",
    "is_fixed_time",
    "iter_cron",
    "load_zone",
    "next_cron",
]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date(9998, 12, 31).toordinal() - _EPOCH_DAY
# Every kind of year (leap or not, beginning on each weekday) is among these 28.
_ALL_KINDS_OF_YEAR = range(2001 * 12, 2029 * 12)
_MONTHS_KEPT = 1_200


def check_cron(text: str) -> None:
    """Raises CronError if the text is no cron text, NeverComes if it fits no date."""
    if _pattern(text).days.is_empty:
        raise _never_comes(read_cron(text))


def is_fixed_time(text: str) -> bool:
    """Debian's distinction at a change of the clocks: neither minute nor hour field begins with `*`."""
    return _pattern(text).fixed


def next_cron(text: str, zone_name: str, after: Instant) -> Instant | None:
    """The first due instant strictly after `after`, or None if none comes (before the year 9999).

    Raises CronError for a bad text and ValueError for an unknown zone.
    """
    at = _next_at(_pattern(text), zone_name, after // SECOND + 1)
    return None if at is None else at * SECOND


def iter_cron(text: str, zone_name: str, after: Instant) -> Iterator[Instant]:
    """The due instants strictly after `after`, in order."""
    pattern = _pattern(text)
    at = _next_at(pattern, zone_name, after // SECOND + 1)
    while at is not None:
        yield at * SECOND
        at = _next_at(pattern, zone_name, at + 1)


def cron_between(
    text: str, zone_name: str, after: Instant, until: Instant, newest: int
) -> tuple[Instant, Instant, int, tuple[Instant, ...]] | None:
    """The due instants in (after, until]: first, last, their number, and the `newest` youngest, oldest first.

    They are counted by days and stretches, not enumerated. None if there are none.
    """
    pattern = _pattern(text)
    start, end = max(after // SECOND + 1, FIRST_AT), min(until // SECOND + 1, LAST_AT)
    pieces = [] if pattern.is_empty else list(_pieces(pattern, zone_name, start, end))
    if not pieces:
        return None
    youngest: list[Instant] = []
    for piece in reversed(pieces):
        for at in piece.backwards(pattern):
            if len(youngest) >= newest:
                break
            youngest.append(at * SECOND)
    first = _first_in(pattern, pieces[0].window, start)
    last = next(pieces[-1].backwards(pattern))
    if first is None:  # a piece has at least one
        raise AssertionError(pieces[0])
    count = sum(piece.count for piece in pieces)
    return first * SECOND, last * SECOND, count, tuple(reversed(youngest))


def fitting_walls(text: str, first: int, end: int, most: int) -> list[int]:
    """The wall times (seconds since 1970, no zone) in [first, end) that the text names, `most` at most."""
    pattern = _pattern(text)
    walls: list[int] = []
    wall = None if pattern.is_empty else pattern.first_from(first)
    while wall is not None and wall < end and len(walls) < most:
        walls.append(wall)
        wall = pattern.first_from(wall + 1)
    return walls


class _Days:
    """The dates that day-of-month, month and day-of-week allow, as one bit mask for each month.

    Days are counted since 1970, months since year 0. cronsim answers for each
    date; a month is asked once.
    """

    def __init__(self, key: str) -> None:
        self._masks: dict[int, int] = {}
        self.is_every_day = self.is_empty = False
        try:
            self._sim = CronSim(f"0 0 {key}", datetime(2000, 1, 1))
        except CronSimError:
            # All that is left to refuse after read_cron: a day that none of the months has.
            self.is_empty = True
            return
        whole_month = self._sim.days >= set(range(1, 32))
        whole_week = self._sim.weekdays >= set(range(7))
        fits = all if self._sim.day_and else any
        self.is_every_day = len(self._sim.months) == 12 and fits((whole_month, whole_week))
        self.is_empty = self._sim.day_and and not any(map(self._month, _ALL_KINDS_OF_YEAR))

    def _month(self, number: int) -> int:
        """The dates of a month that fit, as bits; bit 1 is the first."""
        mask = self._masks.get(number)
        if mask is None:
            if len(self._masks) >= _MONTHS_KEPT:
                self._masks.clear()
            mask = self._masks[number] = self._ask(number)
        return mask

    def _ask(self, number: int) -> int:
        year, month = number // 12, number % 12 + 1
        if month not in self._sim.months:
            return 0
        days = range(1, monthrange(year, month)[1] + 1)
        return sum(1 << day for day in days if self._sim.match_day(date(year, month, day)))

    def has(self, day: int) -> bool:
        """Whether the date fits."""
        if self.is_every_day:
            return True
        month, place = _place(day)
        return bool(self._month(month) >> place & 1)

    def first_from(self, day: int) -> int | None:
        """The first date from `day` on that fits, None if none does up to the end of 9998."""
        if day > _LAST_DAY or self.is_empty:
            return None
        if self.is_every_day:
            return day
        month, place = _place(day)
        mask = self._month(month) >> place << place
        while not mask:
            month += 1
            if month >= 9999 * 12:
                return None
            mask = self._month(month)
        return _day(month, (mask & -mask).bit_length() - 1)

    def last_before(self, day: int) -> int:
        """The last date before `day` that fits. The caller knows that there is one."""
        if self.is_every_day:
            return day - 1
        month, place = _place(day)
        mask = self._month(month) & ((1 << place) - 1)
        while not mask:
            month -= 1
            mask = self._month(month)
        return _day(month, mask.bit_length() - 1)

    def count(self, day: int, end: int) -> int:
        """How many dates in [day, end) fit."""
        if self.is_every_day:
            return end - day
        month, place = _place(day)
        last_month, last_place = _place(end)
        before = (self._month(month) & ((1 << place) - 1)).bit_count()
        rest = (self._month(last_month) & ((1 << last_place) - 1)).bit_count()
        return sum(self._month(number).bit_count() for number in range(month, last_month)) + rest - before


def _place(day: int) -> tuple[int, int]:
    when = date.fromordinal(day + _EPOCH_DAY)
    return when.year * 12 + when.month - 1, when.day


def _day(month: int, place: int) -> int:
    return date(month // 12, month % 12 + 1, place).toordinal() - _EPOCH_DAY


# Texts that agree on their dates share them: most say "* * *".
_days = lru_cache(maxsize=4_096)(_Days)


class _Pattern:
    """A cron text over plain wall time (seconds since 1970 without zones)."""

    __slots__ = ("days", "fixed", "is_empty", "times")

    def __init__(self, cron: CronText) -> None:
        self.times = Daytimes(cron.hour.values, cron.minute.values, cron.second.values)
        dates = (cron.day_of_month, cron.month, cron.day_of_week)
        self.days = _days(" ".join(field.canonical for field in dates))
        self.fixed = cron.is_fixed_time
        # A boot of the host comes when it comes; no calendar knows.
        self.is_empty = self.days.is_empty or cron.reboot

    def first_from(self, wall: int) -> int | None:
        """The first match at `wall` or later."""
        day, clock = divmod(wall, DAY)
        if self.days.has(day):
            rank = self.times.rank(clock)
            if rank < self.times.count:
                return day * DAY + self.times.nth(rank)
        later = self.days.first_from(day + 1)
        return None if later is None else later * DAY + self.times.nth(0)

    def last_before(self, wall: int) -> int:
        """The last match before `wall`. The caller knows that there is one."""
        day, clock = divmod(wall, DAY)
        if self.days.has(day) and (rank := self.times.rank(clock)):
            return day * DAY + self.times.nth(rank - 1)
        return self.days.last_before(day) * DAY + self.times.nth(self.times.count - 1)

    def count(self, first: int, end: int) -> int:
        """How many matches in [first, end)."""
        from_day, from_clock = divmod(first, DAY)
        to_day, to_clock = divmod(end, DAY)
        total = self.days.count(from_day, to_day) * self.times.count
        if self.days.has(from_day):
            total -= self.times.rank(from_clock)
        if self.days.has(to_day):
            total += self.times.rank(to_clock)
        return total


@lru_cache(maxsize=16_384)
def _pattern(text: str) -> _Pattern:
    return _Pattern(read_cron(text))


def _next_at(pattern: _Pattern, zone: str, start: int) -> int | None:
    """The first due second of the time line at `start` or later."""
    if pattern.is_empty:
        load_zone(zone)
        return None
    start = max(start, FIRST_AT)
    number = block_of(start)
    while start < LAST_AT:
        for window in block_windows(zone, number, pattern.fixed):
            at = _first_in(pattern, window, start)
            if at is not None:
                return at
        # A zone's offset stays within a day, so its wall clock is never set back by more than two.
        wall = pattern.first_from(block_end(number) - 3 * DAY)
        if wall is None:
            return None
        number = max(number + 1, block_of(wall - 2 * DAY))
        start = max(start, number * BLOCK)
    return None


def _first_in(pattern: _Pattern, window: Window, start: int) -> int | None:
    """The first due second within a window at `start` or later."""
    collapsed = window.collapsed_at
    first = window.first if collapsed is not None else max(window.first, start + window.offset)
    if first >= window.end or (collapsed is not None and collapsed < start):
        return None
    wall = pattern.first_from(first)
    if wall is None or wall >= window.end:
        return None
    return wall - window.offset if collapsed is None else collapsed


def _pieces(pattern: _Pattern, zone: str, start: int, end: int) -> Iterator["_Piece"]:
    """The windows that overlap [start, end) and have due seconds there, cut to it, in order."""
    collapsed = None
    for number in range(block_of(start), block_of(end - 1) + 1):
        for window in block_windows(zone, number, pattern.fixed):
            if window.collapsed_at is not None:
                if start <= window.collapsed_at < end and pattern.count(window.first, window.end):
                    collapsed = window.collapsed_at
                    yield _Piece(window, 1)
                continue
            first = max(window.first, start + window.offset)
            if first - window.offset == collapsed:
                # What is due at the very moment of the change has run with what was skipped.
                first += 1
            cut = Window(first, min(window.end, end + window.offset), window.offset)
            if cut.first < cut.end and (count := pattern.count(cut.first, cut.end)):
                yield _Piece(cut, count)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A window and the number of due seconds in it, at least one."""

    window: Window
    count: int

    def backwards(self, pattern: _Pattern) -> Iterator[int]:
        """Its due seconds, youngest first."""
        if self.window.collapsed_at is not None:
            yield self.window.collapsed_at
            return
        wall = self.window.end
        for _ in range(self.count):
            wall = pattern.last_before(wall)
            yield wall - self.window.offset


def _never_comes(cron: CronText) -> NeverComes:
    """What to say about a text that fits no date."""
    days, months = cron.day_of_month, cron.month
    names = [MONTHS[month - 1] for month in months.values]
    if not days.marks and min(days.values) > 29 and min(days.values) > max(map(_longest, months.values)):
        where = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
        reason = f"it never comes: there is no day {days.values[0]} in {where}"
        hint = "the last day of a month is written L"
        return NeverComes(reason, hint, field=DAY_OF_MONTH.name, start=days.start, end=days.end)
    week = cron.day_of_week
    return NeverComes(
        "it never comes: no date fits both day-of-month and day-of-week",
        "with a * in front of one of them both must fit",
        field=DAY_OF_WEEK.name,
        start=week.start,
        end=week.end,
    )


def _longest(month: int) -> int:
    return monthrange(2000, month)[1]
