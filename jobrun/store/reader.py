"""The history, for everybody who asks: commands, the API, `why`.

The rule: read-only, with or without a daemon, and in a time that depends on
the answer's size, not on the history's. Only the standard library is imported
here, and of that neither asyncio nor anything slow.
"""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from jobrun.domain.instants import Instant
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept, Paused
from jobrun.domain.run import STATE_NAMES, Fence
from jobrun.store.moments import id_bounds
from jobrun.store.reading import Reading
from jobrun.store.rows import END_COLUMNS, PAUSES, RUN_COLUMNS, STARTED_AT, read_end, read_run
from jobrun.store.selection import SELECT_RUN, runs_query
from jobrun.store.views import (
    AttemptRow,
    JobRow,
    PoolRow,
    QueueRow,
    RunFilter,
    RunRow,
    ScheduleRow,
    VersionRow,
)

if TYPE_CHECKING:
    from jobrun.domain.report import Report

EVERYTHING = RunFilter()


class History:
    """Answers about the past and the present of one store. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the database. Raises StoreMissing, StoreRefused or StoreCorrupt; so may every question."""
        self._reading = Reading(path)

    def close(self) -> None:
        """Close the database."""
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, run_id: int) -> RunRow | None:
        """The run of that id."""
        rows = self._runs(f"{SELECT_RUN} WHERE id = ?", run_id)
        return rows[0] if rows else None

    def runs(
        self, wanted: RunFilter = EVERYTHING, *, limit: int = 50, before: int | None = None
    ) -> list[RunRow]:
        """The newest runs that pass the filter, newest first.

        `before` asks for the next page: the runs with a smaller id than that.
        """

        def question(connection: sqlite3.Connection) -> list[RunRow]:
            low, high = id_bounds(connection, wanted.since, wanted.until)
            bounds = (low, high if before is None else min(high, before - 1))
            rows: list[tuple[Any, ...]] = []
            for outcome in wanted.outcomes or (None,):
                rows += connection.execute(*runs_query(connection, wanted, outcome, bounds, limit))
            rows.sort(key=lambda row: row[0], reverse=True)
            return [_run_row(row) for row in rows[:limit]]

        return self._reading.ask(question)

    def live_runs(self) -> list[RunRow]:
        """All unfinished runs, oldest first."""
        rows = self._runs(f"{SELECT_RUN} WHERE state <> 'done'")
        return sorted(rows, key=lambda row: row.run.id)

    def last_run(self, job: str, *, has_started: bool = False) -> RunRow | None:
        """The job's newest run; with `has_started` the newest that had a process."""
        condition = "AND started_at IS NOT NULL " if has_started else ""
        rows = self._runs(f"{SELECT_RUN} WHERE job = ? {condition}ORDER BY id DESC LIMIT 1", job)
        return rows[0] if rows else None

    def attempts(self, run_id: int) -> list[AttemptRow]:
        """The run's attempts in order."""
        rows = self._rows(ATTEMPTS, run_id)
        return [
            AttemptRow(Fence(run_id, number), opened_at, pid, started_at, read_end(tuple(end)))
            for number, opened_at, pid, started_at, *end in rows
        ]

    def outputs(self, run_id: int) -> list[OutputKept]:
        """What the run's finished attempts printed, by attempt and stream (out before err)."""
        rows = self._rows(
            "SELECT attempt, stream, size, dropped, body, path FROM outputs WHERE run_id = ?", run_id
        )
        outputs = [OutputKept(Fence(run_id, attempt), *rest) for attempt, *rest in rows]
        return sorted(outputs, key=lambda output: (output.fence.attempt, output.stream != "out"))

    def reports(self, run_id: int) -> list[tuple[int, "Report"]]:
        """What the run's attempts said about themselves, by their numbers; most said nothing."""
        from jobrun.store.reports import read_row

        return [(attempt, read_row(*texts)) for attempt, *texts in self._rows(REPORTS, run_id)]

    def result(self, run_id: int) -> str | None:
        """The run's result as JSON text: that of its newest attempt that gave one."""
        rows = self._rows(RESULT, run_id)
        return rows[0][0] if rows else None

    def slot(self, job: str, schedule: str, at: Instant) -> list[RunRow]:
        """The rows that decided this slot: its own, or a stretch that covers it.

        More than one only where the clock was set back over the moment.
        """
        rows = self._runs(
            f"{SELECT_RUN} WHERE {_SLOTS} AND scheduled_at <= ? {_LATEST_SLOTS}", job, schedule, at
        )
        return [row for row in rows if _covers(row, at)]

    def slots(
        self, job: str, schedule: str, since: Instant, until: Instant, limit: int = 100
    ) -> list[RunRow]:
        """The rows of this schedule's slots in [since, until), in time order."""
        return self._runs(
            f"{SELECT_RUN} WHERE {_SLOTS} AND scheduled_at >= ? AND scheduled_at < ? "
            "ORDER BY scheduled_at, clock_pass LIMIT ?",
            job,
            schedule,
            since,
            until,
            limit,
        )

    def jobs(self) -> list[JobRow]:
        """Every job of the plan, by name."""
        return self._reading.ask(lambda connection: _jobs(connection, None))

    def job(self, name: str) -> JobRow | None:
        """One job of the plan."""
        rows = self._reading.ask(lambda connection: _jobs(connection, name))
        return rows[0] if rows else None

    def job_names(self) -> list[str]:
        """The names of the plan's jobs, and nothing else: for completion and for "did you mean"."""
        return [name for (name,) in self._rows("SELECT name FROM jobs ORDER BY name")]

    def listed(self) -> dict[str, int]:
        """The definition of each job of the plan, by name."""
        return dict(self._rows("SELECT name, definition_id FROM jobs"))

    def last_slot(self, job: str, schedule: str) -> Instant | None:
        """The last slot of a schedule that has a row."""
        rows = self._rows(LAST_SLOT, job, schedule)
        return rows[0][0] if rows else None

    def queues(self) -> list[QueueRow]:
        """Every queue of the plan and every other that live runs are in, by name."""
        return self._reading.ask(_queues)

    def pools(self) -> list[PoolRow]:
        """The pools of the plan, by name."""
        return [PoolRow(*row) for row in self._rows("SELECT name, min, max FROM pools ORDER BY name")]

    def pauses(self) -> list[Paused]:
        """What is paused."""
        return self._reading.ask(_pauses)

    def schedules(self, job: str | None = None) -> list[ScheduleRow]:
        """The schedules of the plan, or of one job."""
        return self._reading.ask(lambda connection: _schedules(connection, job))

    def definition(self, definition_id: int) -> DefinitionSeen | None:
        """A version of a job's definition."""
        rows = self._rows(
            "SELECT id, job, digest, body, seen_at FROM definitions WHERE id = ?", definition_id
        )
        return DefinitionSeen(*rows[0]) if rows else None

    def versions(self, job: str) -> list[VersionRow]:
        """Every version of the job's definition, in the order in which they were first seen."""
        return [VersionRow(*row) for row in self._rows(VERSIONS, job)]

    def host_events(
        self,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        kinds: Iterable[str] = (),
        oldest_first: bool = False,
        limit: int = 100,
    ) -> list[HostEvent]:
        """Events of the host and the daemon in [since, until), newest first unless asked otherwise."""
        wanted = tuple(kinds)
        condition = f"AND kind IN ({', '.join('?' * len(wanted))}) " if wanted else ""
        rows = self._rows(
            f"SELECT at, kind, detail FROM host_events WHERE at >= ? AND at < ? {condition}"
            "ORDER BY at DESC, id DESC LIMIT ?",
            _EARLIEST if since is None else since,
            _LATEST if until is None else until,
            *wanted,
            limit,
        )
        return [HostEvent(at, kind, json.loads(detail)) for at, kind, detail in rows]

    def retried(self, run_ids: Iterable[int]) -> set[int]:
        """Which of these runs have been retried by a later run."""
        asked = set(run_ids)
        if not asked:
            return set()
        rows = self._rows("SELECT retry_of FROM runs WHERE id > ? AND retry_of IS NOT NULL", min(asked))
        return asked & {retry_of for (retry_of,) in rows}

    def last_run_id(self) -> int:
        """The number of the newest run there ever was; 0 if there was none."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
        return int(rows[0][0]) if rows else 0

    def meta(self) -> dict[str, str]:
        """`store_id` and `created_at` of the store."""
        return dict(self._rows("SELECT key, value FROM meta"))

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._reading.ask(lambda connection: connection.execute(query, values).fetchall())

    def _runs(self, query: str, *values: Any) -> list[RunRow]:
        return [_run_row(row) for row in self._rows(query, *values)]


def _run_row(row: tuple[Any, ...]) -> RunRow:
    return RunRow(read_run(row), row[STARTED_AT])


def _covers(row: RunRow, at: Instant) -> bool:
    slot = row.run.slot
    return slot is not None and (slot.scheduled_at == at or (slot.last is not None and slot.last >= at))


def _jobs(connection: sqlite3.Connection, name: str | None) -> list[JobRow]:
    pauses = {pause.name: pause for pause in _pauses(connection) if pause.kind == "job"}
    schedules: dict[str, list[ScheduleRow]] = {}
    for schedule in _schedules(connection, name):
        schedules.setdefault(schedule.job, []).append(schedule)
    condition, values = ("", ()) if name is None else ("WHERE name = ?", (name,))
    last = {row[0]: _run_row(row[1:]) for row in connection.execute(f"{LAST_RUNS} {condition}", values)}
    rows = connection.execute(f"{JOBS} {condition} ORDER BY name", values)
    return [
        JobRow(
            job,
            source,
            bool(enabled),
            definition_id,
            digest,
            body,
            pauses.get(job),
            tuple(schedules.get(job, ())),
            last.get(job),
        )
        for job, source, enabled, definition_id, digest, body in rows
    ]


def _schedules(connection: sqlite3.Connection, job: str | None) -> list[ScheduleRow]:
    query = "SELECT job, schedule, anchor, decided_until, next_at FROM schedules"
    if job is None:
        return [ScheduleRow(*row) for row in connection.execute(query)]
    return [ScheduleRow(*row) for row in connection.execute(f"{query} WHERE job = ?", (job,))]


def _queues(connection: sqlite3.Connection) -> list[QueueRow]:
    limits = dict(connection.execute("SELECT name, concurrency FROM queues"))
    pauses = {pause.name: pause for pause in _pauses(connection) if pause.kind == "queue"}
    counts: dict[str, dict[str, int]] = {}
    for queue, state, number in connection.execute(LIVE_COUNTS):
        counts.setdefault(queue, dict.fromkeys(_LIVE_STATES, 0))[state] = number
    return [
        QueueRow(name, limits.get(name), pauses.get(name), counts.get(name) or dict.fromkeys(_LIVE_STATES, 0))
        for name in sorted({*limits, *pauses, *counts})
    ]


def _pauses(connection: sqlite3.Connection) -> list[Paused]:
    return [Paused(*row) for row in connection.execute(PAUSES)]


_LIVE_STATES = tuple(name for name in STATE_NAMES.values() if name != "done")
_EARLIEST, _LATEST = -(1 << 62), 1 << 62
_SLOTS = "job = ? AND schedule = ? AND schedule IS NOT NULL"
# A clock set back leaves a few rows for one moment; a stretch holds no other rows of its pass.
_LATEST_SLOTS = "ORDER BY scheduled_at DESC, clock_pass DESC LIMIT 16"
ATTEMPTS = (
    f"SELECT number, opened_at, pid, started_at, {END_COLUMNS} FROM attempts WHERE run_id = ? ORDER BY number"
)
REPORTS = "SELECT attempt, result, progress, error FROM reports WHERE run_id = ? ORDER BY attempt"
RESULT = "SELECT result FROM reports WHERE run_id = ? AND result IS NOT NULL ORDER BY attempt DESC LIMIT 1"
JOBS = (
    "SELECT name, source, enabled, definition_id, digest, body "
    "FROM jobs JOIN definitions ON definitions.id = definition_id"
)
LAST_RUNS = (
    f"SELECT name, {', '.join('runs.' + column.strip() for column in RUN_COLUMNS.split(','))} "
    "FROM jobs CROSS JOIN runs ON runs.id = (SELECT max(id) FROM runs AS newest WHERE newest.job = jobs.name)"
)
LIVE_COUNTS = "SELECT queue, state, count(*) FROM runs WHERE state <> 'done' GROUP BY queue, state"
VERSIONS = (
    "SELECT id, digest, body, seen_at, "
    "(SELECT min(id) FROM runs WHERE definition_id = definitions.id), "
    "(SELECT max(id) FROM runs WHERE definition_id = definitions.id) "
    "FROM definitions WHERE job = ? ORDER BY seen_at, id"
)
LAST_SLOT = (
    "SELECT scheduled_at FROM runs WHERE job = ? AND schedule = ? AND schedule IS NOT NULL "
    "ORDER BY scheduled_at DESC LIMIT 1"
)
