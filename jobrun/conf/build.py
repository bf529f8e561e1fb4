"""From a merged job to the domain's Job: every default filled in, every path absolute."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobrun.conf.accounts import Accounts
from jobrun.conf.merge import BODY, Layer, Merged
from jobrun.conf.model.faults import meant_key
from jobrun.conf.model.options import JobTable
from jobrun.conf.problems import Fault
from jobrun.conf.rules import check_merged
from jobrun.conf.when import build_schedules
from jobrun.domain.job import (
    ArgvCommand,
    Body,
    Checkpoint,
    Job,
    Limits,
    PythonCall,
    Retention,
    RetryPolicy,
    ShellCommand,
    names_script,
)

_PLAIN = (
    "description",
    "tags",
    "enabled",
    "queue",
    "timeout",
    "soft_timeout",
    "soft_signal",
    "grace",
    "umask",
    "nice",
    "overlap",
    "catch_up",
    "catch_up_window",
    "catch_up_max",
    "catch_up_spread",
    "deadline",
    "on_lost",
    "max_lost",
    "leave_children",
    "output",
    "log_max",
    "data",
)
_RETRY = ("backoff", "delay", "max_delay", "power", "retry_on", "no_retry_on")
_KEPT = ("keep_for", "keep_succeeded", "keep_failed")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a job's build needs to know about where it happens.

    `folder` is the job file's; relative paths count from there. `timezone` is
    that of schedules that name none.
    """

    folder: Path
    accounts: Accounts
    timezone: str


def build_job(
    name: str, merged: Merged, setting: Setting, *, is_whole: bool = True
) -> tuple[Job | None, list[tuple[Layer, Fault]]]:
    """The job, or None and what is wrong, each fault with the level to blame.

    `is_whole` is false if a level is missing because of a problem reported
    elsewhere; then an absent command is not reported too.
    """
    faults = list(check_merged(merged))
    schedules, schedule_faults = build_schedules(merged, setting.timezone)
    faults += schedule_faults
    faults += _account_faults(merged, setting.accounts)
    body = _body(merged, setting.folder)
    if body is None and is_whole and not _tries_to_say_what(merged):
        hint = 'Add command = "…" or python = "module:function".'
        faults.append((merged.layers[-1], Fault("the job has nothing to run", hint)))
    if body is None or faults:
        return None, faults
    return Job(
        name=name,
        body=body,
        schedules=schedules,
        env=merged.joined("env"),
        env_file=tuple(_placed(path, setting.folder) for path in merged.get("env_file", ())),
        cwd=_maybe(merged.get("cwd"), lambda path: _placed(path, setting.folder)),
        # Becoming oneself needs no right, but initgroups(3) would: without root there is nothing to do.
        user=merged.get("user") if setting.accounts.uid == 0 else None,
        group=merged.get("group") if setting.accounts.uid == 0 else None,
        retry=_retry(merged),
        limits=Limits(**merged.joined("limits")),
        retention=Retention(**_said(merged, _KEPT)),
        checkpoint=_checkpoint(merged, setting.folder),
        **_said(merged, _PLAIN),
    ), []


def _tries_to_say_what(merged: Merged) -> bool:
    """Whether some level says what to run, be it wrongly or with a slip in the key."""
    slips = {key for layer in merged.layers for key in layer.bad}
    return any(merged.says(key) for key in BODY) or any(meant_key(JobTable, key) in BODY for key in slips)


def _said(merged: Merged, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key in keys if (value := merged.get(key)) is not None}


def _maybe(value: str | None, change: Callable[[str], str]) -> str | None:
    return None if value is None else change(value)


def _body(merged: Merged, folder: Path) -> Body | None:
    command, target = merged.get("command"), merged.get("python")
    if isinstance(command, str):
        return ShellCommand(command, merged.get("shell", ShellCommand("").shell))
    if command is not None:
        return ArgvCommand(command)
    if target is None:
        return None
    interpreter = merged.get("interpreter")
    if interpreter is not None and "/" in interpreter:
        interpreter = _placed(interpreter, folder)
    args = merged.get("args", ())
    if names_script(target):
        target, args = _placed(target, folder), tuple(str(value) for value in args)
    return PythonCall(
        target,
        args=args,
        kwargs=merged.joined("kwargs"),
        interpreter=interpreter,
        python_path=tuple(_placed(path, folder) for path in merged.get("python_path", ())),
        **_said(merged, ("isolation", "pool")),
    )


def _checkpoint(merged: Merged, folder: Path) -> Checkpoint | None:
    wish = merged.get("checkpoint")
    if wish is None or wish is False:
        return None
    values = merged.joined("checkpoint")
    return Checkpoint(**{**values, "dir": _maybe(values.get("dir"), lambda path: _placed(path, folder))})


def _retry(merged: Merged) -> RetryPolicy:
    values = _said(merged, _RETRY)
    if merged.get("retries") is not None:
        values["attempts"] = merged.get("retries") + 1
    elif merged.get("attempts") is not None:
        values["attempts"] = merged.get("attempts")
    jitter = merged.get("jitter")
    if jitter == "full":
        values |= {"jitter": 1.0, "full_jitter": True}
    elif jitter is not None:
        values["jitter"] = jitter
    return RetryPolicy(**values)


def _placed(path: str, folder: Path) -> str:
    """A path of the file as an absolute one. `${VAR}` is left for the moment of the start."""
    if path == "~" or path.startswith("~/"):
        return "${HOME}" + path[1:]
    return path if path.startswith(("/", "$")) else f"{folder}/{path}"


def _account_faults(merged: Merged, accounts: Accounts) -> list[tuple[Layer, Fault]]:
    found: list[tuple[Layer, Fault]] = []
    for key, look_up in (("user", accounts.user_fault), ("group", accounts.group_fault)):
        layer, name = merged.layer_of(key), merged.get(key)
        fault = look_up(name) if name is not None else None
        if layer is not None and fault is not None:
            found.append((layer, fault))
    return found
