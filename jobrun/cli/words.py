"""What the domain's values are called when people read them."""

import shlex
from typing import assert_never

from jobrun.domain.instants import format_duration, to_iso
from jobrun.domain.job import (
    After,
    ArgvCommand,
    At,
    Body,
    Cron,
    Every,
    PythonCall,
    Reboot,
    Schedule,
    ShellCommand,
    When,
)
from jobrun.domain.run import Cause, DelayReason, Outcome, Trigger

TONES: dict[str, str] = {
    Outcome.SUCCEEDED: "good",
    Outcome.FAILED: "bad",
    Outcome.TIMED_OUT: "bad",
    Outcome.LOST: "bad",
    Outcome.CANCELLED: "warn",
    Outcome.SKIPPED: "dim",
    "running": "live",
    "starting": "live",
    "stopping": "warn",
    "queued": "",
    "delayed": "",
}

CAUSES: dict[str, str] = {
    Cause.EXIT_CODE: "its exit code",
    Cause.SIGNAL: "a signal ended it",
    Cause.OOM: "out of memory",
    Cause.CPU_TIME: "out of CPU time",
    Cause.SPAWN: "it could not be started",
    Cause.TIMEOUT: "its timeout",
    Cause.SOFT_TIMEOUT: "its soft timeout",
    Cause.OVERLAP: "an earlier run was unfinished",
    Cause.MISSED: "no daemon was there at its time",
    Cause.PAUSED: "it was paused",
    Cause.DISABLED: "it was disabled",
    Cause.DEADLINE: "too late to start",
    Cause.USER: "somebody asked for it",
    Cause.SHUTDOWN: "the daemon stopped",
    Cause.SUPERSEDED: "a newer run took its place",
    Cause.REMOVED: "the job was removed",
    Cause.HOST_CRASH: "the host went down",
    Cause.DAEMON_CRASH: "the daemon died",
}

TRIGGERS: dict[str, str] = {
    Trigger.SCHEDULE: "its schedule",
    Trigger.CATCH_UP: "a missed slot, caught up",
    Trigger.MANUAL: "started by hand",
    Trigger.SUBMIT: "submitted",
    Trigger.RETRY: "retried by hand",
}

DELAYS: dict[str, str] = {
    DelayReason.SPREAD: "its start is spread",
    DelayReason.RETRY: "its next attempt",
    DelayReason.REQUESTED: "the time asked for",
    DelayReason.CATCH_UP: "its turn in catching up",
}


def cause_words(cause: str | None, detail: str) -> str:
    """Why a run ended as it did: the facts of that moment, else the cause's own words."""
    if detail:
        return detail
    return "" if cause is None else CAUSES.get(cause, cause)


def when_words(when: When) -> str:
    """`0 3 * * *`, `every 30s`, `30s after its last end`, `at 2026-…`, `@reboot`."""
    match when:
        case Cron():
            return when.text
        case Every():
            return f"every {format_duration(when.period)}"
        case After():
            return f"{format_duration(when.pause)} after its last end"
        case At():
            return f"at {to_iso(when.moment)}"
        case Reboot():
            return "@reboot"
        case _:
            assert_never(when)


def schedule_words(schedule: Schedule) -> str:
    """The schedule in a line, with its zone where the zone matters."""
    text = when_words(schedule.when)
    if isinstance(schedule.when, Cron):
        text += f" ({schedule.timezone})"
    return text


def schedules_words(schedules: tuple[Schedule, ...]) -> str:
    """All schedules of a job in one cell."""
    return "; ".join(when_words(schedule.when) for schedule in schedules) or "by hand only"


def body_words(body: Body) -> str:
    """What a job runs, as one would type it."""
    match body:
        case ShellCommand():
            return body.text if body.shell == "/bin/sh" else f"{body.shell} -c {shlex.quote(body.text)}"
        case ArgvCommand():
            return shlex.join(body.argv)
        case PythonCall():
            inside = [repr(value) for value in body.args]
            inside += [f"{key}={value!r}" for key, value in body.kwargs.items()]
            return f"{body.target}({', '.join(inside)})"
        case _:
            assert_never(body)
