"""The daemon's own log: one line an event, on stderr, for people or as JSON.

An event has a dotted name (`run.done`) and fields. Times are UTC in JSON and
the host's in the human form.
"""

import json
import re
import sys
import time
import traceback
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Any, TextIO

from jobrun.daemon.outlet import Outlet

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

# What is not simply information, by event name.
_EVENT_LEVELS = {
    "run.retrying": "warning",
    "run.queued": "debug",
    "run.starting": "debug",
    "run.delayed": "debug",
    "event.stale": "debug",
    "store.trouble": "error",
    "clock.stepped": "warning",
    "clock.suspended": "warning",
    "clock.stalled": "warning",
    "daemon.forcing": "warning",
    "log.dropped": "warning",
    "reload.refused": "error",
}
# Made once: `json.dumps` makes an encoder for each call.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_BARE = re.compile(r'[^\s="]+')
# How long, in seconds, the last lines may take.
_LAST_LINES = 1.0
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"}


class Log:
    """Writes events to a stream. `form` is "text" or "json"; `level` the lowest that is written."""

    def __init__(self, form: str = "text", level: str = "info", stream: TextIO | None = None) -> None:
        self._json = form == "json"
        self._lowest = LEVELS[level]
        stream = stream if stream is not None else sys.stderr
        self._colour = not self._json and stream.isatty()
        self._outlet = Outlet(stream, self._dropped)
        self._second = -1
        self._second_text = ""

    def __call__(
        self, event: str, *, level: str = "", exc_info: BaseException | None = None, **fields: Any
    ) -> None:
        """Write one event."""
        if exc_info is not None:
            fields["traceback"] = "".join(traceback.format_exception(exc_info))
        self._write(self._line(event, level, fields))

    def write_all(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write a number of events at once."""
        self._write("".join([self._line(event, "", fields) for event, fields in events]))

    def catch_up(self) -> None:
        """Write what had to be kept because nobody read it, if it is read now."""
        self._outlet.flush()

    def close(self) -> None:
        """Nothing follows: wait a moment for whoever reads the last lines."""
        self._outlet.flush(_LAST_LINES)

    def _write(self, lines: str) -> None:
        if lines:
            self._outlet.write(lines)

    def _dropped(self, number: int) -> str:
        """The line for those that were not written; it is never left out."""
        fields = {"text": f"{number} lines were dropped: nobody read the log", "lines": number}
        return (self._as_json if self._json else self._as_text)("log.dropped", "warning", fields) + "\n"

    def _line(self, event: str, level: str, fields: dict[str, Any]) -> str:
        """The event as a whole line; nothing if its level is not wanted."""
        level = level or self._level_of(event, fields)
        if LEVELS[level] < self._lowest:
            return ""
        said = {key: value for key, value in fields.items() if value is not None and value != ""}
        return (self._as_json if self._json else self._as_text)(event, level, said) + "\n"

    def _level_of(self, event: str, fields: dict[str, Any]) -> str:
        if event == "run.done" and fields.get("outcome") not in ("succeeded", "cancelled", "skipped"):
            return "error"
        return _EVENT_LEVELS.get(event, "info")

    def _as_json(self, event: str, level: str, fields: dict[str, Any]) -> str:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        plain = {key: _plain(value) for key, value in fields.items()}
        return _encode({"time": stamp, "level": level, "event": event, **plain})

    def _as_text(self, event: str, level: str, fields: dict[str, Any]) -> str:
        trace = fields.pop("traceback", "")
        words = " ".join([f"{key}={_quoted(value)}" for key, value in fields.items()])
        line = f"{self._stamp()} {level:<7} {event:<16} {words}".rstrip()
        if self._colour and level in _COLOURS:
            line = f"{_COLOURS[level]}{line}\x1b[0m"
        return f"{line}\n{trace.rstrip()}" if trace else line

    def _stamp(self) -> str:
        """The local time, worked out once a second: thousands of lines can be of one."""
        # Not `time.strftime` alone: its clock is a coarse one, and late by up to a tick over a full second.
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return self._second_text


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str | int | float | bool | list | dict):
        return value
    return str(value)


def _quoted(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if isinstance(value, str):
        return _quoted_text(value)
    if isinstance(value, list):
        return ",".join(_quoted(item) for item in value) or "-"
    if isinstance(value, bool | float | dict):
        return _quoted_text(_encode(value))
    return _quoted_text(str(value))


@lru_cache(512)
def _quoted_text(text: str) -> str:
    """As it is if it is one plain word, else in quotes. The same few words come thousands of times."""
    return text if text.isprintable() and _BARE.fullmatch(text) else _encode(text)
