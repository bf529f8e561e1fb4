"""What SQLite's errors mean to a user, in words.

The rule: an error of the host (disk full, locked, read-only, I/O, damage)
becomes a sentence and a hint; any other is a bug of ours and is let through.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_WORDS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; jobrun goes on by itself."),
    sqlite3.SQLITE_BUSY: (
        "another process holds a lock on it",
        "Find it with `fuser`; jobrun goes on by itself once the lock is gone.",
    ),
    sqlite3.SQLITE_LOCKED: ("another process holds a lock on it", "Find it with `fuser`."),
    sqlite3.SQLITE_IOERR: (
        "the disk reports an I/O error, or is full",
        "Look at the free space and at the kernel's log.",
    ),
    sqlite3.SQLITE_READONLY: ("it cannot be written to", "Look at its owner, its mode and its mount."),
    sqlite3.SQLITE_PERM: ("it cannot be written to", "Look at its owner, its mode and its mount."),
    sqlite3.SQLITE_CANTOPEN: (
        "it, or a file that belongs to it, cannot be opened",
        "Look at the owner and mode of its directory, and at the number of open files.",
    ),
    sqlite3.SQLITE_NOMEM: ("there is not enough memory", "Look at the daemon's memory limit."),
    sqlite3.SQLITE_PROTOCOL: (
        "another process holds a lock on it",
        "Find it with `fuser`; jobrun goes on by itself once the lock is gone.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "Stop the daemon, then restore a backup or start with `jobrun daemon --set-aside-corrupt`.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "it is damaged or not a database",
        "Stop the daemon, then restore a backup or start with `jobrun daemon --set-aside-corrupt`.",
    ),
}


class Words(NamedTuple):
    """An error of the host, told to a user."""

    sentence: str
    hint: str
    is_damage: bool


def words_for(error: sqlite3.Error, path: Path) -> Words | None:
    """The words for an error of the host; None for a mistake of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    known = _WORDS.get(code & 0xFF)
    if known is None:
        return None
    sentence, hint = known
    name = getattr(error, "sqlite_errorname", "")
    return Words(f"{path}: {sentence} ({error}, {name}).", hint, (code & 0xFF) in _DAMAGE)
