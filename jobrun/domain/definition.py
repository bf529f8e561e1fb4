"""A job's definition as text, and back.

The text is JSON in a fixed order (that of the fields; `env` keeps the file's,
which matters to `${VAR}`), so equal jobs give equal text and one digest names
one version. It is what the `definitions` table
keeps: a run can be explained, adopted and retried under the definition it was
decided with, long after the file changed.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from hashlib import sha256
from typing import Any

from jobrun.domain.job import (
    After,
    ArgvCommand,
    At,
    Backoff,
    CatchUp,
    Checkpoint,
    Cron,
    Every,
    Isolation,
    Job,
    Limits,
    OnLost,
    OutputMode,
    Overlap,
    PythonCall,
    Reboot,
    Retention,
    RetryPolicy,
    Schedule,
    ShellCommand,
)

_VARIANTS: dict[str, type] = {
    "cron": Cron,
    "every": Every,
    "after": After,
    "at": At,
    "reboot": Reboot,
    "shell": ShellCommand,
    "argv": ArgvCommand,
    "python": PythonCall,
}
_KINDS = {variant: kind for kind, variant in _VARIANTS.items()}
_PARTS: dict[str, type] = {
    "retry": RetryPolicy,
    "limits": Limits,
    "retention": Retention,
    "checkpoint": Checkpoint,
}
_ENUMS: dict[str, type[StrEnum]] = {
    "overlap": Overlap,
    "catch_up": CatchUp,
    "backoff": Backoff,
    "on_lost": OnLost,
    "output": OutputMode,
    "isolation": Isolation,
}
# Fields that came after the first version, left out at their default: jobs that do not use
# them keep the text, and so the digest, that they were known by.
_LATER: dict[type, dict[str, Any]] = {PythonCall: {"isolation": Isolation.WARM, "pool": "default"}}
_DEFAULTS = Job(name="", body=ShellCommand(""))


def encode(job: Job) -> str:
    """The canonical JSON text of a job; fields at their built-in default are left out."""
    return json.dumps(to_mapping(job), separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """The short name of one version of a definition: 12 hex digits of SHA-256."""
    return sha256(text.encode()).hexdigest()[:12]


def to_mapping(job: Job) -> dict[str, Any]:
    """The job as plain JSON values, built-in defaults left out."""
    plain = {f.name: getattr(job, f.name) for f in fields(job)}
    return {
        name: _plain(value)
        for name, value in plain.items()
        if name in ("name", "body") or value != getattr(_DEFAULTS, name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(type(value), "__dataclass_fields__"):
        later = _LATER.get(type(value), {})
        out = {
            name: _plain(part)
            for name, part in ((f.name, getattr(value, f.name)) for f in fields(value))
            if name not in later or part != later[name]
        }
        kind = _KINDS.get(type(value))
        return {"kind": kind, **out} if kind else out
    return value


def decode(text: str) -> Job:
    """The job of a text made by `encode`, of this or an earlier version.

    Unknown fields (written by a later version) are ignored, missing ones take
    their default. Raises ValueError if the text is not a definition.
    """
    try:
        return _job(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a job definition: {error}") from error


def _job(data: dict[str, Any]) -> Job:
    known = {f.name for f in fields(Job)}
    values = {name: value for name, value in data.items() if name in known}
    values["body"] = _variant(values["body"])
    values["schedules"] = tuple(
        Schedule(**_known(Schedule, {**item, "when": _variant(item["when"])}))
        for item in values.get("schedules", ())
    )
    for name, part in _PARTS.items():
        if name in values:
            values[name] = _part(part, values[name])
    for name in ("tags", "env_file"):
        if name in values:
            values[name] = tuple(values[name])
    return Job(**_enums(values))


def _variant(data: dict[str, Any]) -> Any:
    return _part(_VARIANTS[data["kind"]], data)


def _part(part: type, data: dict[str, Any]) -> Any:
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in _known(part, data).items()
    }
    return part(**_enums(values))


def _known(part: type, data: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(part)}
    return {key: value for key, value in data.items() if key in names}


def _enums(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _ENUMS[key](value) if key in _ENUMS else value for key, value in values.items()}
