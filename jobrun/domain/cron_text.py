"""Cron text read into sets of values, as Debian's cron reads it; no dates here.

The grammar is that of Debian cron 3.0pl1 (`entry.c`): five fields, lists,
ranges, steps after `*` or a range, three-letter names for months and days of
the week in any case, Sunday as 0 and 7, `@` words in lower case. What that C
code accepts in silence but nobody means (a range backwards, which it takes as
empty; rubbish after a valid item, which it skips) is refused here with a hint.
Accepted beyond it: six fields with seconds first, `L`, `LW` and `#`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from jobrun.domain.cron_hints import (
    Item,
    backwards,
    no_step_here,
    not_a_value,
    not_this_step,
    unknown_word,
    wrong_number_of_fields,
)

WORDS: dict[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
REBOOT = "@reboot"

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One of the six positions: its name, its bounds, the names it knows (the first stands for `low`)."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


SECOND = FieldKind("second", 0, 59)
MINUTE = FieldKind("minute", 0, 59)
HOUR = FieldKind("hour", 0, 23)
DAY_OF_MONTH = FieldKind("day-of-month", 1, 31)
MONTH = FieldKind("month", 1, 12, tuple(month[:3].lower() for month in MONTHS))
DAY_OF_WEEK = FieldKind("day-of-week", 0, 7, tuple(day[:3].lower() for day in WEEKDAYS))
FIELDS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


@dataclass(frozen=True, slots=True)
class CronField:
    """One field as read.

    `values` holds the plain numbers, ascending, Sunday as 0. `marks` holds
    what only a date can answer: `L`, `LW`, `5L`, `1#2`, upper case and with
    numbers for names. `starred` is Debian's flag: the text begins with `*`.
    `canonical` says the same without names and ranges, star items kept.
    """

    text: str
    start: int
    end: int
    values: tuple[int, ...]
    marks: tuple[str, ...]
    starred: bool
    canonical: str


@dataclass(frozen=True, slots=True)
class CronText:
    """A whole cron text as read. `reboot` texts have no fields that mean anything."""

    text: str
    second: CronField
    minute: CronField
    hour: CronField
    day_of_month: CronField
    month: CronField
    day_of_week: CronField
    has_seconds: bool = False
    reboot: bool = False

    @property
    def is_fixed_time(self) -> bool:
        """Debian's distinction at a change of the clocks: neither minute nor hour begins with `*`."""
        return not (self.minute.starred or self.hour.starred or self.reboot)

    @property
    def needs_both_days(self) -> bool:
        """Debian's star rule: with a `*` in front of either day field both must fit, else either may."""
        return self.day_of_month.starred or self.day_of_week.starred


@lru_cache(maxsize=1024)
def read_cron(text: str) -> CronText:
    """The text as sets of values. Raises CronError; dates that never come are not looked for here."""
    body = text.strip(" \t")
    if body.startswith("@"):
        if body == REBOOT:
            return _read_fields(text, "0 0 * * *", reboot=True)
        if body not in WORDS:
            raise unknown_word(text, body, (*WORDS, REBOOT))
        return _read_fields(text, WORDS[body])
    return _read_fields(text, text)


def _read_fields(text: str, spelled: str, *, reboot: bool = False) -> CronText:
    found = [(match[0], match.start()) for match in re.finditer(r"[^ \t]+", spelled)]
    if len(found) not in (5, 6):
        raise wrong_number_of_fields(spelled, found)
    has_seconds = len(found) == 6
    if not has_seconds:
        found.insert(0, ("0", 0))
    second, minute, hour, day_of_month, month, day_of_week = (
        _read_field(kind, part, start) for kind, (part, start) in zip(FIELDS, found, strict=True)
    )
    return CronText(text, second, minute, hour, day_of_month, month, day_of_week, has_seconds, reboot)


# The fields of thousands of texts are mostly the same few; only the place differs, and that rarely.
@lru_cache(maxsize=4096)
def _read_field(kind: FieldKind, text: str, start: int) -> CronField:
    values: set[int] = set()
    marks: list[str] = []
    canonical: list[str] = []
    position = start
    for term in text.split(","):
        item = Item(kind.name, kind.low, kind.high, kind.names, term, position, text, start)
        found = _read_item(item)
        if isinstance(found, str):
            marks.append(found)
            canonical.append(found)
        else:
            values.update(found)
            canonical.append(_spell(term, found))
        position += len(term) + 1
    if kind is DAY_OF_WEEK:
        values = {value % 7 for value in values}
    return CronField(
        text=text,
        start=start,
        end=start + len(text),
        values=tuple(sorted(values)),
        marks=tuple(dict.fromkeys(marks)),
        starred=text.startswith("*"),
        canonical=",".join(canonical),
    )


def _spell(term: str, values: tuple[int, ...]) -> str:
    if not term.startswith("*"):
        return ",".join(map(str, values))
    # The star stays, for the star rule; the length of a long number does not, since int() has a limit.
    _, slash, step = term.partition("/")
    return f"*/{_magnitude(step)}" if slash else "*"


_ITEM = re.compile(r"(?P<first>\*|[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?(?:/(?P<step>[0-9A-Za-z]*))?")
_NTH = re.compile(r"(?P<day>[0-9A-Za-z]+)#(?P<nth>[0-9]+)")
_LAST = re.compile(r"(?P<day>[0-9]+|[A-Za-z]{3})[lL]")


def _read_item(item: Item) -> tuple[int, ...] | str:
    """The values of one item of a list, or its mark."""
    mark = _mark(item)
    if mark is not None:
        return mark
    match = _ITEM.fullmatch(item.text)
    if match is None:
        raise not_a_value(item, item.text)
    first, last, step = match["first"], match["last"], match["step"]
    if first == "*":
        if last is not None:
            raise not_a_value(item, item.text)
        return tuple(range(item.low, item.high + 1, _step(item, step)))
    start = _number(item, first)
    if last is None:
        if step is not None:
            raise no_step_here(item, start, step)
        return (start,)
    end = _number(item, last)
    width = _step(item, step)
    if end < start:
        raise backwards(item, start, end, width)
    return tuple(range(start, end + 1, width))


def _mark(item: Item) -> str | None:
    """`L` and `LW` (day-of-month), `5L` and `1#2` (day-of-week)."""
    if item.field == DAY_OF_MONTH.name:
        upper = item.text.upper()
        return upper if upper in ("L", "LW") else None
    if item.field != DAY_OF_WEEK.name:
        return None
    if match := _NTH.fullmatch(item.text):
        nth = match["nth"]
        if nth not in ("1", "2", "3", "4", "5"):
            raise item.error(f"a month has no {nth}th week", "write # with a number from 1 to 5")
        return f"{_number(item, match['day']) % 7}#{nth}"
    if match := _LAST.fullmatch(item.text):
        return f"{_number(item, match['day']) % 7}L"
    return None


def _number(item: Item, word: str) -> int:
    if word.isascii() and word.isdigit():
        value = _magnitude(word)
    elif word.lower() in item.names:
        value = item.low + item.names.index(word.lower())
    else:
        raise not_a_value(item, word)
    if not item.low <= value <= item.high:
        raise not_a_value(item, word)
    return value


def _step(item: Item, step: str | None) -> int:
    if step is None:
        return 1
    if not (step.isascii() and step.isdigit()) or not step.strip("0"):
        raise not_this_step(item, step)
    return _magnitude(step)


def _magnitude(digits: str) -> int:
    """The number, or one that is out of bounds in every field: int() refuses very long ones."""
    plain = digits.lstrip("0") or "0"
    return int(plain) if len(plain) <= 9 else 10**9
