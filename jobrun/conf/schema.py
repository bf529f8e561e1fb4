"""The JSON schema of the job file and the reference of its keys, both read off the model.

The schema serves editors: every file without problems fits it. What needs
the whole file (a template's name, soft_timeout against timeout) is not in it;
`jobrun check` knows more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobrun.conf.merge import BODY, KINDS, TRIES
from jobrun.conf.model.options import (
    CheckpointTable,
    DefaultsTable,
    JobTable,
    LimitsTable,
    RunOptions,
    ScheduleTable,
    Table,
)
from jobrun.conf.model.tables import JobFileTables, PoolTable, QueueTable, SettingsTable
from jobrun.conf.pools import builtin_of_pool
from jobrun.conf.texts import builtin, builtin_setting, unit_of, value_text

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}

# The keys of a job in the order a person reads about them. `limits` is shown by its own keys.
SECTIONS: dict[str, tuple[str, ...]] = {
    "What it is": ("description", "tags", "enabled", "extends", "queue"),
    "What to run": (
        *("command", "shell", "python", "args", "kwargs", "interpreter", "python_path"),
        *("isolation", "pool", "data"),
        *("env", "env_file", "cwd", "umask", "nice", "user", "group"),
    ),
    "When": (
        *("cron", "every", "after", "at", "schedules", "timezone"),
        *("spread", "random_delay", "not_before", "expires"),
    ),
    "Overlap and missed slots": (
        *("overlap", "catch_up", "catch_up_window", "catch_up_max", "catch_up_spread", "deadline"),
    ),
    "Time limits and stopping": ("timeout", "soft_timeout", "soft_signal", "grace", "leave_children"),
    "Trying again": (
        *("attempts", "retries", "backoff", "delay", "max_delay", "jitter", "power"),
        *("retry_on", "no_retry_on", "on_lost", "max_lost", "checkpoint"),
    ),
    "Output and history": ("output", "log_max", "keep_for", "keep_succeeded", "keep_failed"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One key of the job file, for people.

    `path` is its place with the names in capitals (`jobs.NAME.cron`,
    `jobs.NAME.limits.memory`), `default` and `example` are TOML text (or a few
    words), `tables` the headers under which it may stand. `section` groups the
    keys of a job for reading.
    """

    path: str
    type: str
    default: str
    description: str
    example: str
    tables: tuple[str, ...]
    section: str

    @property
    def key(self) -> str:
        """Its last word."""
        return self.path.rpartition(".")[2]


def options() -> list[Option]:
    """Every key, once, in the order of the reference: daemon, queues, pools, jobs, schedules of a job."""
    return [
        *_options(SettingsTable, "jobrun", ("[jobrun]",)),
        *_options(QueueTable, "queues.NAME", ("[queues.NAME]",)),
        *_options(PoolTable, "pools.NAME", ("[pools.NAME]",)),
        *_job_options(),
        *_options(CheckpointTable, "jobs.NAME.checkpoint", _tables("checkpoint")),
        *_options(LimitsTable, "jobs.NAME.limits", _tables("limits")),
        *_options(ScheduleTable, "jobs.NAME.schedules", ("[[jobs.NAME.schedules]]",)),
    ]


def _job_options() -> list[Option]:
    found = {option.key: option for option in _options(JobTable, "jobs.NAME", ())}
    return [found[key] for keys in SECTIONS.values() for key in keys]


def _options(model: type[Table], path: str, tables: tuple[str, ...]) -> Iterator[Option]:
    definitions = model.model_json_schema()
    for key, field in model.model_fields.items():
        name = f"{_WITHIN[model]}.{key}" if model in _WITHIN else key
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        example = (field.examples or [""])[0]
        yield Option(
            path=f"{path}.{key}",
            type=_type(key, definitions["properties"][key]),
            default=str(extra.get("default_text", "")) or _default(model, name),
            description=field.description or "",
            example=_example(name, example),
            tables=tables or _tables(key),
            section=_section(model, key),
        )


_WITHIN: dict[type[Table], str] = {LimitsTable: "limits", CheckpointTable: "checkpoint"}


def _section(model: type[Table], key: str) -> str:
    if model in _WITHIN:
        return _WITHIN[model].capitalize()
    if model is not JobTable:
        return ""
    return next((section for section, keys in SECTIONS.items() if key in keys), "")


def _tables(key: str) -> tuple[str, ...]:
    levels: tuple[tuple[str, type[Table]], ...] = (
        ("[defaults]", DefaultsTable),
        ("[queues.NAME.defaults]", RunOptions),
        ("[templates.NAME]", JobTable),
        ("[jobs.NAME]", JobTable),
    )
    return tuple(header for header, model in levels if key in model.model_fields)


def _default(model: type[Table], key: str) -> str:
    if model is ScheduleTable and key in JobTable.model_fields:
        return "" if key in KINDS else "the job's"
    look_up = {SettingsTable: builtin_setting, PoolTable: builtin_of_pool}.get(model, builtin)
    value = look_up(key)
    return "" if value is None else value_text(key, value)


def _example(key: str, example: Any) -> str:
    if isinstance(example, str) and key in ("at", "not_before", "expires"):
        return example  # a TOML date-time stands without quotes
    if key == "limits":
        return '{ memory = "512M", open_files = 256 }'
    return value_text(f"example of {key}", example)


def _type(key: str, schema: dict[str, Any]) -> str:
    unit = unit_of(key)
    if unit:
        return unit
    parts = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    while len(parts) == 1 and "anyOf" in parts[0]:
        parts = parts[0]["anyOf"]
    return " or ".join(dict.fromkeys(_type_of(part) for part in parts))


def _type_of(part: dict[str, Any]) -> str:
    if "enum" in part:
        return " | ".join(f'"{word}"' for word in part["enum"])
    if "const" in part:
        return f'"{part["const"]}"'
    if part.get("format") == "date-time":
        return "date-time"
    if part.get("type") == "array":
        return "array"
    return _TYPES.get(str(part.get("type")), "table")


def json_schema() -> dict[str, Any]:
    """The schema of the main file, draft 2020-12, as plain JSON values."""
    raw = JobFileTables.model_json_schema()
    tidy = _tidy(raw)
    for name, rules in _EXCLUSIONS.items():
        tidy["$defs"][name] |= rules
    return {"$schema": _DIALECT, "title": "jobrun job file", **tidy}


def _not_both(*keys: str) -> dict[str, Any]:
    return {"not": {"required": list(keys)}}


_TRIES = _not_both(*TRIES)
_ONE_KIND = [{"required": [kind]} for kind in KINDS]
_JOB_RULES = [
    _TRIES,
    _not_both(*BODY),
    *(_not_both(first, second) for n, first in enumerate(KINDS) for second in (*KINDS[n + 1 :], "schedules")),
]
_EXCLUSIONS: dict[str, dict[str, Any]] = {
    "RunOptions": {"allOf": [_TRIES]},
    "DefaultsTable": {"allOf": [_TRIES]},
    "JobTable": {"allOf": _JOB_RULES},
    "ScheduleTable": {"oneOf": _ONE_KIND},
}


def _tidy(node: Any) -> Any:
    """Without what serves only Python: titles, null (TOML has none), our own notes."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in {"properties", "$defs"}:
            out[key] = {name: _tidy(part) for name, part in value.items()}
        elif key in {"examples", "enum"}:
            out[key] = value
        elif key in ("title", "unit", "default_text") or (key == "default" and value is None):
            continue
        elif key == "anyOf":
            out |= _without_null(value)
        else:
            out[key] = _tidy(value)
    if "patternProperties" in out:
        out["additionalProperties"] = False
    return out


def _without_null(parts: list[Any]) -> dict[str, Any]:
    rest = [_tidy(part) for part in parts if part != {"type": "null"}]
    if len(rest) > 1:
        return {"anyOf": rest}
    inner: dict[str, Any] = rest[0]
    # The key's own description stands outside; the type's would replace it.
    return {key: value for key, value in inner.items() if key != "description"}
