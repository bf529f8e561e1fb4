"""Values as a job file writes them, and the built-in defaults by key.

The defaults are read off the domain's own values, so that what the reference
says and what happens cannot differ.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from jobrun.conf.model.options import JobTable, LimitsTable, ScheduleTable
from jobrun.conf.model.tables import PoolTable, SettingsTable
from jobrun.conf.problems import dotted
from jobrun.domain.instants import Instant, format_duration, to_iso
from jobrun.domain.job import Checkpoint, Job, PythonCall, RetryPolicy, Settings, ShellCommand

_MOMENTS = ("at", "not_before", "expires")


def builtin(key: str) -> Any:
    """The built-in default of a job's key in the domain's units; None if there is none."""
    job, retry = Job(name="", body=ShellCommand("")), RetryPolicy()
    part, dot, name = key.partition(".")
    if dot:
        return getattr(Checkpoint(), name) if part == "checkpoint" else None
    match key:
        case "attempts" | "backoff" | "delay" | "max_delay" | "power" | "jitter":
            return getattr(retry, key)
        case "shell":
            return ShellCommand("").shell
        case "isolation" | "pool":
            return getattr(PythonCall(""), key)
        case "keep_for" | "keep_succeeded" | "keep_failed":
            return getattr(job.retention, key)
        case "spread" | "random_delay":
            return 0
        case "retries":
            return retry.attempts - 1
        case "description" | "tags" | "env_file" | "env" | "limits" | "schedules":
            return None
        case _:
            return getattr(job, key, None)


def builtin_setting(key: str) -> Any:
    """The built-in default of a `[jobrun]` key; None if the host decides."""
    return None if key == "timezone" else getattr(Settings(), key, None)


def value_text(key: str, value: Any) -> str:
    """A value in the domain's units as TOML text. `key` tells what the number means (`limits.memory`)."""
    if key == "data":
        return _text(key, json.loads(value))
    name = key.rpartition(".")[2] if key.startswith("limits.") else key
    return _text(name, value)


def _text(key: str, value: Any) -> str:
    if value is None:
        return "null"  # only within data that came from outside: TOML has none
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, StrEnum | str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(key, item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{dotted((name,))} = {_text(name, v)}" for name, v in value.items()) + " }"
    if isinstance(value, int):
        return _number(key, value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(key: str, value: int) -> str:
    if key in _MOMENTS:
        return moment_text(value)
    if key == "umask":
        return f'"{value:03o}"'
    match unit_of(key):
        case "duration":
            return f'"{format_duration(value)}"'
        case "size":
            return f'"{_size(value)}"'
        case _:
            return str(value)


def moment_text(moment: Instant) -> str:
    """A moment as a TOML date-time in UTC."""
    return to_iso(moment).replace("+00:00", "Z")


def _size(count: int) -> str:
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if count and count % (1 << shift) == 0:
            return f"{count >> shift}{unit}"
    return str(count)


def unit_of(key: str) -> str:
    """`duration`, `size`, or empty."""
    return _units().get(key, "")


@cache
def _units() -> dict[str, str]:
    units: dict[str, str] = {}
    for model in (JobTable, ScheduleTable, LimitsTable, SettingsTable, PoolTable):
        for key, field in model.model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and "unit" in extra:
                units[key] = str(extra["unit"])
    return units
