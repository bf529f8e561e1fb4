"""The ledger: the one writer of the store.

The rule: facts are committed in batches, each batch wholly or not at all, and
a commit that returned is on the disk. A write that finds something other than
it was told to expect is refused (`StaleWrite`); trouble of the host is
reported (`StoreTrouble`), and the same facts may be committed again later.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from jobrun.domain.errors import StoreTrouble
from jobrun.domain.instants import Instant
from jobrun.domain.job import Retention
from jobrun.domain.ledger import Fact, RunCreated, RunMoved, StaleWrite
from jobrun.store.damage import corrupt, suspect
from jobrun.store.moments import TURN
from jobrun.store.open import BUSY_TIMEOUT, open_for_writing
from jobrun.store.place import identity, wal_path
from jobrun.store.prune import Pruned, prune_store
from jobrun.store.snapshot import Snapshot, read_last_ended, read_snapshot
from jobrun.store.trouble import words_for
from jobrun.store.writes import Write, write_of


class Ledger:
    """Writes facts. Used from one thread at a time."""

    def __init__(self, path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        """Open or make the database at `path`. Raises StoreRefused.

        `busy_timeout` (seconds) bounds the wait for another process's lock.
        """
        self._path = path
        self._wal = wal_path(path)
        self._busy_timeout = busy_timeout
        self._open()

    def _open(self) -> None:
        self._connection = open_for_writing(self._path, busy_timeout=self._busy_timeout)
        self._identity = identity(self._path)
        self._wal_identity = identity(self._wal)
        row = self._connection.execute(_NEWEST).fetchone()
        # The newest run may lie up to TURN below the highest moment before it: assume that it does.
        self._newest: Instant = row[0] + TURN if row else 0

    def commit(self, facts: Sequence[Fact]) -> None:
        """Write the facts in their order, in one transaction; on return they are durable.

        Raises StoreTrouble (disk full, locked, I/O error, damage, the file
        replaced or removed): nothing was written, and trying again may help.
        Raises StaleWrite (a run or attempt that stands elsewhere, a slot that
        has its row): nothing was written, and it is a bug.
        """
        if not facts:
            return
        newest = self._newest
        try:
            self._check_files()
            self._connection.execute("BEGIN IMMEDIATE")
            for write, group in groupby(facts, write_of):
                self._write(write, list(group))
            self._mark_turns(facts)
            self._check_files()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._newest = newest
            self._roll_back()
            raise self._told(error) from error
        except BaseException:
            self._newest = newest
            self._roll_back()
            raise

    def load(self) -> Snapshot:
        """Everything a starting engine needs. Raises StoreCorrupt or StoreTrouble."""
        try:
            return read_snapshot(self._connection)
        except sqlite3.Error as error:
            words = words_for(error, self._path)
            if words is not None and words.is_damage:
                suspect(self._path)
                raise corrupt(self._path, str(error)) from error
            raise self._told(error) from error

    def last_ended(self, jobs: Iterable[str]) -> dict[str, Instant]:
        """When the newest finished run of each of these jobs ended; jobs without one are left out."""
        return read_last_ended(self._connection, jobs)

    def prune(self, now: Instant, retention: Mapping[str, Retention], limit: int = 500) -> Pruned:
        """Remove what is older or more than `retention` says, at most about `limit` rows of each kind.

        A job that is not in the mapping (it left the plan) keeps the built-in
        retention. Live runs are never touched. Raises StoreTrouble.
        """
        try:
            self._check_files()
            self._connection.execute("BEGIN IMMEDIATE")
            pruned = prune_store(self._connection, now, retention, limit)
            self._check_files()
            self._connection.execute("COMMIT")
            if pruned.runs:
                self._connection.execute(f"PRAGMA incremental_vacuum({limit})").fetchall()
        except sqlite3.Error as error:
            self._roll_back()
            raise self._told(error) from error
        except BaseException:
            self._roll_back()
            raise
        return pruned

    def close(self) -> None:
        """Close the database; SQLite moves the log's content into the file."""
        self._connection.close()

    def _write(self, write: Write, facts: Sequence[Fact]) -> None:
        connection = self._connection
        if not write.guarded and len(facts) > 1:
            try:
                connection.executemany(write.sql, [write.values(fact) for fact in facts])
            except sqlite3.IntegrityError as error:
                raise self._clash(facts, error) from error
            return
        for fact in facts:
            try:
                changed = connection.execute(write.sql, write.values(fact)).rowcount
            except sqlite3.IntegrityError as error:
                raise self._clash([fact], error) from error
            if write.guarded and changed != 1:
                raise self._stale(fact)

    def _stale(self, fact: Fact) -> StaleWrite:
        if isinstance(fact, RunMoved):
            row = self._connection.execute(
                "SELECT state, attempt FROM runs WHERE id = ?", (fact.before.id,)
            ).fetchone()
            there = "does not exist" if row is None else f"is {row[0]} in attempt {row[1]}"
            return StaleWrite(
                f"run {fact.before.id} {there}, not {fact.before.state} in attempt {fact.before.attempt}"
            )
        return StaleWrite(f"nothing there to write this to: {fact}")

    def _clash(self, facts: Sequence[Fact], error: sqlite3.IntegrityError) -> StaleWrite:
        """The refusal of an insert, naming the slot if one has its row already."""
        for fact in facts:
            slot = fact.run.slot if isinstance(fact, RunCreated) else None
            if slot is None or not isinstance(fact, RunCreated):
                continue
            key = (fact.run.job, slot.schedule, slot.scheduled_at, slot.clock_pass)
            row = self._connection.execute(_SLOT, key).fetchone()
            if row is not None and row[0] != fact.run.id:
                return StaleWrite(
                    f"the slot {slot.scheduled_at} (pass {slot.clock_pass}) of {fact.run.job}, "
                    f"schedule {slot.schedule}, has its row already: run {row[0]}"
                )
        return StaleWrite(f"{error}: {facts[0]}")

    def _mark_turns(self, facts: Iterable[Fact]) -> None:
        """Keep `clock_turns` true: the ids at which created_at falls back (schema.sql)."""
        for fact in facts:
            if type(fact) is not RunCreated:
                continue
            created = fact.run.created_at
            if created < self._newest - TURN:
                self._connection.execute("INSERT INTO clock_turns (run_id) VALUES (?)", (fact.run.id,))
                self._newest = created
            elif created > self._newest:
                self._newest = created

    def _check_files(self) -> None:
        """Raise StoreTrouble if the files we write to are no longer those at their path."""
        if identity(self._path) != self._identity:
            what = "replaced" if identity(self._path) else "removed"
            raise StoreTrouble(
                f"The database {self._path} was {what} while the daemon used it.",
                "Put the original file back, or restart the daemon to go on with what is there now.",
            )
        if identity(self._wal) != self._wal_identity and not self._rescue_log():
            raise StoreTrouble(
                f"The database's log {self._wal} was removed or replaced while the daemon used it.",
                "jobrun rescues what was in it as soon as no command reads the history.",
            )

    def _rescue_log(self) -> bool:
        """The log was removed under us. Its content is still ours to read: move it into the database."""
        if self._connection.in_transaction:
            return False
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            return False
        self._connection.close()
        self._open()
        return True

    def _roll_back(self) -> None:
        """Leave no transaction open. If even that fails, a fresh connection has none."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass

    def _told(self, error: sqlite3.Error) -> Exception:
        words = words_for(error, self._path)
        if words is None:
            return error
        if words.is_damage:
            suspect(self._path)
        return StoreTrouble(words.sentence, words.hint)


_NEWEST = "SELECT created_at FROM runs ORDER BY id DESC LIMIT 1"
_SLOT = (
    "SELECT id FROM runs WHERE job = ? AND schedule = ? AND scheduled_at = ? AND clock_pass = ? "
    "AND schedule IS NOT NULL"
)
