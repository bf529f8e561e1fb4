"""Removing old history, a bounded piece at a time.

The rule: an unfinished run is never touched, and a slot's row may go only
because `schedules.decided_until` remembers that the slot was decided. What a
job keeps is counted in three groups, so that a flood of skipped slots does
not push out the failures a person wants to see.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jobrun.domain.instants import DAY, Duration, Instant
from jobrun.domain.job import Retention
from jobrun.domain.run import Outcome

EVENTS_KEPT: Duration = 90 * DAY
"""How long host events are kept."""

_SUCCEEDED = (Outcome.SUCCEEDED,)
_SKIPPED = (Outcome.SKIPPED,)
_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED, Outcome.LOST)


_JOBS_A_CALL = 100
_ENOUGH = 32  # so many kept rows in a row, oldest first: the rest is younger, but for jumps of the clock


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one call removed.

    `logs` are files to delete, and `checkpoints` directories, relative to the
    state directory; of the directories not every one need be there.

    `more` says that another call is needed to finish the round over all jobs;
    `position` is where it goes on.
    """

    logs: tuple[Path, ...]
    checkpoints: tuple[Path, ...]
    runs: int
    events: int
    more: bool
    position: str


def prune_store(
    connection: sqlite3.Connection,
    now: Instant,
    retention: Mapping[str, Retention],
    limit: int,
    position: str,
) -> Pruned:
    """Remove at most `limit` runs and `limit` host events, inside the caller's transaction.

    Looks at the jobs after `position` in name order, a bounded number of them.
    """
    doomed: list[int] = []
    more = False
    needed = _resumed_from(connection)
    for number, job in enumerate(_jobs_after(connection, position)):
        if number == _JOBS_A_CALL:
            more = True
            break
        keep = retention.get(job, Retention())
        doomed += islice(_doomed(connection, job, keep, now, needed), limit - len(doomed))
        if len(doomed) >= limit:
            more = True
            break
        position = job
    logs: list[Path] = []
    checkpoints: list[Path] = []
    for run_id in doomed:
        checkpoints += [checkpoints_of(job, run_id) for (job,) in connection.execute(CHECKPOINTED, (run_id,))]
        logs += [Path(path) for (path,) in connection.execute(PATHS, (run_id,))]
        connection.execute("DELETE FROM runs WHERE id = ? AND state = 'done'", (run_id,))
    connection.execute(_FORGET_TURNS)
    if doomed:
        _give_back(connection, limit)
    events = connection.execute(FORGET_EVENTS, (now - EVENTS_KEPT, limit)).rowcount
    more = more or events >= limit
    return Pruned(tuple(logs), tuple(checkpoints), len(doomed), events, more, position if more else "")


def checkpoints_of(job: str, run_id: int) -> Path:
    """The directory of a run's own checkpoints, relative to the state directory."""
    return Path("checkpoints", job, str(run_id))


def _resumed_from(connection: sqlite3.Connection) -> frozenset[int]:
    """The runs that unfinished ones go on from: their checkpoints are still needed."""
    found = (_OWN_CHECKPOINT.search(path) for (path,) in connection.execute(RESUMED_FROM))
    return frozenset(int(match[1]) for match in found if match is not None)


def _give_back(connection: sqlite3.Connection, pages: int) -> None:
    """Shrink the file by at most so many free pages.

    One page at a time: the pragma answers with a row without columns for each
    page, of which Python's sqlite3 steps through the first alone.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, pages)):
        connection.execute("PRAGMA incremental_vacuum(1)")


def drop_definitions(connection: sqlite3.Connection, before: Instant, limit: int) -> int:
    """Remove at most `limit` definitions seen first before that moment that no run and no job refers to."""
    return connection.execute(DROP_DEFINITIONS, (before, limit)).rowcount


def _jobs_after(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """The jobs that have history, by skipping through the index from name to name."""
    while True:
        row = connection.execute(NEXT_JOB, (name,)).fetchone()
        if row is None or row[0] is None:
            return
        name = row[0]
        yield name


def _doomed(
    connection: sqlite3.Connection, job: str, keep: Retention, now: Instant, needed: frozenset[int]
) -> Iterator[int]:
    """Ids of the job's runs that go, oldest first within each outcome; none of those that are needed."""
    groups = ((_SUCCEEDED, keep.keep_succeeded), (_FAILED, keep.keep_failed), (_SKIPPED, keep.keep_failed))
    too_old = now - keep.keep_for
    for outcomes, number in groups:
        last = _last_beyond(connection, job, outcomes, number)
        for outcome in outcomes:
            kept = 0
            for run_id, ended in connection.execute(OLDEST, (job, outcome.value)):
                if run_id in needed:
                    continue
                if run_id <= last or ended < too_old:
                    yield run_id
                    kept = 0
                else:
                    kept += 1
                    if kept == _ENOUGH:
                        break


def _last_beyond(connection: sqlite3.Connection, job: str, outcomes: tuple[Outcome, ...], number: int) -> int:
    """The newest id that is more than `number` back among runs of these outcomes; 0 if there are fewer."""
    newest: list[int] = []
    for outcome in outcomes:
        newest += [run_id for (run_id,) in connection.execute(NEWEST, (job, outcome.value, number + 1))]
    newest.sort(reverse=True)
    return newest[number] if len(newest) > number else 0


CHECKPOINTED = (
    "SELECT runs.job FROM runs JOIN definitions ON definitions.id = definition_id "
    """WHERE runs.id = ? AND instr(body, '"checkpoint":{') > 0"""  # inside a JSON string quotes are escaped
)
RESUMED_FROM = "SELECT resume_from FROM runs WHERE state <> 'done' AND resume_from IS NOT NULL"
_OWN_CHECKPOINT = re.compile(r"/checkpoints/[^/]+/(\d{1,18})(?:/|$)")
PATHS = "SELECT path FROM outputs WHERE run_id = ? AND path IS NOT NULL"
NEXT_JOB = "SELECT min(job) FROM runs WHERE job > ?"
NEWEST = "SELECT id FROM runs WHERE job = ? AND outcome = ? ORDER BY id DESC LIMIT ?"
OLDEST = "SELECT id, state_since FROM runs WHERE job = ? AND outcome = ? ORDER BY id"
FORGET_EVENTS = (
    "DELETE FROM host_events WHERE id IN (SELECT id FROM host_events WHERE at < ? ORDER BY at LIMIT ?)"
)
DROP_DEFINITIONS = (
    "DELETE FROM definitions WHERE id IN (SELECT id FROM definitions AS old WHERE seen_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM runs WHERE definition_id = old.id) "
    "AND NOT EXISTS (SELECT 1 FROM jobs WHERE definition_id = old.id) LIMIT ?)"
)
_FORGET_TURNS = "DELETE FROM clock_turns WHERE run_id < (SELECT min(id) FROM runs)"
