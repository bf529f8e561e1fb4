"""A run as a row of the `runs` table, and back.

The rule: every status variant is written and read here, and nowhere else, so
that the table's columns have one meaning.
"""

from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.records import storable
from jobrun.domain.run import (
    AttemptEnd,
    Cause,
    Delayed,
    DelayReason,
    Done,
    Outcome,
    ProcessIdentity,
    Queued,
    Run,
    Running,
    Slot,
    Starting,
    Status,
    Stopping,
    Trigger,
)

# What every run has from its beginning, and how far its attempts have come.
_ALWAYS = (
    "id, job, queue, definition_id, trigger, max_attempts, requested_by, created_at, "
    "attempt, charged, lost, priority"
)
RUN_COLUMNS = (
    f"{_ALWAYS}, schedule, scheduled_at, clock_pass, slot_last, slot_count, retry_of, data, resume_from, "
    "state, state_since, state_reason, pid, start_ticks, boot_id, started_at, mark_at, "
    "outcome, exit_code, signal, detail"
)
ASKED_COLUMNS = f"{_ALWAYS}, state, state_since"
RUN_WIDTH = RUN_COLUMNS.count(",") + 1
STARTED_AT = 26

PAUSES = "SELECT kind, name, at, by, reason FROM pauses"

_NO_PROCESS = (None, None, None)


def run_values(run: Run, moved: Run | None = None, started_at: Instant | None = None) -> tuple[Any, ...]:
    """The values of `RUN_COLUMNS`, in their order.

    `moved` is the run after what befell it since it came into being, and
    `started_at` when an attempt started that its status no longer tells of.
    """
    slot, now = run.slot, run if moved is None else moved
    return (
        *_always(run, now),
        *(
            (None, None, None, None, None)
            if slot is None
            else (slot.schedule, slot.scheduled_at, slot.clock_pass, slot.last, _count(slot))
        ),
        run.retry_of,
        run.data,
        run.resume_from,
        now.state,
        *_status_values(now.status, started_at),
    )


def asked_values(run: Run) -> tuple[Any, ...] | None:
    """The values of `ASKED_COLUMNS` of a new run, if there is nothing in the others: it waits in its queue,
    no schedule brought it about, and it has nothing of its own."""
    status = run.status
    if type(status) is not Queued or run.slot is not None or run.retry_of is not None:
        return None
    if run.data is not None or run.resume_from is not None:
        return None
    return *_always(run, run), run.state, status.since


def _always(run: Run, now: Run) -> tuple[Any, ...]:
    """The values of `_ALWAYS`; `now` is the run as it has become."""
    return (
        run.id,
        run.job,
        run.queue,
        run.definition_id,
        run.trigger.value,
        run.max_attempts,
        storable(run.requested_by),
        run.created_at,
        now.attempt,
        now.charged,
        now.lost,
        now.priority,
    )


def _count(slot: Slot) -> int | None:
    """A single slot stores no count: most rows are one, and an absent value costs nothing."""
    return slot.count if slot.count != 1 else None


def _status_values(status: Status, started_at: Instant | None) -> tuple[Any, ...]:
    """From `state_since` to `detail`."""
    nothing = (None, None, None, None)
    match status:
        case Delayed():
            return (status.until, status.reason.value, *_NO_PROCESS, started_at, None, *nothing)
        case Queued():
            return (status.since, None, *_NO_PROCESS, started_at, None, *nothing)
        case Starting():
            return (status.since, None, *_NO_PROCESS, None, None, *nothing)
        case Running():
            moments = (status.started_at, status.soft_sent_at)
            return (status.started_at, None, *process_values(status.process), *moments, *nothing)
        case Stopping():
            moments = (status.started_at, status.killed_at)
            process = process_values(status.process)
            return (status.since, status.cause.value, *process, *moments, *nothing)
        case Done():
            end = (status.outcome.value, status.exit_code, status.signal, storable(status.detail) or None)
            return (status.ended_at, cause_value(status.cause), *_NO_PROCESS, started_at, None, *end)


def process_values(process: ProcessIdentity) -> tuple[int, int, str]:
    """pid, start_ticks, boot_id."""
    return process.pid, process.start_ticks, process.boot_id


def cause_value(cause: Cause | None) -> str | None:
    """The cause's text; None stays None."""
    return None if cause is None else cause.value


def read_run(row: tuple[Any, ...]) -> Run:
    """The run of a row that begins with `RUN_COLUMNS`."""
    slot = None
    if row[12] is not None:
        slot = Slot(row[12], row[13], row[14], row[15], 1 if row[16] is None else row[16])
    return Run(
        id=row[0],
        job=row[1],
        queue=row[2],
        definition_id=row[3],
        trigger=Trigger(row[4]),
        max_attempts=row[5],
        requested_by=row[6],
        created_at=row[7],
        attempt=row[8],
        charged=row[9],
        lost=row[10],
        priority=row[11],
        slot=slot,
        retry_of=row[17],
        data=row[18],
        resume_from=row[19],
        status=_read_status(row[20:RUN_WIDTH]),
    )


def _read_status(row: tuple[Any, ...]) -> Status:
    state, since, reason, pid, start_ticks, boot_id, started_at, mark_at, *end = row
    match state:
        case "done":
            outcome, exit_code, signal, detail = end
            return Done(Outcome(outcome), _cause(reason), since, detail or "", exit_code, signal)
        case "queued":
            return Queued(since)
        case "delayed":
            return Delayed(since, DelayReason(reason))
        case "starting":
            return Starting(since)
        case "running":
            return Running(ProcessIdentity(pid, start_ticks, boot_id), started_at, mark_at)
        case "stopping":
            process = ProcessIdentity(pid, start_ticks, boot_id)
            return Stopping(process, started_at, since, Cause(reason), mark_at)
        case _:
            raise ValueError(f'"{state}" is not a state')


def _cause(text: str | None) -> Cause | None:
    return None if text is None else Cause(text)


END_COLUMNS = (
    "ended_at, outcome, cause, detail, exit_code, signal, "
    "user_time, system_time, max_rss, left_behind, killed"
)
END_WIDTH = END_COLUMNS.count(",") + 1


def end_values(end: AttemptEnd) -> tuple[Any, ...]:
    """The values of `END_COLUMNS`, in their order."""
    return (
        end.ended_at,
        end.outcome.value,
        cause_value(end.cause),
        storable(end.detail) or None,
        end.exit_code,
        end.signal,
        end.user_time,
        end.system_time,
        end.max_rss,
        end.left_behind or None,
        int(end.killed) or None,
    )


def read_end(row: tuple[Any, ...]) -> AttemptEnd | None:
    """The closing facts of a row of `END_COLUMNS`; None while the attempt is open."""
    if row[0] is None:
        return None
    return AttemptEnd(
        ended_at=row[0],
        outcome=Outcome(row[1]),
        cause=_cause(row[2]),
        detail=row[3] or "",
        exit_code=row[4],
        signal=row[5],
        user_time=row[6],
        system_time=row[7],
        max_rss=row[8],
        left_behind=row[9] or 0,
        killed=bool(row[10]),
    )
