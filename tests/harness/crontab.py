"""A crontab read as Debian's cron reads it, and asked one minute at a time: does this line start now?

This is the harness's own yardstick. It shares no code with jobrun's calendar
and does not compute a next time at all: a minute matches or it does not.
Rules: crontab(5) of Debian, and its entry.c and cron.c for what that leaves
open (the star flags, the AND of restricted and starred days).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NAME = re.compile(r"# \[([a-z0-9-]+)\]")
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


@dataclass(frozen=True)
class Line:
    """One line of a crontab: when, what, and the name that the comment above it gives."""

    name: str
    when: str
    command: str

    @property
    def at_boot(self) -> bool:
        return self.when == "@reboot"

    def starts_at(self, minute: datetime) -> bool:
        """Whether cron starts this line in that minute of the wall clock."""
        if self.at_boot:
            return False
        fields = _WORDS.get(self.when, self.when).split()
        in_minute = minute.minute in _numbers(fields[0], 0, 59)
        in_hour = minute.hour in _numbers(fields[1], 0, 23)
        in_day = minute.day in _numbers(fields[2], 1, 31)
        in_month = minute.month in _numbers(fields[3], 1, 12, _MONTHS, 1)
        weekdays = {number % 7 for number in _numbers(fields[4], 0, 7, _DAYS, 0)}
        in_weekday = minute.isoweekday() % 7 in weekdays
        starred = fields[2].startswith("*") or fields[4].startswith("*")
        days = (in_day and in_weekday) if starred else (in_day or in_weekday)
        return in_minute and in_hour and in_month and days


def _numbers(field: str, low: int, high: int, names: list[str] | None = None, first: int = 0) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            begin, end = low, high
        else:
            begin_text, dash, end_text = span.partition("-")
            begin = _number(begin_text, names, first)
            end = _number(end_text, names, first) if dash else begin
        found.update(range(begin, end + 1, int(step) if step else 1))
    return found


def _number(text: str, names: list[str] | None, first: int) -> int:
    return names.index(text) + first if names and text in names else int(text)


def read_crontab(path: Path) -> list[Line]:
    """The lines of a crontab. Every one needs a `# [name]` comment above it; settings are passed over."""
    lines: list[Line] = []
    name = ""
    for number, text in enumerate(map(str.strip, path.read_text("utf-8").splitlines()), 1):
        if marked := _NAME.fullmatch(text):
            name = marked[1]
        elif not text or text.startswith("#") or _SETTING.fullmatch(text):
            continue
        else:
            if not name:
                raise ValueError(f"{path}:{number}: no # [name] above this line")
            parts = text.split(None, 1 if text.startswith("@") else 5)
            lines.append(Line(name, " ".join(parts[:-1]), _unescaped(parts[-1], f"{path}:{number}")))
            name = ""
    return lines


def _unescaped(command: str, place: str) -> str:
    """Cron ends a command at a bare percent sign and hands the rest to its stdin; ours have none."""
    if re.search(r"(?<!\\)%", command):
        raise ValueError(f"{place}: a bare % in the command")
    return command.replace(r"\%", "%")
