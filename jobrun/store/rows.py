"""A run as a row of the `runs` table, and back.

The rule: every status variant is written and read here, and nowhere else, so
that the table's columns have one meaning. What is written here is written
with every run: `_value_` is what `value` gives, without a call of Python code.
"""

from collections.abc import Callable
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.records import storable
from jobrun.domain.run import (
    STATE_NAMES,
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
    "id, job, queue, definition_id, trigger, max_attempts, requested_by, created_at, data, "
    "attempt, charged, lost, priority"
)
RUN_COLUMNS = (
    f"{_ALWAYS}, "
    "state, state_since, state_reason, pid, start_ticks, boot_id, started_at, mark_at, "
    "outcome, exit_code, signal, detail, "
    "schedule, scheduled_at, clock_pass, slot_last, slot_count, retry_of, resume_from"
)
ASKED_COLUMNS = f"{_ALWAYS}, state, state_since"
RUN_WIDTH = RUN_COLUMNS.count(",") + 1
STARTED_AT = 19

PAUSES = "SELECT kind, name, at, by, reason FROM pauses"

_NO_PROCESS = (None, None, None)
_NO_END = (None, None, None, None)


def run_values(run: Run, moved: Run | None = None, started_at: Instant | None = None) -> tuple[Any, ...]:
    """The values of `RUN_COLUMNS`, in their order.

    `moved` is the run after what befell it since it came into being, and
    `started_at` when an attempt started that its status no longer tells of.
    """
    slot, now = run.slot, run if moved is None else moved
    status = now.status
    kind = type(status)
    return (
        *_always(run, now),
        STATE_NAMES[kind],
        *_STATUS_VALUES[kind](status, started_at),
        *(_NO_SLOT if slot is None else _slot_values(slot)),
        run.retry_of,
        run.resume_from,
    )


def asked_values(run: Run, moved: Run, started_at: Instant | None) -> tuple[Any, ...] | None:
    """The values of `ASKED_COLUMNS`, if the others have none: a run that was asked for, and has to begin."""
    status = moved.status
    if not (type(status) is Queued or type(status) is Starting) or started_at is not None:
        return None
    if run.slot is not None or run.retry_of is not None or run.resume_from is not None:
        return None
    return *_always(run, moved), STATE_NAMES[type(status)], status.since


def _always(run: Run, now: Run) -> tuple[Any, ...]:
    """The values of `_ALWAYS`; `now` is the run as it has become."""
    return (
        run.id,
        run.job,
        run.queue,
        run.definition_id,
        run.trigger._value_,
        run.max_attempts,
        storable(run.requested_by),
        run.created_at,
        run.data,
        now.attempt,
        now.charged,
        now.lost,
        now.priority,
    )


_NO_SLOT = (None,) * 5


def _slot_values(slot: Slot) -> tuple[Any, ...]:
    """From `schedule` to `slot_count`. A single slot stores no count: most are, and nothing costs nothing."""
    count = None if slot.count == 1 else slot.count
    return slot.schedule, slot.scheduled_at, slot.clock_pass, slot.last, count


def _delayed_values(status: Delayed, started_at: Instant | None) -> tuple[Any, ...]:
    return status.until, status.reason._value_, *_NO_PROCESS, started_at, None, *_NO_END


def _queued_values(status: Queued, started_at: Instant | None) -> tuple[Any, ...]:
    return status.since, None, *_NO_PROCESS, started_at, None, *_NO_END


def _starting_values(status: Starting, _started_at: Instant | None) -> tuple[Any, ...]:
    return status.since, None, *_NO_PROCESS, None, None, *_NO_END


def _running_values(status: Running, _started_at: Instant | None) -> tuple[Any, ...]:
    process = process_values(status.process)
    return status.started_at, None, *process, status.started_at, status.soft_sent_at, *_NO_END


def _stopping_values(status: Stopping, _started_at: Instant | None) -> tuple[Any, ...]:
    process = process_values(status.process)
    return status.since, status.cause._value_, *process, status.started_at, status.killed_at, *_NO_END


def _done_values(status: Done, started_at: Instant | None) -> tuple[Any, ...]:
    end = (status.outcome._value_, status.exit_code, status.signal, text_or_none(status.detail))
    return status.ended_at, cause_value(status.cause), *_NO_PROCESS, started_at, None, *end


# From `state_since` to `detail`.
_STATUS_VALUES: dict[type[Status], Callable[[Any, Instant | None], tuple[Any, ...]]] = {
    Delayed: _delayed_values,
    Queued: _queued_values,
    Starting: _starting_values,
    Running: _running_values,
    Stopping: _stopping_values,
    Done: _done_values,
}


def process_values(process: ProcessIdentity) -> tuple[int, int, str]:
    """pid, start_ticks, boot_id."""
    return process.pid, process.start_ticks, process.boot_id


def cause_value(cause: Cause | None) -> str | None:
    """The cause's text; None stays None."""
    return None if cause is None else cause._value_


def text_or_none(text: str) -> str | None:
    """The text as it is stored; an empty one is nothing, and costs nothing."""
    return storable(text) if text else None


def read_run(row: tuple[Any, ...]) -> Run:
    """The run of a row that begins with `RUN_COLUMNS`."""
    slot = None
    if row[25] is not None:
        slot = Slot(row[25], row[26], row[27], row[28], 1 if row[29] is None else row[29])
    return Run(
        id=row[0],
        job=row[1],
        queue=row[2],
        definition_id=row[3],
        trigger=Trigger(row[4]),
        max_attempts=row[5],
        requested_by=row[6],
        created_at=row[7],
        data=row[8],
        attempt=row[9],
        charged=row[10],
        lost=row[11],
        priority=row[12],
        status=_read_status(row[13:25]),
        slot=slot,
        retry_of=row[30],
        resume_from=row[31],
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
        end.outcome._value_,
        cause_value(end.cause),
        text_or_none(end.detail),
        end.exit_code,
        end.signal,
        end.user_time,
        end.system_time,
        end.max_rss,
        end.left_behind or None,
        1 if end.killed else None,
    )


def is_plain(end: Done | AttemptEnd) -> bool:
    """Whether it succeeded, and there is nothing more to say of how it ended."""
    return (
        end.outcome is Outcome.SUCCEEDED
        and end.exit_code == 0
        and end.cause is None
        and end.signal is None
        and not end.detail
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
