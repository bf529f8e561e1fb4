"""What outcomes, causes and delays are called when people read them."""

from collections.abc import Mapping

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
    Cause.EXCEPTION: "it raised an exception",
    Cause.DEAD: "it gave up for good",
    Cause.SIGNAL: "a signal ended it",
    Cause.OOM: "out of memory",
    Cause.CPU_TIME: "out of CPU time",
    Cause.PROCESSES: "too many processes",
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


def meta_words(meta: object) -> str:
    """A job's own facts beside its progress or a checkpoint: `epoch=12 loss=0.31`."""
    if not isinstance(meta, Mapping):
        return ""
    return " ".join(f"{name}={value}" for name, value in meta.items())
