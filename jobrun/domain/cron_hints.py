"""What is wrong with a cron text, in words: the error with its place, and the hint that repairs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

FIVE_FIELDS = "minute hour day-of-month month day-of-week"


class CronError(ValueError):
    """A cron text that is refused.

    `field` is the field's name (empty when the text as a whole is wrong),
    `reason` what is wrong, `hint` what to write instead (may be empty),
    `start` and `end` the characters of the text it is about.
    """

    def __init__(self, reason: str, hint: str = "", *, field: str = "", start: int = 0, end: int = 0) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
        self.hint = hint
        self.start = start
        self.end = end


class NeverComes(CronError):
    """A well-formed cron text that fits no date."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a field's list, where it stands, and what the field allows."""

    field: str
    low: int
    high: int
    names: tuple[str, ...]
    text: str
    start: int
    whole: str
    whole_start: int

    def error(self, reason: str, hint: str = "", part: str | None = None) -> CronError:
        """The error about this item, or about one part of it; an empty item is shown by its field."""
        start, length = self.start, len(self.text)
        if part:
            start, length = self.start + self.text.index(part), len(part)
        if not length:
            start, length = self.whole_start, len(self.whole)
        return CronError(reason, hint, field=self.field, start=start, end=start + length)

    @property
    def bounds(self) -> str:
        """The values the field takes, in words."""
        names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.low} to {self.high}{names}"


def wrong_number_of_fields(text: str, found: Sequence[tuple[str, int]]) -> CronError:
    """Too few or too many fields."""
    count = len(found)
    start = found[0][1] if found else 0
    end = found[-1][1] + len(found[-1][0]) if found else len(text)
    if count == 0:
        return CronError("the cron text is empty", f"write five fields: {FIVE_FIELDS}", end=end)
    if count < 5:
        missing = ", ".join(FIVE_FIELDS.split()[count:])
        reason = f"{count} field{'s' if count > 1 else ''} where five are expected ({missing} missing)"
        return CronError(reason, f"write {FIVE_FIELDS}", start=start, end=end)
    return CronError(
        f"{count} fields where five are expected, or six with seconds first",
        "a year cannot be given; use not_before and expires" if count == 7 else f"write {FIVE_FIELDS}",
        start=found[6][1],
        end=end,
    )


def unknown_word(text: str, word: str, known: Sequence[str]) -> CronError:
    """An `@` word that Debian's cron does not know; it knows lower case only."""
    start = text.index(word)
    first = word.split(maxsplit=1)[0]
    hint = f"known are {', '.join(known)}"
    if first.lower() == "@every":
        hint = 'an interval is written every = "5m", without cron'
    elif first in known:
        hint = f"write {first} alone"
    elif first.lower() in known:
        hint = f"write {first.lower()}, in lower case"
    elif close := get_close_matches(first.lower(), known, 1):
        hint = f"did you mean {close[0]}?"
    return CronError(f'"{word}" is not one of the @ words', hint, start=start, end=start + len(word))


def not_a_value(item: Item, word: str) -> CronError:
    """A word the field does not know, or a number outside its bounds."""
    if not item.text:
        return item.error("a list has an empty item", "remove the comma too many")
    if word.isascii() and word.isdigit():
        hint = "midnight is hour 0" if item.field == "hour" and word == "24" else ""
        return item.error(f'"{word}" is out of bounds: {item.bounds}', hint, word)
    return item.error(f'"{word}" is not a {item.field}: {item.bounds}', _word_hint(item, word), word)


def _word_hint(item: Item, word: str) -> str:  # noqa: PLR0912 - one branch for each dialect it knows
    lower = word.lower()
    if lower == "?":
        return "write *"
    if lower[:3] in item.names and lower.isalpha():
        return f"write {lower[:3]}"
    if lower.isalpha() and (close := get_close_matches(lower, item.names, 1)):
        return f"did you mean {close[0]}?"
    if lower.startswith("h") and not item.names:
        return 'H is Jenkins\'; here spread = "10m" moves a start, the same way every time'
    if item.field == "day-of-month":
        if lower == "l":
            return "L alone is the last day of the month; days before it cannot be given"
        if lower.endswith("w"):
            return "LW is the last weekday of the month; the weekday nearest to a date cannot be given"
        if "#" in lower or lower.endswith("l"):
            return "# and a number with L belong into the day-of-week field"
    if item.field == "day-of-week":
        if lower == "l":
            return "write 6L for the last Saturday of the month, or 6 for every Saturday"
        if lower == "lw":
            return "LW belongs into the day-of-month field"
        if "#" in lower:
            return "write 1#2 for the second Monday of the month"
    if lower.startswith("*") and len(lower) > 1:
        return 'write "*", or a step such as "*/5"'
    if lower.startswith("-"):
        return "a number cannot be negative"
    return ""


def no_step_here(item: Item, start: int, step: str) -> CronError:
    """`5/15`: Debian's cron refuses it, others read it as 5-59/15."""
    high = 6 if item.field == "day-of-week" else item.high
    hint = f'write "{start}-{high}/{step or 1}"' if start <= high else f'write "{start}"'
    return item.error(f'"{item.text}" has a step without a range', hint)


def not_this_step(item: Item, step: str) -> CronError:
    """A step that is zero or no number."""
    if step and not step.strip("0"):
        return item.error(f'"{item.text}" has a step of zero', "remove the step, or write 1 or more")
    return item.error(f'"{item.text}" has a step that is not a number', 'write a number, such as "*/5"')


def backwards(item: Item, start: int, end: int, step: int) -> CronError:
    """A range backwards, which Debian's cron takes as empty without a word."""
    if item.field == "day-of-week" and end == 0 and step == 1:
        return item.error(f'"{item.text}" runs backwards: Sunday is 0 here', f'write "{start}-7"')
    if step == 1:
        high = 6 if item.field == "day-of-week" else item.high
        parts = [_span(start, high), _span(item.low, end)] if start <= high else [_span(item.low, end)]
        around = ",".join(parts)
    else:
        size = 7 if item.field == "day-of-week" else item.high - item.low + 1
        around = ",".join(
            str((value - item.low) % size + item.low) for value in range(start, end + size + 1, step)
        )
    return item.error(f'"{item.text}" runs backwards', f'write "{around}"')


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
