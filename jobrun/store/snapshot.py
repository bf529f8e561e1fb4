"""What the engine needs to know at its start, read in one go.

The rule: the work depends on what is live and planned, never on how long the
history is; every query here walks an index.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobrun.domain.instants import Instant
from jobrun.domain.records import Paused
from jobrun.domain.run import Run
from jobrun.store.rows import PAUSES, RUN_COLUMNS, read_run


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a schedule has been decided, and where its intervals are anchored."""

    anchor: Instant
    decided_until: Instant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as a starting engine sees it.

    `live` holds the unfinished runs, oldest first, `bodies` the definitions
    they run under. `last_ended` has an entry for every job that was listed
    with an `after` schedule and has a finished run. `planned` holds the
    definition of each job of the plan that was last in force.
    """

    store_id: str
    live: list[Run]
    cursors: dict[tuple[str, str], Cursor]
    definitions: dict[tuple[str, str], int]
    bodies: dict[int, str]
    pauses: list[Paused]
    last_run_id: int
    last_definition_id: int
    last_ended: dict[str, Instant]
    meta: Mapping[str, str]
    planned: dict[str, str]


def read_snapshot(connection: sqlite3.Connection) -> Snapshot:
    """Read everything in one transaction."""
    connection.execute("BEGIN")
    try:
        live = [read_run(row) for row in connection.execute(LIVE)]
        live.sort(key=lambda run: run.id)
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        return Snapshot(
            store_id=meta["store_id"],
            live=live,
            cursors={
                (job, schedule): Cursor(anchor, until)
                for job, schedule, anchor, until in connection.execute(
                    "SELECT job, schedule, anchor, decided_until FROM schedules"
                )
            },
            definitions={
                (job, digest): number
                for job, digest, number in connection.execute("SELECT job, digest, id FROM definitions")
            },
            bodies=dict(connection.execute(BODIES)),
            pauses=[Paused(*row) for row in connection.execute(PAUSES)],
            last_run_id=_number(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'runs'"),
            last_definition_id=_number(connection, "SELECT max(id) FROM definitions"),
            last_ended=read_last_ended(connection, _jobs_with_after(connection)),
            meta=meta,
            planned=dict(connection.execute(PLANNED)),
        )
    finally:
        connection.execute("ROLLBACK")


def read_last_ended(connection: sqlite3.Connection, jobs: Iterable[str]) -> dict[str, Instant]:
    """When a run of each of these jobs ended last, whatever its outcome; one that never began is none.

    As the engine noted it; of a store that an earlier version wrote, that of the newest run.
    """
    ended = {}
    for job in jobs:
        noted = connection.execute("SELECT value FROM meta WHERE key = ?", (f"ended:{job}",)).fetchone()
        if noted is not None:
            ended[job] = int(noted[0])
            continue
        row = connection.execute(LAST_ENDED, (job,)).fetchone()
        if row is not None:
            ended[job] = row[0]
    return ended


LIVE = f"SELECT {RUN_COLUMNS} FROM runs WHERE state <> 'done'"
BODIES = "SELECT id, body FROM definitions WHERE id IN (SELECT definition_id FROM runs WHERE state <> 'done')"
PLANNED = "SELECT name, body FROM jobs JOIN definitions ON definitions.id = jobs.definition_id"
LAST_ENDED = (
    "SELECT state_since FROM runs WHERE job = ? AND state = 'done' AND attempt > 0 ORDER BY id DESC LIMIT 1"
)


def _jobs_with_after(connection: sqlite3.Connection) -> list[str]:
    """Only these need `last_ended`. Inside a JSON string the quotes are escaped: no false negatives."""
    rows = connection.execute(
        "SELECT name FROM jobs JOIN definitions ON definitions.id = jobs.definition_id "
        """WHERE instr(body, '"kind":"after"') > 0"""
    )
    return [name for (name,) in rows]


def _number(connection: sqlite3.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
