"""From a raw table to its values and what is wrong with it.

A key with a fault is left out and the rest is kept, so that a typo in one key
does not hide what is wrong with the others.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from jobrun.conf.model.checks import kind_of
from jobrun.conf.model.options import CheckpointTable, JobTable, LimitsTable, RunOptions, ScheduleTable, Table
from jobrun.conf.model.tables import PoolTable, QueueTable, SettingsTable
from jobrun.conf.problems import Fault, Key, nearest, quoted

# Words people bring from cron, systemd, and the queue systems, and what they are called here.
_ELSEWHERE = {
    "schedule": "cron",
    "crontab": "cron",
    "cron_expression": "cron",
    "interval": "every",
    "period": "every",
    "run": "command",
    "cmd": "command",
    "script": "command",
    "exec": "command",
    "execstart": "command",
    "tz": "timezone",
    "time_zone": "timezone",
    "cron_tz": "timezone",
    "environment": "env",
    "environment_file": "env_file",
    "working_directory": "cwd",
    "workdir": "cwd",
    "dir": "cwd",
    "max_retries": "retries",
    "retry": "retries",
    "max_attempts": "attempts",
    "max_runtime": "timeout",
    "time_limit": "timeout",
    "soft_time_limit": "soft_timeout",
    "concurrency_policy": "overlap",
    "misfire": "catch_up",
    "catchup": "catch_up",
    "persistent": "catch_up",
    "randomized_delay": "random_delay",
    "template": "extends",
    "disabled": "enabled",
    "memory": "limits.memory",
    "cpu_time": "limits.cpu_time",
    "open_files": "limits.open_files",
    "function": "python",
    "max_concurrency": "concurrency",
    "limit": "concurrency",
    "retention": "keep_for",
    "stderr": "output",
    "payload": "data",
    "concurrency": "max",
    "workers": "max",
    "processes": "max",
    "max_workers": "max",
    "min_workers": "min",
    "idle_timeout": "idle",
    "max_tasks_per_child": "max_runs_per_worker",
    "max_requests": "max_runs_per_worker",
    "max_runs": "max_runs_per_worker",
    "max_memory_per_child": "max_memory_per_worker",
    "max_memory": "max_memory_per_worker",
    "prefetch_multiplier": "prefetch",
    "on_start": "on_worker_start",
    "on_stop": "on_worker_stop",
}


def take(model: type[Table], raw: object) -> tuple[dict[str, Any], frozenset[str], list[Fault]]:
    """The values a table sets, the keys that have a fault, and the faults (`at` counts from the table)."""
    if not isinstance(raw, dict):
        return {}, frozenset(model.model_fields), [Fault(f"expected a table, not {kind_of(raw)}")]
    try:
        return _values(model.model_validate(raw)), frozenset(), []
    except ValidationError as error:
        faults = [fault for item in error.errors(include_url=False) for fault in _faults(model, dict(item))]
    except RecursionError:
        return {}, frozenset(raw), [Fault("the table is nested too deeply")]
    bad = frozenset(str(fault.at[0]) for fault in faults if fault.at)
    good = {key: value for key, value in raw.items() if key not in bad}
    try:
        return _values(model.model_validate(good)), bad, faults
    except ValidationError:
        return {}, frozenset(raw), faults


def _values(table: Table) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in table.model_fields_set:
        value = getattr(table, key)
        if isinstance(value, Table):
            values[key] = _values(value)
        elif isinstance(value, list):
            values[key] = [_values(item) if isinstance(item, Table) else item for item in value]
        else:
            values[key] = value
    return values


def _faults(model: type[Table], item: dict[str, Any]) -> list[Fault]:
    """One of pydantic's errors in our words; a check of ours may have told several faults in it."""
    at: Key = item["loc"]
    if at[-1:] == ("[key]",) and at[-3:-2] == ("env",):
        at = at[:-1]  # pydantic's mark for "the key itself"; `env` is the one table with free keys
    inner = item.get("ctx", {}).get("error")
    if isinstance(inner, Fault):
        return [fault.inside(at) for fault in (inner, *inner.also)]
    return [_foreign_fault(model, item, at)]


def _foreign_fault(model: type[Table], item: dict[str, Any], at: Key) -> Fault:
    match item["type"]:
        case "extra_forbidden":
            return unknown_key(_model_at(model, at), at)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Fault(f"expected a table, not {kind_of(item['input'])}", at=at)
        case "list_type":
            hint = f"Write [[jobs.NAME.{at[-1]}]] for each." if at else ""
            return Fault(f"expected an array of tables, not {kind_of(item['input'])}", hint, at)
        case _:
            return Fault(str(item["msg"]), at=at)


def _model_at(model: type[Table], at: Key) -> type[Table]:
    """The model of the table in which the last key of `at` stands."""
    for part in at[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            model = next(iter(_classes(field.annotation)), model)
    return model


def _classes(annotation: Any) -> Iterable[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _classes(part)


def unknown_key(model: type[Table], at: Key) -> Fault:
    """The fault of a key that its table does not have."""
    key = str(at[-1])
    meant = meant_key(model, key)
    hint = f'Did you mean "{meant}"?' if meant else _home_of(model, key)
    return Fault(f"unknown key {quoted(key)}", hint, at)


def meant_key(model: type[Table], key: str) -> str | None:
    """The key that somebody probably meant: a word used elsewhere for it, or the nearest one."""
    other = _ELSEWHERE.get(key.lower().replace("-", "_"), "")
    if other and other.partition(".")[0] in model.model_fields:
        return other
    return nearest(key.replace("-", "_"), model.model_fields)


def _home_of(model: type[Table], key: str) -> str:
    """Where a key belongs that stands in the wrong table."""
    if issubclass(model, ScheduleTable | LimitsTable | CheckpointTable):
        return f'"{key}" belongs to the job itself.' if key in JobTable.model_fields else ""
    if issubclass(model, QueueTable) and key in RunOptions.model_fields:
        return f'"{key}" belongs into the queue\'s defaults, or into a job.'
    if not issubclass(model, PoolTable) and key in PoolTable.model_fields:
        return f'"{key}" belongs into [pools.NAME].'
    if not issubclass(model, JobTable) and key in JobTable.model_fields:
        return f'"{key}" belongs into a job or a template.'
    setting = nearest(key, SettingsTable.model_fields, 0.8)
    return f'"{setting}" belongs into [jobrun].' if setting else ""
