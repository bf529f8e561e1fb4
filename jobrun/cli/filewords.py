"""A job's definition in the words of the job file: each key with its value as TOML text.

Definitions are stored as the domain has them; people know them as they wrote
them. Every key is here, with its built-in default where nothing else was said.
"""

from dataclasses import fields
from typing import Any

from jobrun.conf.texts import value_text
from jobrun.domain.job import After, ArgvCommand, At, Cron, Every, Job, PythonCall, Schedule, ShellCommand

_APART = {"name", "body", "schedules", "retry", "retention", "limits", "env", "checkpoint"}


def file_words(job: Job) -> dict[str, str]:
    """The keys of the job's table and their values; keys that say nothing (no timeout) are left out."""
    values: dict[str, Any] = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in _APART}
    values |= _body(job)
    values |= {f.name: getattr(job.retry, f.name) for f in fields(job.retry)}
    if values.pop("full_jitter"):
        values["jitter"] = "full"
    values |= {f.name: getattr(job.retention, f.name) for f in fields(job.retention)}
    values |= {f"limits.{f.name}": getattr(job.limits, f.name) for f in fields(job.limits)}
    if job.checkpoint is not None:
        values |= {f"checkpoint.{f.name}": getattr(job.checkpoint, f.name) for f in fields(job.checkpoint)}
    values |= {f"env.{name}": value for name, value in job.env.items()}
    words = {
        key: value_text(key, value)
        for key, value in values.items()
        if value is not None and value not in ((), "", {})
    }
    for number, schedule in enumerate(job.schedules):
        where = "" if len(job.schedules) == 1 else f"schedules[{number}]."
        words |= {f"{where}{key}": text for key, text in _schedule(schedule).items()}
    return words


def changed_words(old: Job, new: Job) -> list[tuple[str, str | None, str | None]]:
    """What differs: key, old value, new value; None where a definition does not have the key."""
    before, after = file_words(old), file_words(new)
    keys = dict.fromkeys([*before, *after])
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _body(job: Job) -> dict[str, Any]:
    match job.body:
        case ShellCommand(text, shell):
            return {"command": text, "shell": shell}
        case ArgvCommand(argv):
            return {"command": argv}
        case PythonCall() as call:
            return {
                "python": call.target,
                "args": call.args,
                "interpreter": call.interpreter,
                "python_path": call.python_path,
                "isolation": call.isolation,
                "pool": call.pool,
                **{f"kwargs.{name}": value for name, value in call.kwargs.items()},
            }


def _schedule(schedule: Schedule) -> dict[str, str]:
    values: dict[str, Any] = {}
    own = ""
    match schedule.when:
        case Cron(text):
            values["cron"] = own = text
        case Every(period):
            values["every"] = period
        case After(pause):
            values["after"] = pause
        case At(moment):
            values["at"] = moment
        case _:
            values["cron"] = own = "@reboot"
    if own and schedule.key != own:
        values["name"] = schedule.key
    values |= {"timezone": schedule.timezone, "not_before": schedule.not_before, "expires": schedule.expires}
    values |= {"spread": schedule.spread, "random_delay": schedule.random_delay}
    return {key: value_text(key, value) for key, value in values.items() if value is not None}
