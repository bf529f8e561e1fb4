"""A cron text in English words, and what in it Debian's cron would not know.

The words are made from the values a text stands for, not from its spelling:
`1-5` and `mon-fri` read the same, and so do `*/15` and `0,15,30,45`.
"""

from collections.abc import Sequence
from itertools import pairwise

from jobrun.domain.cron_text import MONTHS, WEEKDAYS, CronField, CronText, read_cron

_FEW = 6
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def describe(text: str) -> str:
    """What the text means, as a phrase without a capital or a full stop. Raises CronError."""
    cron = read_cron(text)
    if cron.reboot:
        return "once at every boot of the host"
    times, days = _times(cron), _days(cron)
    on_the_clock = times.startswith("at ") and times[3].isdigit()
    if not days:
        return f"{times} every day" if on_the_clock else times
    joint = " " if on_the_clock and days.startswith(("on ", "every day in")) else ", "
    return times + joint + days


def remarks(text: str) -> list[str]:
    """What the text uses beyond Debian's cron, one sentence each; empty for what crontab would take."""
    cron = read_cron(text)
    found = []
    if cron.has_seconds:
        found.append("six fields, with seconds first, are beyond Debian's cron")
    marks = (*cron.day_of_month.marks, *cron.day_of_week.marks)
    for sign, meaning in (
        ("LW", "LW, the last weekday of the month,"),
        ("L", "L, the last day of the month,"),
    ):
        if sign in marks:
            found.append(f"{meaning} is beyond Debian's cron")
    if any(mark[0].isdigit() and mark.endswith("L") for mark in marks):
        found.append("a weekday with L, the last one of the month, is beyond Debian's cron")
    if any("#" in mark for mark in marks):
        found.append("a weekday with #, the n-th one of the month, is beyond Debian's cron")
    return found


def _times(cron: CronText) -> str:
    """When within a day: "at 03:00", "every 15 minutes, from 09:00 through 17:59"."""
    hours, minutes, seconds = cron.hour.values, cron.minute.values, cron.second.values
    plain = seconds == (0,)
    if len(hours) * len(minutes) * len(seconds) <= _FEW:
        clocks = [
            _clock(hour, minute, None if plain else second)
            for hour in hours
            for minute in minutes
            for second in seconds
        ]
        return f"at {_join(clocks)}"
    if len(minutes) == len(seconds) == 1:
        return _single_times(hours, minutes[0], None if plain else seconds[0])
    if plain and len(hours) == 1 and len(minutes) < 60 and (step := _step(minutes)) is not None:
        rhythm = "every minute" if step == 1 else f"every {step} minutes"
        return f"{rhythm}, from {_clock(hours[0], minutes[0])} through {_clock(hours[0], minutes[-1])}"
    if plain:
        rhythm = _rhythm(minutes, "minute")
    elif len(seconds) == 1:
        rhythm = f"{_rhythm(minutes, 'minute')} at second {seconds[0]}"
    elif len(minutes) == 60:
        rhythm = _rhythm(seconds, "second")
    else:
        rhythm = f"{_rhythm(seconds, 'second')} of {_rhythm(minutes, 'minute').removeprefix('at ')}"
    return _within_hours(rhythm, hours)


def _single_times(hours: Sequence[int], minute: int, second: int | None) -> str:
    """One time in each of more than a few hours."""
    step = _step(hours)
    if step is None:
        return f"at {_join([_clock(hour, minute, second) for hour in hours])}"
    rhythm = "every hour" if step == 1 else f"every {step} hours"
    if len(hours) == 24:
        return f"{rhythm} at {'minute ' + str(minute) if second is None else f'{minute:02}:{second:02}'}"
    first, last = _clock(hours[0], minute, second), _clock(hours[-1], minute, second)
    return f"{rhythm}, from {first} through {last}"


def _rhythm(values: Sequence[int], unit: str) -> str:
    """Minutes within an hour, or seconds within a minute."""
    step = _step(values)
    if len(values) == 60:
        return f"every {unit}"
    if len(values) == 1:
        return f"at {unit} {values[0]}"
    if step is not None and _is_even(values, step) and (values[0] == 0 or len(values) > 2):
        start = f", counted from {unit} {values[0]}" if values[0] else ""
        return f"every {step} {unit}s{start}"
    if len(values) <= _FEW or step is None:
        return f"at {unit}s {_join(list(map(str, values)))}"
    rhythm = f"every {unit}" if step == 1 else f"every {_ordinal(step)} {unit}"
    return f"{rhythm} from {values[0]} through {values[-1]}"


def _is_even(values: Sequence[int], step: int) -> bool:
    """Whether a rhythm of a whole unit has no longer or shorter step where the unit ends."""
    return 60 % step == 0 and len(values) == 60 // step


def _within_hours(rhythm: str, hours: Sequence[int]) -> str:
    step = _step(hours)
    if len(hours) == 24:
        whole = rhythm.startswith("at ") or " from " in rhythm.replace("counted from", "")
        return f"{rhythm} of every hour" if whole else rhythm
    if len(hours) == 1 or step == 1:
        return f"{rhythm}, from {_clock(hours[0], 0)} through {_clock(hours[-1], 59)}"
    if step is None or len(hours) < 3:
        return f"{rhythm}, in the hours of {_join([_clock(hour, 0) for hour in hours])}"
    first, last = _clock(hours[0], 0), _clock(hours[-1], 59)
    return f"{rhythm}, in every {_ordinal(step)} hour from {first} through {last}"


def _days(cron: CronText) -> str:
    """Which days: "Monday to Friday", "on the 1st of every month"; empty for every day."""
    of_month = "" if len(cron.day_of_month.values) == 31 else _days_of_month(cron.day_of_month)
    of_week = "" if len(cron.day_of_week.values) == 7 else _days_of_week(cron.day_of_week)
    months = _months(cron.month)
    if not cron.needs_both_days and not (of_month and of_week):
        # One of two that are enough fits every day.
        of_month = of_week = ""
    if not of_month and not of_week:
        return f"every day in {months}" if months else ""
    if not of_month:
        return of_week + (f", in {months}" if months else "")
    of_month += f" of {months}" if months else " of every month"
    if not of_week:
        return of_month
    if cron.needs_both_days:
        return f"{of_month}, if that is {of_week.removeprefix('on ')}"
    return f"{of_month}, and also {of_week}" + (f" in {months}" if months else "")


def _days_of_month(field: CronField) -> str:
    words = []
    step = _step(field.values)
    if len(field.values) > 3 and step is not None:
        rhythm = "" if step == 1 else f"every {_ordinal(step)} day "
        words.append(f"{rhythm}from the {_ordinal(field.values[0])} through the {_ordinal(field.values[-1])}")
    elif field.values:
        words.append(f"the {_join([_ordinal(value) for value in field.values])}")
    if "LW" in field.marks:
        words.append("the last weekday (Monday to Friday)")
    if "L" in field.marks:
        words.append("the last day")
    said = _join(words)
    return said if said.startswith(("from", "every")) else f"on {said}"


def _days_of_week(field: CronField) -> str:
    words = []
    # A week is read from Monday, so that 5-7 and fri,sat,sun are Friday to Sunday.
    week = sorted((value - 1) % 7 for value in field.values)
    names = [WEEKDAYS[(value + 1) % 7] for value in week]
    if len(week) > 2 and _step(week) == 1:
        words.append(f"{names[0]} to {names[-1]}")
    else:
        words += names
    for mark in field.marks:
        name = WEEKDAYS[int(mark[0])]
        nth = "last" if mark.endswith("L") else _ORDINALS[int(mark[2]) - 1]
        words.append(f"the {nth} {name}")
    said = _join(words) + (" of the month" if field.marks else "")
    return said if len(words) == 1 and " to " in said else f"on {said}"


def _months(field: CronField) -> str:
    names = [MONTHS[value - 1] for value in field.values]
    if len(names) == 12:
        return ""
    if len(names) > 2 and _step(field.values) == 1:
        return f"{names[0]} to {names[-1]}"
    return _join(names)


def _step(values: Sequence[int]) -> int | None:
    """The common distance of two or more values, if they have one."""
    distances = {later - earlier for earlier, later in pairwise(values)}
    return distances.pop() if len(distances) == 1 else None


def _clock(hour: int, minute: int, second: int | None = None) -> str:
    return f"{hour:02}:{minute:02}" + ("" if second is None else f":{second:02}")


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number // 10 == 1 else ending}"


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
