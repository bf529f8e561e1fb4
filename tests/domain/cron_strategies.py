"""Cron texts for property tests, made together with what they mean.

The meaning is put together here, value by value, and never taken from the
reader under test.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial

from hypothesis import strategies as st

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True)
class Meaning:
    """A text and the values its fields stand for; `starred` are the fields that begin with `*`."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    starred: frozenset[str]

    @property
    def is_fixed_time(self) -> bool:
        return not self.starred & {"minute", "hour"}

    def fits(self, wall: int) -> bool:
        """Debian's `find_jobs`, for a wall clock in seconds since 1970."""
        then = _clock(wall)
        day = then.day in self.days
        weekday = then.isoweekday() % 7 in self.weekdays
        both = self.starred & {"day", "weekday"}
        return (
            then.second in self.seconds
            and then.minute in self.minutes
            and then.hour in self.hours
            and then.month in self.months
            and (day and weekday if both else day or weekday)
        )


@lru_cache(maxsize=1 << 17)
def _clock(wall: int) -> datetime:
    return datetime.fromtimestamp(wall, UTC)


@st.composite
def _items(
    draw: st.DrawFn, low: int, high: int, names: list[str], stepped_ranges: bool
) -> tuple[str, set[int]]:
    def spell(value: int) -> str:
        if names and value - low < len(names) and draw(st.booleans()):
            name = names[value - low]
            return draw(st.sampled_from([name, name.upper(), name.capitalize()]))
        return draw(st.sampled_from([str(value), f"{value:02}"]))

    kinds = ["star", "star", "step", "one", "one", "range", *(["range step"] if stepped_ranges else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "star":
        return "*", set(range(low, high + 1))
    if kind == "step":
        step = draw(st.integers(1, high + 5))
        return f"*/{step}", set(range(low, high + 1, step))
    first = draw(st.integers(low, high))
    if kind == "one":
        return spell(first), {first}
    last = draw(st.integers(first, high))
    if kind == "range":
        return f"{spell(first)}-{spell(last)}", set(range(first, last + 1))
    step = draw(st.integers(1, high))
    return f"{spell(first)}-{spell(last)}/{step}", set(range(first, last + 1, step))


@st.composite
def _fields(
    draw: st.DrawFn, low: int, high: int, names: list[str] | None = None, *, stepped_ranges: bool = True
) -> tuple[str, set[int]]:
    found = draw(st.lists(_items(low, high, names or [], stepped_ranges), min_size=1, max_size=3))
    return ",".join(text for text, _ in found), set().union(*(values for _, values in found))


@st.composite
def meanings(
    draw: st.DrawFn, *, seconds: bool = False, every_day: bool = False, stepped_ranges: bool = True
) -> Meaning:
    """A text of five fields, or of six with `seconds`; with `every_day` only times of day are restricted."""
    star = st.just(("*", set(range(60))))
    fields = partial(_fields, stepped_ranges=stepped_ranges)
    parts = {
        "minute": draw(fields(0, 59)),
        "hour": draw(fields(0, 23)),
        "day": draw(star if every_day else fields(1, 31)),
        "month": draw(star if every_day else fields(1, 12, MONTHS)),
        "weekday": draw(star if every_day else fields(0, 7, DAYS)),
    }
    text = draw(st.sampled_from([" ", "\t", "  "])).join(part for part, _ in parts.values())
    second = {0}
    if seconds:
        second_text, second = draw(fields(0, 59))
        text = f"{second_text} {text}"
    return Meaning(
        text=text,
        seconds=frozenset(second),
        minutes=frozenset(parts["minute"][1]),
        hours=frozenset(parts["hour"][1]),
        days=frozenset(parts["day"][1]),
        months=frozenset(parts["month"][1]),
        weekdays=frozenset(value % 7 for value in parts["weekday"][1]),
        starred=frozenset(name for name, (part, _) in parts.items() if part.startswith("*")),
    )
