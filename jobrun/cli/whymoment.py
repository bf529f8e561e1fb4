"""The moment that `why` is asked about: as long as it is written.

`03:00` is the minute from 03:00:00 on, `03:00:10` that second, `2026-03-01`
and `yesterday` the whole day, `now` and `2h` that very moment. A clock time alone is its last coming. A
time without offset is in the job's zone; where the clocks went back over it,
it is two moments, and where they went forward over it, the moment of the change.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from jobrun.cli.moments import parse_future, parse_past
from jobrun.domain.instants import DAY, MINUTE, SECOND, Instant, from_datetime, to_datetime

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})([.,]\d+)?)?")
_OFFSET = re.compile(r"\d(?:z|[+-]\d{2}:?\d{2}(?::?\d{2})?)$", re.IGNORECASE)
_DAY = re.compile(r"(?:today|yesterday|tomorrow|\d{4}-\d{2}-\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: [first, end) of each stretch, in time order, and what is odd about it."""

    stretches: tuple[tuple[Instant, Instant], ...]
    remark: str = ""

    @property
    def first(self) -> Instant:
        """Where it begins."""
        return self.stretches[0][0]

    @property
    def end(self) -> Instant:
        """Where it ends; not included."""
        return self.stretches[-1][1]


def just(moment: Instant) -> Asked:
    """One very moment."""
    return Asked(((moment, moment + 1),))


def read_moment(text: str, now: Instant, zone: ZoneInfo) -> Asked:
    """The moment that a person wrote. Raises UsageError."""
    word = text.strip()
    if word.lower().startswith("in "):
        return just(parse_future(word, now, zone))
    moment = parse_past(word, now, zone)
    if _DAY.fullmatch(word):
        next_day = to_datetime(moment, zone).date() + timedelta(days=1)
        return Asked(((moment, parse_past(next_day.isoformat(), now, zone)),))
    clock = _CLOCK.search(word)
    if clock is None:
        return just(moment)
    if _CLOCK.fullmatch(word) and moment > now:
        moment = parse_past(f"yesterday {word}", now, zone)
    grain = MINUTE if clock[3] is None else SECOND if clock[4] is None else 1
    if _OFFSET.search(word):
        return Asked(((moment, moment + grain),))
    return _on_the_wall(moment, grain, int(clock[1]) * 60 + int(clock[2]), zone)


def _on_the_wall(moment: Instant, grain: int, minute_of_day: int, zone: ZoneInfo) -> Asked:
    """The moment, or both, at which a clock on the wall of the zone shows this time."""
    there = to_datetime(moment, zone)
    if there.hour * 60 + there.minute != minute_of_day:
        change = _change_before(moment, zone)
        at = to_datetime(change, zone)
        asked = f"{minute_of_day // 60:02}:{minute_of_day % 60:02}"
        return Asked(
            ((change, change + grain),),
            f"{asked} did not exist on {at:%Y-%m-%d} in {zone.key}: the clocks went forward over it, "
            f"to {at:%H:%M}; this is the moment of the change",
        )
    again = from_datetime(there.replace(fold=1))
    if again == moment:
        return Asked(((moment, moment + grain),))
    return Asked(
        ((moment, moment + grain), (again, again + grain)),
        f"{there:%H:%M} came twice on {there:%Y-%m-%d} in {zone.key}: the clocks went back over it",
    )


def _change_before(moment: Instant, zone: ZoneInfo) -> Instant:
    """The change of the clocks that made this moment's wall time jump: the last within a day before."""

    def offset(second: int) -> timedelta | None:
        return to_datetime(second * SECOND, zone).utcoffset()

    low, high = (moment - DAY) // SECOND, moment // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == offset(moment // SECOND):
            high = middle
        else:
            low = middle
    return high * SECOND
