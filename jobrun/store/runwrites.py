"""The guarded statements about runs and attempts.

The rule: a run moves only if it stands where the engine believes it to stand
(state and attempt); a fact about an attempt counts only while that attempt is
the run's current one. How several facts of a batch become one of these
statements is in `stretches`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Reported,
    RunCreated,
    RunMoved,
)
from jobrun.domain.records import OutputKept, storable
from jobrun.domain.run import Delayed, Done, Fence, Queued, Run, Running, Starting, Status, Stopping
from jobrun.store import reports
from jobrun.store.rows import (
    ASKED_COLUMNS,
    END_COLUMNS,
    RUN_COLUMNS,
    asked_values,
    cause_value,
    end_values,
    process_values,
    run_values,
)
from jobrun.store.statements import Statement, Values, Write, insert


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
    def statement(setters: str) -> Statement:
        return Statement(
            f"UPDATE runs SET {setters}, attempt = ?, charged = ?, lost = ?, priority = ? "
            "WHERE id = ? AND state = ? AND attempt = ?",
            guarded=True,
        )

    plain = statement(columns)
    return Move(plain, plain if "started_at" in columns else statement(f"{columns}, started_at = ?"), values)


_FORGET_PROCESS = "pid = NULL, start_ticks = NULL, boot_id = NULL, mark_at = NULL"
_SET_PROCESS = "pid = ?, start_ticks = ?, boot_id = ?, started_at = ?, mark_at = ?"

MOVES: dict[type[Status], Move] = {
    Delayed: _move(
        f"state = 'delayed', state_since = ?, state_reason = ?, {_FORGET_PROCESS}",
        lambda status: (status.until, status.reason.value),
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
            status.cause.value,
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
            status.outcome.value,
            status.exit_code,
            status.signal,
            storable(status.detail) or None,
        ),
    ),
}


def guard_values(before: Run, after: Run) -> Values:
    """The counts after a move, and where the run must stand for it."""
    counts = (after.attempt, after.charged, after.lost, after.priority)
    return (*counts, after.id, before.state, before.attempt)


def _move_write(move: Move) -> Write:
    def values(fact: RunMoved) -> Values:
        return (*move.values(fact.after.status), *guard_values(fact.before, fact.after))

    return Write(move.statement, values)


MOVE_WRITES: dict[type[Status], Write] = {status: _move_write(move) for status, move in MOVES.items()}

_CURRENT = (
    "run_id = ? AND number = ? AND ended_at IS NULL AND number = (SELECT attempt FROM runs WHERE id = ?)"
)
_STARTED = "pid = ?, started_at = ?"
_ENDED = ", ".join(f"{column} = ?" for column in END_COLUMNS.split(", "))

# For an attempt whose run moves in the same stretch: that it is the current one is asked there.
_MOVED = "run_id = ? AND number = ? AND ended_at IS NULL"

CREATE_RUN = insert("runs", RUN_COLUMNS)
CREATE_ASKED = insert("runs", ASKED_COLUMNS)
OPEN_ATTEMPT = insert("attempts", "run_id, number, opened_at")
WHOLE_ATTEMPT = insert("attempts", f"run_id, number, opened_at, pid, started_at, {END_COLUMNS}")
START_ATTEMPT = Statement(f"UPDATE attempts SET {_STARTED} WHERE {_CURRENT}", guarded=True)
CLOSE_ATTEMPT = Statement(f"UPDATE attempts SET {_ENDED} WHERE {_CURRENT}", guarded=True)
START_AND_CLOSE = Statement(f"UPDATE attempts SET {_STARTED}, {_ENDED} WHERE {_CURRENT}", guarded=True)
MOVED_START_AND_CLOSE = Statement(f"UPDATE attempts SET {_STARTED}, {_ENDED} WHERE {_MOVED}", guarded=True)


def creation(run: Run, moved: Run, started_at: Instant | None) -> tuple[Statement, Values]:
    """The new row of a run, `moved` as far as it has come; see `run_values`."""
    asked = asked_values(run) if moved is run else None
    if asked is not None:
        return CREATE_ASKED, asked
    return CREATE_RUN, run_values(run, moved, started_at)


def current(fence: Fence) -> Values:
    """Which attempt, and that it must be its run's current one."""
    return fence.run_id, fence.attempt, fence.run_id


def start_values(fact: AttemptStarted) -> Values:
    """Its process, and when it began."""
    return fact.process.pid, fact.at


RUN_WRITES: dict[type[Any], Write] = {
    RunCreated: Write(CREATE_RUN, lambda fact: run_values(fact.run)),
    AttemptOpened: Write(OPEN_ATTEMPT, lambda fact: (fact.fence.run_id, fact.fence.attempt, fact.at)),
    AttemptStarted: Write(START_ATTEMPT, lambda fact: (*start_values(fact), *current(fact.fence))),
    AttemptClosed: Write(CLOSE_ATTEMPT, lambda fact: (*end_values(fact.end), *current(fact.fence))),
    OutputKept: Write(
        insert("outputs", "run_id, attempt, stream, size, dropped, body, path"),
        lambda fact: (
            fact.fence.run_id,
            fact.fence.attempt,
            fact.stream,
            fact.size,
            fact.dropped,
            fact.body,
            fact.path,
        ),
    ),
    Reported: Write(
        insert("reports", reports.COLUMNS), lambda fact: reports.row_values(fact.fence, fact.report)
    ),
}
