"""Damaged databases: how one is recognised, and how it is set aside.

The rule: damage is told, never repaired in silence. Nothing here deletes or
overwrites a database; setting it aside is a rename that a person asked for.

A full check reads the whole file, which is too much for every start. So the
start checks everything if the file is small or was suspected (a write met
damage and left the mark beside it); else the small tables, which hold the
state that decisions rest on, and the newest rows.
"""

import errno
import os
import sqlite3
from pathlib import Path

from jobrun.domain.errors import StoreCorrupt, StoreRefused
from jobrun.store.place import shm_path, wal_path

SMALL = 8 << 20  # bytes; a full quick_check of this much takes about 30 ms
_SMALL_TABLES = ("meta", "jobs", "queues", "pools", "schedules", "pauses", "clock_turns")
_NEWEST = 200


def suspicion_path(path: Path) -> Path:
    """The mark that asks the next start for a full check."""
    return path.with_name(path.name + ".suspect")


def suspect(path: Path) -> None:
    """Ask for a full check at the next start. Best effort: the disk may be in trouble."""
    try:
        suspicion_path(path).touch()
    except OSError:
        pass


def check_file(path: Path) -> None:
    """Look at the file before SQLite does.

    Raises StoreRefused for a file of no length, which SQLite would take for an
    empty database (TRAPS, State), and OSError for one that cannot be looked
    at. The file is not opened for that: closing any descriptor of it would
    drop the POSIX locks of every connection of this process, the daemon's
    writer included (sqlite.org/howtocorrupt.html, 2.2).
    """
    size = path.stat().st_size
    if not os.access(path, os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if size == 0:
        raise StoreRefused(
            f"The database {path} has no content (zero bytes); it was once a database, or is not ours.",
            "Restore it from a backup. To begin a new history, move the file away.",
        )


def corrupt(path: Path, reason: str) -> StoreCorrupt:
    """The refusal of a damaged database."""
    return StoreCorrupt(
        f"The database {path} is damaged: {reason}. Nothing was changed.",
        "Restore a backup, or start once with `jobrun daemon --set-aside-corrupt`: "
        f"the damaged file is kept as {path.name}.corrupt-… and a new history begins.",
    )


def refuse_damage(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreCorrupt if the database is damaged, as far as a start can afford to look."""
    suspected = suspicion_path(path).exists()
    try:
        if suspected or path.stat().st_size + _size(wal_path(path)) <= SMALL:
            problem = full_check(connection)
        else:
            problem = _quick_look(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        problem = str(error)
    if problem is not None:
        raise corrupt(path, problem)
    if suspected:
        suspicion_path(path).unlink(missing_ok=True)


def full_check(connection: sqlite3.Connection) -> str | None:
    """Read the whole database; the first problem found, in SQLite's words, or None."""
    return _problem(connection.execute("PRAGMA quick_check(1)").fetchone())


def _quick_look(connection: sqlite3.Connection) -> str | None:
    for table in _SMALL_TABLES:
        problem = _problem(connection.execute(f"PRAGMA quick_check({table})").fetchone())
        if problem is not None:
            return problem
    for table, order in (("runs", "id"), ("attempts", "run_id"), ("host_events", "id")):
        connection.execute(f"SELECT * FROM {table} ORDER BY {order} DESC LIMIT {_NEWEST}").fetchall()
    connection.execute("SELECT * FROM runs WHERE state <> 'done'").fetchall()
    return None


def _problem(row: tuple[str] | None) -> str | None:
    if row is None or row[0] == "ok":
        return None
    return " ".join(row[0].split())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def set_aside(path: Path, stamp: str) -> Path:
    """Rename a damaged database, with the files beside it, to `….corrupt-<stamp>`.

    `stamp` is a text for the moment that is safe in a file name. The log and
    its index move along, so that the set-aside database can still be opened
    and rescued. Returns the new path. Raises StoreRefused if it is taken or
    cannot be renamed.
    """
    if not path.exists():
        raise StoreRefused(f"There is no database at {path} to set aside.", "Name another with --state-dir.")
    target = path.with_name(f"{path.name}.corrupt-{stamp}")
    if target.exists() or wal_path(target).exists():
        raise StoreRefused(f"{target} exists already.", "Move it away first.")
    try:
        # The log first: a database without its log is only older, a log without its database is refused.
        for source, aim in (
            (wal_path(path), wal_path(target)),
            (shm_path(path), shm_path(target)),
            (path, target),
        ):
            if source.exists():
                source.rename(aim)
        suspicion_path(path).unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreRefused(
            f"{path} cannot be set aside: {error.strerror}.",
            "Look at the owner and the mode of its directory.",
        ) from error
    return target


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
