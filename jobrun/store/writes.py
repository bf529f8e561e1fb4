"""One guarded statement for each fact and each transition.

The rule: a statement that speaks about something that must be there is
*guarded*, which means it has to change exactly one row. A run moves only if it
stands where the engine believes it to stand (state and attempt); a fact about
an attempt counts only while that attempt is the run's current one.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Fact,
    JobListed,
    JobUnlisted,
    MetaSet,
    QueueListed,
    QueueUnlisted,
    Resumed,
    RunCreated,
    RunMoved,
    ScheduleGone,
    ScheduleNext,
    ScheduleSeen,
    SlotsDecided,
)
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept, Paused, storable
from jobrun.domain.run import Delayed, Done, Queued, Running, Starting, Status, Stopping
from jobrun.store.rows import (
    END_COLUMNS,
    RUN_COLUMNS,
    RUN_WIDTH,
    cause_value,
    end_values,
    process_values,
    run_values,
)

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One statement, the values a fact gives it, and whether it must change exactly one row."""

    sql: str
    values: Callable[[Any], Values]
    guarded: bool


def write_of(fact: Fact) -> Write:
    """The statement that writes this fact down."""
    if type(fact) is RunMoved:
        return _MOVES[type(fact.after.status)]
    return _WRITES[type(fact)]


def _move(columns: str, values: Callable[[Any], Values]) -> Write:
    sql = (
        f"UPDATE runs SET {columns}, attempt = ?, charged = ?, lost = ?, priority = ? "
        "WHERE id = ? AND state = ? AND attempt = ?"
    )

    def all_values(fact: RunMoved) -> Values:
        before, after = fact.before, fact.after
        counts = (after.attempt, after.charged, after.lost, after.priority)
        return (*values(after.status), *counts, after.id, before.state, before.attempt)

    return Write(sql, all_values, guarded=True)


_FORGET_PROCESS = "pid = NULL, start_ticks = NULL, boot_id = NULL, mark_at = NULL"
_SET_PROCESS = "pid = ?, start_ticks = ?, boot_id = ?, started_at = ?, mark_at = ?"

_MOVES: dict[type[Status], Write] = {
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

_CURRENT = (
    "run_id = ? AND number = ? AND ended_at IS NULL AND number = (SELECT attempt FROM runs WHERE id = ?)"
)
_END_SETTERS = ", ".join(f"{column.strip()} = ?" for column in END_COLUMNS.split(","))


def _fence_values(fact: AttemptStarted | AttemptClosed) -> Values:
    return fact.fence.run_id, fact.fence.attempt, fact.fence.run_id


_WRITES: dict[type[Any], Write] = {
    RunCreated: Write(
        f"INSERT INTO runs ({RUN_COLUMNS}) VALUES ({', '.join('?' * RUN_WIDTH)})",
        lambda fact: run_values(fact.run),
        guarded=False,
    ),
    AttemptOpened: Write(
        "INSERT INTO attempts (run_id, number, opened_at) VALUES (?, ?, ?)",
        lambda fact: (fact.fence.run_id, fact.fence.attempt, fact.at),
        guarded=False,
    ),
    AttemptStarted: Write(
        f"UPDATE attempts SET pid = ?, started_at = ? WHERE {_CURRENT}",
        lambda fact: (fact.process.pid, fact.at, *_fence_values(fact)),
        guarded=True,
    ),
    AttemptClosed: Write(
        f"UPDATE attempts SET {_END_SETTERS} WHERE {_CURRENT}",
        lambda fact: (*end_values(fact.end), *_fence_values(fact)),
        guarded=True,
    ),
    OutputKept: Write(
        "INSERT INTO outputs (run_id, attempt, stream, size, dropped, body, path) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        lambda fact: (
            fact.fence.run_id,
            fact.fence.attempt,
            fact.stream,
            fact.size,
            fact.dropped,
            fact.body,
            fact.path,
        ),
        guarded=False,
    ),
    SlotsDecided: Write(
        "UPDATE schedules SET decided_until = ? WHERE job = ? AND schedule = ?",
        lambda fact: (fact.until, fact.job, fact.schedule),
        guarded=True,
    ),
    ScheduleSeen: Write(
        "INSERT INTO schedules (job, schedule, anchor, decided_until, next_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (job, schedule) DO UPDATE SET anchor = excluded.anchor, "
        "decided_until = excluded.decided_until, next_at = excluded.next_at",
        lambda fact: (fact.job, fact.schedule, fact.anchor, fact.decided_until, fact.next_at),
        guarded=False,
    ),
    ScheduleNext: Write(
        "UPDATE schedules SET next_at = ? WHERE job = ? AND schedule = ?",
        lambda fact: (fact.next_at, fact.job, fact.schedule),
        guarded=False,  # a hint for readers; the schedule may have left the plan meanwhile
    ),
    ScheduleGone: Write(
        "DELETE FROM schedules WHERE job = ? AND schedule = ?",
        lambda fact: (fact.job, fact.schedule),
        guarded=False,
    ),
    DefinitionSeen: Write(
        "INSERT INTO definitions (id, job, digest, body, seen_at) VALUES (?, ?, ?, ?, ?)",
        lambda fact: (fact.id, fact.job, fact.digest, fact.body, fact.at),
        guarded=False,
    ),
    JobListed: Write(
        "INSERT INTO jobs (name, definition_id, source, enabled) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET definition_id = excluded.definition_id, "
        "source = excluded.source, enabled = excluded.enabled",
        lambda fact: (fact.job, fact.definition_id, storable(fact.source), int(fact.enabled)),
        guarded=False,
    ),
    JobUnlisted: Write("DELETE FROM jobs WHERE name = ?", lambda fact: (fact.job,), guarded=False),
    MetaSet: Write(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        lambda fact: (fact.key, fact.value),
        guarded=False,
    ),
    QueueListed: Write(
        "INSERT INTO queues (name, concurrency) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency",
        lambda fact: (fact.name, fact.concurrency),
        guarded=False,
    ),
    QueueUnlisted: Write("DELETE FROM queues WHERE name = ?", lambda fact: (fact.name,), guarded=False),
    Paused: Write(
        "INSERT INTO pauses (kind, name, at, by, reason) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at, by = excluded.by, reason = excluded.reason",
        lambda fact: (fact.kind, fact.name, fact.at, storable(fact.by), storable(fact.reason)),
        guarded=False,
    ),
    Resumed: Write(
        "DELETE FROM pauses WHERE kind = ? AND name = ?",
        lambda fact: (fact.kind, fact.name),
        guarded=False,
    ),
    HostEvent: Write(
        "INSERT INTO host_events (at, kind, detail) VALUES (?, ?, ?)",
        lambda fact: (fact.at, fact.kind, json.dumps(dict(fact.detail), sort_keys=True)),
        guarded=False,
    ),
}
