"""Opening the database: for writing by the daemon, for reading by anybody.

The rule: an open that is not sure refuses. A new database is made complete
under another name and then linked into place, so that a file of no length, or
a half-made one, is never ours.
"""

import os
import sqlite3
import time
from pathlib import Path

from jobrun.domain.errors import StoreMissing, StoreRefused
from jobrun.store.damage import check_file, corrupt, refuse_damage, sync_directory
from jobrun.store.place import MOUNTS, fingerprint, refuse_network, wal_path
from jobrun.store.trouble import words_for

VERSION = 2
APPLICATION_ID = 0x6A6F6272

BUSY_TIMEOUT = 5.0
STATEMENTS_KEPT = 256
"""How many texts a connection keeps prepared: more than the writer has (a test counts them)."""
_CACHE_KIB = 8 << 10
_CHECKPOINT_PAGES = 4000
_LONGEST_WAL = 64 << 20


def open_for_writing(
    path: Path, *, busy_timeout: float = BUSY_TIMEOUT, mounts: Path = MOUNTS
) -> sqlite3.Connection:
    """Open the database for the one writer; make it if there is none, migrate it if it is older.

    `busy_timeout` is in seconds. The connection commits nothing by itself
    (BEGIN and COMMIT are the caller's). Raises StoreRefused with the reason:
    a newer version, damage (StoreCorrupt), a file of no length, a network file
    system, no permission, no space, a lock held by another process.
    """
    refuse_network(path.parent, mounts)
    try:
        if not path.exists():
            _refuse_orphaned_log(path)
            _create(path)
        check_file(path)
        _refuse_what_is_there(path)
        connection = _connect(path, "mode=rw", busy_timeout)
    except OSError as error:
        raise _refusal(path, error) from error
    except sqlite3.Error as error:
        raise refusal_for(path, error) from error
    try:
        _prepare_writer(connection)
    except sqlite3.Error as error:
        connection.close()
        raise refusal_for(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_what_is_there(path: Path) -> None:
    """Raise StoreRefused for a database that is not ours, newer, or damaged.

    A reader looks, because a reader changes nothing: a writer that closes
    folds the log into the file, damaged or not, and deletes the log.
    """
    connection = _connect_to_read(path)
    try:
        _refuse_foreign(connection, path)
        refuse_damage(connection, path)
    finally:
        connection.close()


def _prepare_writer(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_LONGEST_WAL}")
    # SQLite opens what it may not write to, and tells only when a statement could write.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE meta SET value = value WHERE key = ''")
    connection.execute("ROLLBACK")
    if version < VERSION:
        from jobrun.store.migrations import migrate

        migrate(connection)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the database read-only; no file is made or changed by it, and no lock waited for.

    With a writer at work (or one that was killed) its log and index are shared.
    At rest, without them, SQLite would make both anew; then the file is read as
    immutable, or, with a log and no index, with an index in our own memory. In
    these two modes a writer that begins meanwhile is not noticed by SQLite:
    compare `fingerprint` before and after (`History` does). Raises StoreMissing,
    StoreRefused or StoreCorrupt.
    """
    try:
        if not path.exists():
            raise StoreMissing(
                f"There is no history at {path} yet.",
                "Start the daemon with `jobrun daemon`, or name another directory with --state-dir.",
            )
        check_file(path)
        connection = _connect_to_read(path)
    except OSError as error:
        raise _refusal(path, error) from error
    except sqlite3.Error as error:
        raise refusal_for(path, error) from error
    try:
        version = _refuse_foreign(connection, path)
        if version < VERSION:
            raise StoreRefused(
                f"The database {path} is of an older version ({version}, this jobrun reads {VERSION}).",
                "Restart the daemon once: it brings the database up to date.",
            )
    except sqlite3.Error as error:
        connection.close()
        raise refusal_for(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    traces = fingerprint(path)
    if traces.is_in_use:
        return _connect(path, "mode=ro", BUSY_TIMEOUT)
    if traces.wal_size == 0:
        return _connect(path, "mode=ro&immutable=1", BUSY_TIMEOUT)
    connection = _connect(path, "mode=ro&vfs=unix-none", BUSY_TIMEOUT)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def schema() -> str:
    """The text of schema.sql."""
    return Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def _connect(path: Path, query: str, busy_timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{_quoted(path)}?{query}",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_KEPT,
    )


def _quoted(path: Path) -> str:
    """The path as a URI has it (sqlite.org/uri.html); urllib would cost every command a millisecond."""
    plain = b"/-_.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in os.fsencode(path.absolute()))


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version. Raises StoreRefused for a database that is not ours or of a newer version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreRefused(
            f"{path} is a database, but not one of jobrun's.", "Name another directory with --state-dir."
        )
    if version > VERSION:
        raise StoreRefused(
            f"The database {path} is of a newer version ({version}; this jobrun knows {VERSION}).",
            "Install the newer jobrun again, or restore a backup made before the upgrade.",
        )
    return int(version)


def _refuse_orphaned_log(path: Path) -> None:
    """A new database beside an old log would be filled from it: the log says that a database is gone."""
    log = wal_path(path)
    if log.exists() and log.stat().st_size:
        raise StoreRefused(
            f"The database {path} is gone, but its log {log.name} is there.",
            f"Restore {path.name} from a backup. To begin a new history, move {log.name} away.",
        )


def _create(path: Path) -> None:
    """Make a new database, durable and complete, without ever replacing a file at `path`.

    Its run ids go on behind those of a database that was set aside: log files
    and people know runs by their ids.
    """
    draft = path.with_name(f"{path.name}.new")
    _remove_draft(draft)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        connection = _connect(draft, "mode=rw", BUSY_TIMEOUT)
        try:
            connection.executescript(schema())
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executemany(
                "INSERT INTO meta (key, value) VALUES (?, ?)",
                [("store_id", os.urandom(8).hex()), ("created_at", str(time.time_ns() // 1000))],
            )
            connection.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('runs', ?)", (_last_run_set_aside(path),)
            )
        finally:
            connection.close()
        _sync_file(draft)
        os.link(draft, path)
    finally:
        _remove_draft(draft)
    sync_directory(path.parent)


def _remove_draft(draft: Path) -> None:
    """Remove a draft of this start or of one that died; a journal left alone would be applied to the next."""
    for suffix in ("-journal", "-wal", "-shm", ""):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _last_run_set_aside(path: Path) -> int:
    """The highest run id given by the databases set aside beside this one; 0 if there are none.

    If one cannot tell, the seconds since 1970: a number that no store has reached by counting.
    """
    last = 0
    for other in path.parent.glob(f"{path.name}.corrupt-*"):
        if other.name.endswith(("-wal", "-shm")):
            continue
        try:
            connection = _connect_to_read(other)
            try:
                row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
            finally:
                connection.close()
            last = max(last, row[0] if row else 0)
        except (sqlite3.Error, OSError):
            last = max(last, int(time.time()))
    return last


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refusal(path: Path, error: OSError) -> StoreRefused:
    return StoreRefused(
        f"The database {path} cannot be opened: {error.strerror}.",
        "Look at the owner, the mode and the free space of its directory.",
    )


def refusal_for(path: Path, error: sqlite3.Error) -> StoreRefused:
    """What SQLite's error means for somebody who wants to use the database."""
    words = words_for(error, path)
    if words is None:
        return StoreRefused(f"The database {path} cannot be opened: {error}.", "")
    if words.is_damage:
        return corrupt(path, str(error))
    return StoreRefused(f"The database cannot be opened. {words.sentence}", words.hint)
