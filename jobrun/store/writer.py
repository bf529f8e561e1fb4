"""The ledger: the one writer of the store.

The rule: facts are committed in batches, each batch wholly or not at all, and
a commit that returned is on the disk. A write that finds something other than
it was told to expect is refused (`StaleWrite`); trouble of the host is
reported (`StoreTrouble`), and the same facts may be committed again later.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from jobrun.domain.errors import StoreRefused, StoreTrouble
from jobrun.domain.instants import Instant
from jobrun.domain.job import Retention
from jobrun.domain.ledger import Fact, RunCreated, RunMoved, StaleWrite
from jobrun.store.damage import corrupt, suspect
from jobrun.store.moments import TURN
from jobrun.store.open import BUSY_TIMEOUT, open_for_writing
from jobrun.store.place import identity, wal_path
from jobrun.store.prune import Pruned, drop_definitions, prune_store
from jobrun.store.snapshot import Snapshot, read_last_ended, read_snapshot
from jobrun.store.stretches import statements_of
from jobrun.store.trouble import words_for
from jobrun.store.writes import write_of


class Ledger:
    """Writes facts. Used from one thread at a time."""

    def __init__(self, path: Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        """Open or make the database at `path`. Raises StoreRefused.

        `busy_timeout` (seconds) bounds the wait for another process's lock.
        """
        self._path = path
        self._wal = wal_path(path)
        self._path_text, self._wal_text = str(path), str(self._wal)
        self._busy_timeout = busy_timeout
        self._connection = self._open()
        self._is_open = True
        self._identity = identity(self._path_text)
        self._prune_position = ""

    def _open(self) -> sqlite3.Connection:
        connection = open_for_writing(self._path, busy_timeout=self._busy_timeout)
        self._wal_identity = identity(self._wal_text)
        row = connection.execute(_NEWEST).fetchone()
        # The newest run may lie up to TURN below the highest moment before it: assume that it does.
        self._newest: Instant = row[0] + TURN if row else 0
        return connection

    def commit(self, facts: Sequence[Fact]) -> None:
        """Write the facts in one transaction, as if in their order; on return they are durable.

        Raises StoreTrouble (disk full, locked, I/O error, damage, the file
        replaced or removed): nothing was written, and trying again may help.
        Raises StaleWrite (a run or attempt that stands elsewhere, a slot that
        has its row): nothing was written, and it is a bug.
        """
        if not facts:
            return
        with self._transaction() as connection:
            try:
                _write(connection, facts)
            except (_Refused, sqlite3.IntegrityError):
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                self._refuse(connection, facts)
            self._mark_turns(connection, facts)

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
        try:
            return read_last_ended(self._connection, jobs)
        except sqlite3.Error as error:
            raise self._told(error) from error

    def prune(self, now: Instant, retention: Mapping[str, Retention], limit: int = 200) -> Pruned:
        """Remove what is older or more than `retention` says: one bounded piece of work.

        A job that is not in the mapping (it left the plan, or was submitted)
        has the built-in retention. Live runs are never touched. Call it again
        while the answer says `more`. Raises StoreTrouble.
        """
        with self._transaction() as connection:
            pruned = prune_store(connection, now, retention, limit, self._prune_position)
        self._prune_position = pruned.position
        return pruned

    def drop_definitions(self, before: Instant, limit: int = 10_000) -> int:
        """Remove definitions first seen before that moment that no run and no job of the plan refers to.

        To be called before `load`, when nobody holds the id of one that goes.
        """
        with self._transaction() as connection:
            return drop_definitions(connection, before, limit)

    def close(self) -> None:
        """Close the database; SQLite moves the log's content into the file."""
        self._is_open = False
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the files that are still those at their path."""
        newest = self._newest
        try:
            self._prepare_files()
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._check_files()
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._newest = newest
            self._roll_back()
            told = self._told(error)
            self._look_anew_if_damaged(error)
            raise told from error
        except BaseException:
            self._newest = newest
            self._roll_back()
            raise

    def _refuse(self, connection: sqlite3.Connection, facts: Sequence[Fact]) -> NoReturn:
        """Raise StaleWrite about the first fact that the store refuses, found by writing them one by one."""
        for fact in facts:
            write = write_of(fact)
            try:
                written = write.statement.write(connection, write.values(fact))
            except sqlite3.IntegrityError as error:
                raise self._clash(fact, error) from error
            if not written:
                raise self._stale(fact)
        raise StaleWrite(f"a batch of {len(facts)} facts is refused, and none of them by itself")

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

    def _clash(self, fact: Fact, error: sqlite3.IntegrityError) -> StaleWrite:
        """The refusal of an insert, naming the slot if it has its row already."""
        slot = fact.run.slot if isinstance(fact, RunCreated) else None
        if slot is not None and isinstance(fact, RunCreated):
            key = (fact.run.job, slot.schedule, slot.scheduled_at, slot.clock_pass)
            row = self._connection.execute(_SLOT, key).fetchone()
            if row is not None and row[0] != fact.run.id:
                return StaleWrite(
                    f"the slot {slot.scheduled_at} (pass {slot.clock_pass}) of {fact.run.job}, "
                    f"schedule {slot.schedule}, has its row already: run {row[0]}"
                )
        return StaleWrite(f"{error}: {fact}")

    def _mark_turns(self, connection: sqlite3.Connection, facts: Iterable[Fact]) -> None:
        """Keep `clock_turns` true: the ids at which created_at falls back (schema.sql)."""
        runs = [fact.run for fact in facts if type(fact) is RunCreated]
        if not runs:
            return
        moments = [run.created_at for run in runs]
        highest = max(self._newest, *moments)
        if min(moments) >= highest - TURN:
            # Nearly always: none of them can lie more than TURN below one before it.
            self._newest = highest
            return
        for run, created in zip(runs, moments, strict=True):
            if created < self._newest - TURN:
                connection.execute("INSERT INTO clock_turns (run_id) VALUES (?)", (run.id,))
                self._newest = created
            elif created > self._newest:
                self._newest = created

    def _prepare_files(self) -> None:
        """See to it that what we write goes to the files at our path. Raises StoreTrouble."""
        if self._is_open:
            self._check_database()
            if identity(self._wal_text) == self._wal_identity:
                return
            self._rescue_log()
        self._reopen()

    def _check_files(self) -> None:
        """Raise StoreTrouble if the files we write to are not those at our path."""
        self._check_database()
        if identity(self._wal_text) != self._wal_identity:
            raise self._log_trouble()

    def _check_database(self) -> None:
        present = identity(self._path_text)
        if present != self._identity:
            raise StoreTrouble(
                f"The database {self._path} was {'replaced' if present else 'removed'} while in use.",
                "Put the original file back, or restart the daemon to go on with what is there now.",
            )

    def _rescue_log(self) -> None:
        """The log was removed under us. Its content is still ours to read: move it into the database."""
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise self._log_trouble()
        self._is_open = False
        self._connection.close()

    def _log_trouble(self) -> StoreTrouble:
        return StoreTrouble(
            f"The database's log {self._wal} was removed or replaced while in use.",
            "jobrun rescues what was in it as soon as no other process reads the history.",
        )

    def _reopen(self) -> None:
        self._check_database()
        try:
            self._connection = self._open()
        except StoreRefused as error:
            raise StoreTrouble(error.sentence, error.hint) from error
        self._is_open = True
        self._check_database()

    def _roll_back(self) -> None:
        """Leave no transaction open; a connection that cannot even roll back is given up."""
        if not self._is_open:
            return
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._is_open = False
            self._connection.close()

    def _look_anew_if_damaged(self, error: sqlite3.Error) -> None:
        """Damaged pages stay in the connection's memory: the next try opens the file anew, and checks it."""
        words = words_for(error, self._path)
        if self._is_open and words is not None and words.is_damage:
            self._is_open = False
            self._connection.close()

    def _told(self, error: sqlite3.Error) -> Exception:
        words = words_for(error, self._path)
        if words is None:
            return error
        if words.is_damage:
            suspect(self._path)
        return StoreTrouble(words.sentence, words.hint)


class _Refused(Exception):
    """A guarded statement did not find what it must find."""


def _write(connection: sqlite3.Connection, facts: Sequence[Fact]) -> None:
    """Write the batch, in as few statements as it needs. Raises _Refused or IntegrityError."""
    for statement, values in statements_of(facts):
        if not statement.write(connection, values):
            raise _Refused


_NEWEST = "SELECT created_at FROM runs ORDER BY id DESC LIMIT 1"
_SLOT = (
    "SELECT id FROM runs WHERE job = ? AND schedule = ? AND scheduled_at = ? AND clock_pass = ? "
    "AND schedule IS NOT NULL"
)
