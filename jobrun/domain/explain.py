"""A cron text explained: words, the next dates, and what a reader should know about them.

The dates come from the calendar that starts the jobs; a date gets a remark
where a change of the clocks moves it, doubles it, or swallows others before it.
"""

from dataclasses import dataclass

from jobrun.domain.calendar import NeverComes, check_cron, fitting_walls, is_fixed_time, iter_cron
from jobrun.domain.cron_text import CronText, read_cron
from jobrun.domain.describe import describe, remarks
from jobrun.domain.instants import SECOND, Instant
from jobrun.domain.zones import LONGEST_GAP, LONGEST_REPEAT, Shift, load_zone, offset_at, shifts

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a text means. `next` pairs each date with its remark, if it has one."""

    words: str
    next: list[tuple[Instant, str | None]]
    remarks: list[str]


def explain(text: str, zone: str, after: Instant, n: int) -> Explanation:
    """The text in words, its next `n` dates after a moment, and remarks.

    Raises CronError for a text that cannot be read, ValueError for an unknown
    zone. One that can be read but fits no date is explained: it never comes.
    """
    cron = read_cron(text)
    try:
        check_cron(text)
    except NeverComes as error:
        load_zone(zone)
        return Explanation(describe(text), [], [*remarks(text), error.reason])
    dates: list[tuple[Instant, str | None]] = []
    since = after
    for at in iter_cron(text, zone, after):
        if len(dates) >= n:
            break
        dates.append((at, date_remark(text, zone, since, at)))
        since = at
    return Explanation(describe(text), dates, remarks(text) + _notes(cron))


def date_remark(text: str, zone: str, since: Instant, at: Instant) -> str | None:
    """What a change of the clocks does to the date `at`, and to dates lost between `since` and it."""
    start, moment = since // SECOND + 1, at // SECOND
    fixed = is_fixed_time(text)
    for shift in reversed(shifts(zone, start, moment + 1)):
        if shift.size > 0 and (lost := _lost(text, shift)):
            if fixed and shift.size <= LONGEST_GAP:
                if shift.at == moment:
                    return f"{lost} skipped: {_change(shift)}; due right after the change"
            else:
                return f"before it, {lost} left out: {_change(shift)}"
    for shift in shifts(zone, moment - LONGEST_REPEAT, moment + LONGEST_REPEAT + 1):
        if shift.size < 0 and shift.at + shift.size <= moment < shift.at - shift.size:
            wall = _wall(moment + offset_at(zone, moment))
            if not fixed or -shift.size > LONGEST_REPEAT:
                which = "first" if moment < shift.at else "second"
                return f"{wall} comes twice: {_change(shift)}; this is the {which}"
            if moment < shift.at:
                return f"{wall} comes twice: {_change(shift)}; due at the first only"
    return None


def _lost(text: str, shift: Shift) -> str:
    """The times of the text that the wall clock jumped over: "02:30 is", "02:00, 02:30 are"; or empty."""
    walls = fitting_walls(text, shift.at + shift.before, shift.at + shift.after, _SHOWN + 1)
    if len(walls) > _SHOWN:
        return f"times from {_wall(walls[0])} on are"
    return ", ".join(map(_wall, walls)) + (" is" if len(walls) == 1 else " are" if walls else "")


def _change(shift: Shift) -> str:
    way = "forward" if shift.size > 0 else "back"
    if abs(shift.size) > LONGEST_REPEAT:
        return f"the clocks go {way} by {abs(shift.size) / 3600:g} hours"
    return f"the clocks go {way} from {_wall(shift.at + shift.before)} to {_wall(shift.at + shift.after)}"


def _wall(wall: int) -> str:
    minutes, second = divmod(wall % 86_400, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{second:02}" if second else "")


def _notes(cron: CronText) -> list[str]:
    """What surprises people about a text that is as Debian's cron has it."""
    if cron.reboot:
        return ["when the host boots is not known to the calendar"]
    notes = []
    for field, size, unit, whole in (
        (cron.second, 60, "second", "minute"),
        (cron.minute, 60, "minute", "hour"),
        (cron.hour, 24, "hour", "day"),
    ):
        step = field.text.removeprefix("*/")
        if step == field.text or not step.isdigit():
            continue
        if len(field.values) == 1:
            notes.append(f"{field.text} means {unit} 0 only: the step is as long as the {whole} or longer")
        elif size % int(step):
            last = size - field.values[-1]
            notes.append(f"{field.text} begins anew with every {whole}: its last step is {last} {unit}s")
    days, week = cron.day_of_month, cron.day_of_week
    if len(days.values) < 31 and len(week.values) < 7:
        if not cron.needs_both_days:
            notes.append("day-of-month and day-of-week are both given: either is enough, as in Debian's cron")
        else:
            notes.append("a day field begins with *: day-of-month and day-of-week must both fit")
    if not days.marks and days.values and len(week.values) == 7:
        notes += _short_months(days.values[0], cron.month.values)
    return notes


def _short_months(first: int, months: tuple[int, ...]) -> list[str]:
    if first == 29 and months == (2,):
        return ["it comes in leap years only"]
    if first > 28 and set(months) & {2, 4, 6, 9, 11}:
        return [f"months without a day {first} are left out; the last day of a month is written L"]
    return []
