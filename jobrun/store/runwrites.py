"""The guarded statements about runs and attempts.

The rule: a run moves only if it stands where the engine believes it to stand
(state and attempt); a fact about an attempt counts only while that attempt is
the run's current one. How several facts of a batch become one of these
statements is in `stretches`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Reported,
    RunCreated,
    RunMoved,
)
from jobrun.domain.records import OutputKept
from jobrun.domain.run import (
    STATE_NAMES,
    AttemptEnd,
    Delayed,
    Done,
    Fence,
    Queued,
    Run,
    Running,
    Starting,
    Status,
    Stopping,
)
from jobrun.store import reports
from jobrun.store.rows import (
    ASKED_COLUMNS,
    END_COLUMNS,
    RUN_COLUMNS,
    cause_value,
    end_values,
    is_plain,
    process_values,
    run_values,
    text_or_none,
)
from jobrun.store.statements import Statement, Values, Write, change, insert


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """The statements that move a run into one state.

    `after_start` is for a run that also started on the way: it writes down the
    moment, which this state's own statement leaves as it is.
    """

    statement: Statement
    after_start: Statement
    values: Callable[[Any], Values]


def _move(columns: str, values: Callable[[Any], Values]) -> Move:
    counts = "attempt = ?, charged = ?, lost = ?, priority = ?"
    where = "id = ? AND state = ? AND attempt = ?"
    plain = change("runs", f"{columns}, {counts}", where)
    if "started_at" in columns:
        return Move(plain, plain, values)
    return Move(plain, change("runs", f"{columns}, started_at = ?, {counts}", where), values)


_FORGET_PROCESS = "pid = NULL, start_ticks = NULL, boot_id = NULL, mark_at = NULL"
_SET_PROCESS = "pid = ?, start_ticks = ?, boot_id = ?, started_at = ?, mark_at = ?"

MOVES: dict[type[Status], Move] = {
    Delayed: _move(
        f"state = 'delayed', state_since = ?, state_reason = ?, {_FORGET_PROCESS}",
        lambda status: (status.until, status.reason._value_),
    ),
    Queued: _move(
        f"state = 'queued', state_since = ?, state_reason = NULL, {_FORGET_PROCESS}",
        lambda status: (status.since,),
    ),
    Starting: _move(
        f"state = 'starting', state_since = ?, state_reason = NULL, started_at = NULL, {_FORGET_PROCESS}",
        lambda status: (status.since,),
    ),
    Running: _move(
        f"state = 'running', state_since = ?, state_reason = NULL, {_SET_PROCESS}",
        lambda status: (
            status.started_at,
            *process_values(status.process),
            status.started_at,
            status.soft_sent_at,
        ),
    ),
    Stopping: _move(
        f"state = 'stopping', state_since = ?, state_reason = ?, {_SET_PROCESS}",
        lambda status: (
            status.since,
            status.cause._value_,
            *process_values(status.process),
            status.started_at,
            status.killed_at,
        ),
    ),
    Done: _move(
        "state = 'done', state_since = ?, state_reason = ?, outcome = ?, exit_code = ?, signal = ?, "
        f"detail = ?, {_FORGET_PROCESS}",
        lambda status: (
            status.ended_at,
            cause_value(status.cause),
            status.outcome._value_,
            status.exit_code,
            status.signal,
            text_or_none(status.detail),
        ),
    ),
}

_SUCCEED = _move(
    "state = 'done', state_since = ?, state_reason = NULL, outcome = 'succeeded', exit_code = 0, "
    f"signal = NULL, detail = NULL, {_FORGET_PROCESS}",
    lambda status: (status.ended_at,),
)


def move_to(status: Status) -> Move:
    """How a run comes to this status; most end with nothing to be said, and have few values."""
    if type(status) is Done and is_plain(status):
        return _SUCCEED
    return MOVES[type(status)]


def guard_values(before: Run, after: Run) -> Values:
    """The counts after a move, and where the run must stand for it."""
    return (
        after.attempt,
        after.charged,
        after.lost,
        after.priority,
        after.id,
        STATE_NAMES[type(before.status)],
        before.attempt,
    )


def write_of_move(fact: RunMoved) -> Write:
    """The statement that writes a move down, alone."""
    move = MOVES[type(fact.after.status)]
    came_and_went = fact.began is not None

    def values(fact: RunMoved) -> Values:
        began = (fact.began,) if came_and_went else ()
        return (*move.values(fact.after.status), *began, *guard_values(fact.before, fact.after))

    return Write(move.after_start if came_and_went else move.statement, values)


_CURRENT = (
    "run_id = ? AND number = ? AND ended_at IS NULL AND number = (SELECT attempt FROM runs WHERE id = ?)"
)
_STARTED = "pid = ?, started_at = ?"
_ENDED = ", ".join(f"{column} = ?" for column in END_COLUMNS.split(", "))

CREATE_RUN = insert("runs", RUN_COLUMNS)
CREATE_ASKED = insert("runs", ASKED_COLUMNS)
OPEN_ATTEMPT = insert("attempts", "run_id, number, opened_at")
WHOLE_ATTEMPT = insert("attempts", f"run_id, number, opened_at, pid, started_at, {END_COLUMNS}")
START_ATTEMPT = change("attempts", _STARTED, _CURRENT)
CLOSE_ATTEMPT = change("attempts", _ENDED, _CURRENT)
START_AND_CLOSE = change("attempts", f"{_STARTED}, {_ENDED}", _CURRENT)

# An attempt that succeeded, and whose run moves in the same stretch: that it is current is asked there.
_SUCCEEDED = (
    "ended_at = ?, outcome = 'succeeded', cause = NULL, detail = NULL, exit_code = 0, signal = NULL, "
    "user_time = ?, system_time = ?, max_rss = ?, left_behind = NULL, killed = NULL"
)
_MOVED = "run_id = ? AND number = ? AND ended_at IS NULL"
SUCCEED = change("attempts", _SUCCEEDED, _MOVED)
START_AND_SUCCEED = change("attempts", f"{_STARTED}, {_SUCCEEDED}", _MOVED)


def success_values(end: AttemptEnd) -> Values | None:
    """The values of `_SUCCEEDED`, if that says it all."""
    if end.left_behind or end.killed or not is_plain(end):
        return None
    return end.ended_at, end.user_time, end.system_time, end.max_rss


def current(fence: Fence) -> Values:
    """Which attempt, and that it must be its run's current one."""
    return fence.run_id, fence.attempt, fence.run_id


def start_values(fact: AttemptStarted) -> Values:
    """Its process, and when it began."""
    return fact.process.pid, fact.at


KEEP_OUTPUT = insert("outputs", "run_id, attempt, stream, size, dropped, body, path")
KEEP_REPORT = insert("reports", reports.COLUMNS)
KEEP_RESULT = insert("reports", "run_id, attempt, result")


def output_values(fact: OutputKept) -> Values:
    """What it printed."""
    fence = fact.fence
    return fence.run_id, fence.attempt, fact.stream, fact.size, fact.dropped, fact.body, fact.path


def report_values(fact: Reported) -> Values:
    """What it said about itself."""
    return reports.row_values(fact.fence, fact.report)


RUN_WRITES: dict[type[Any], Write] = {
    RunCreated: Write(CREATE_RUN, lambda fact: run_values(fact.run)),
    AttemptOpened: Write(OPEN_ATTEMPT, lambda fact: (fact.fence.run_id, fact.fence.attempt, fact.at)),
    AttemptStarted: Write(START_ATTEMPT, lambda fact: (*start_values(fact), *current(fact.fence))),
    AttemptClosed: Write(CLOSE_ATTEMPT, lambda fact: (*end_values(fact.end), *current(fact.fence))),
    OutputKept: Write(KEEP_OUTPUT, output_values),
    Reported: Write(KEEP_REPORT, report_values),
}
