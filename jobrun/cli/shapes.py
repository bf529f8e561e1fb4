"""The JSON shapes of the reading commands: one for each thing, the same wherever it is printed.

docs/json.md describes them and the golden files of the tests hold them. Keys
are only ever added. Moments are ISO 8601 with offset, spans are seconds, sizes
are bytes; what is not known or does not apply is null.
"""

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from jobrun.cli.moments import in_zone, iso
from jobrun.domain.instants import Duration, seconds
from jobrun.domain.run import Delayed, Done, Queued, Running, Starting, Stopping
from jobrun.store.views import AttemptRow, JobRow, QueueRow, RunRow

if TYPE_CHECKING:
    from jobrun.domain.records import OutputKept, Paused
    from jobrun.domain.report import Progress, Report

Shape = dict[str, Any]


def span(value: Duration | None) -> float | None:
    """A span in seconds; None stays None."""
    return None if value is None else seconds(value)


def elapsed(value: Duration | None) -> float | None:
    """How long something took, in seconds: never below zero, be the clock set back meanwhile."""
    return span(None if value is None else max(value, 0))


def run_shape(row: RunRow, zone: tzinfo | None, progress: "Progress | None" = None) -> Shape:
    """A run. `progress` is what a running one said last."""
    run, status = row.run, row.run.status
    done = status if isinstance(status, Done) else None
    process = status.process if isinstance(status, Running | Stopping) else None
    slot = run.slot
    return {
        "run": run.id,
        "job": run.job,
        "queue": run.queue,
        "trigger": run.trigger.value,
        "schedule": slot.schedule if slot else None,
        "scheduled_at": iso(slot.scheduled_at, zone) if slot else None,
        "slots": slot.count if slot else None,
        "last_slot_at": iso(slot.last, zone) if slot else None,
        "state": run.state,
        "since": iso(_since(row), zone),
        "delayed_until": iso(status.until, zone) if isinstance(status, Delayed) else None,
        "delayed_for": status.reason.value if isinstance(status, Delayed) else None,
        "outcome": done.outcome.value if done else None,
        "cause": done.cause.value if done and done.cause else _stopping_cause(row),
        "detail": done.detail if done else "",
        "exit_code": done.exit_code if done else None,
        "signal": done.signal if done else None,
        "created_at": iso(run.created_at, zone),
        "started_at": iso(row.started_at, zone),
        "ended_at": iso(row.ended_at, zone),
        "duration": elapsed(row.duration),
        "pid": process.pid if process else None,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "lost": run.lost,
        "priority": run.priority,
        "retry_of": run.retry_of,
        "requested_by": run.requested_by,
        "progress": progress_shape(progress, zone),
    }


def progress_shape(progress: "Progress | None", zone: tzinfo | None) -> Shape | None:
    """How far a job says it is; null if it says nothing."""
    if progress is None:
        return None
    return {
        "percent": progress.percent,
        "state": progress.state,
        "meta": dict(progress.meta),
        "at": iso(progress.at, zone),
    }


def _since(row: RunRow) -> int:
    """Since when the run has been in its state."""
    match row.run.status:
        case Delayed():
            return row.run.created_at
        case Queued() | Starting() | Stopping() as status:
            return status.since
        case Running() as status:
            return status.started_at
        case Done() as status:
            return status.ended_at


def _stopping_cause(row: RunRow) -> str | None:
    status = row.run.status
    return status.cause.value if isinstance(status, Stopping) else None


def attempt_shape(row: AttemptRow, zone: tzinfo | None, report: "Report | None" = None) -> Shape:
    """One attempt of a run, with what it said of itself. CPU times are seconds, `max_rss` is bytes."""
    end = row.end
    error = report.error if report is not None else None
    return {
        "attempt": row.fence.attempt,
        "opened_at": iso(row.opened_at, zone),
        "started_at": iso(row.started_at, zone),
        "ended_at": iso(end.ended_at, zone) if end else None,
        "duration": elapsed(end.ended_at - row.started_at) if end and row.started_at is not None else None,
        "pid": row.pid,
        "outcome": end.outcome.value if end else None,
        "cause": end.cause.value if end and end.cause else None,
        "detail": end.detail if end else "",
        "exit_code": end.exit_code if end else None,
        "signal": end.signal if end else None,
        "user_time": span(end.user_time) if end else None,
        "system_time": span(end.system_time) if end else None,
        "max_rss": end.max_rss if end else None,
        "left_behind": end.left_behind if end else 0,
        "killed": end.killed if end else False,
        "error": None
        if error is None
        else {"type": error.type, "message": error.message, "traceback": error.traceback},
        "progress": progress_shape(report.progress if report is not None else None, zone),
    }


def output_shape(output: "OutputKept") -> Shape:
    """Where the output of an attempt is: `path` is null if it is kept in the database."""
    return {
        "attempt": output.fence.attempt,
        "stream": output.stream,
        "size": output.size,
        "dropped": output.dropped,
        "path": output.path,
    }


def pause_shape(pause: "Paused | None", zone: tzinfo | None) -> Shape | None:
    """A pause; null if there is none."""
    if pause is None:
        return None
    return {"at": iso(pause.at, zone), "by": pause.by, "reason": pause.reason}


def job_state_shape(row: JobRow, zone: tzinfo | None) -> Shape:
    """How a job stands, as `status` tells it."""
    return {
        "job": row.name,
        "enabled": row.enabled,
        "paused": pause_shape(row.paused, zone),
        "next_at": iso(row.next_at, zone),
        "last": run_shape(row.last, zone) if row.last else None,
    }


def queue_shape(row: QueueRow, zone: tzinfo | None) -> Shape:
    """A queue and how many live runs it has in each state."""
    return {
        "queue": row.name,
        "concurrency": row.concurrency,
        "paused": pause_shape(row.paused, zone),
        **dict(row.live),
    }


def daemon_shape(answer: Shape | None, zone: tzinfo | None) -> Shape:
    """The daemon's word about itself; `running` false and nulls if there is none."""
    told = answer or {}
    return {
        "running": answer is not None,
        "pid": told.get("pid"),
        "version": told.get("version"),
        "started_at": in_zone(told.get("started_at"), zone),
        "stopping": bool(told.get("stopping", False)),
        "store": told.get("store"),
        "spawn": told.get("spawn"),
    }


def count_states(rows: Iterable[RunRow]) -> dict[str, int]:
    """How many of the runs are in each unfinished state."""
    counts = dict.fromkeys(("running", "starting", "stopping", "queued", "delayed"), 0)
    for row in rows:
        if row.run.state in counts:
            counts[row.run.state] += 1
    return counts


def worker_shape(worker: Mapping[str, Any]) -> Shape:
    """A warm worker, as the daemon tells it. `age` and `cpu` are seconds, `rss` is bytes."""
    keys = ("pool", "worker", "pid", "state", "run", "job", "waiting", "runs_done", "age", "rss", "cpu")
    return {key: worker.get(key) for key in (*keys, "interpreter", "python")}
