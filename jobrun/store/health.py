"""How the database is, for `jobrun doctor`: read-only, and as brief as was asked for."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from jobrun.domain.instants import Instant
from jobrun.store.damage import full_check
from jobrun.store.open import open_for_reading, refusal_for
from jobrun.store.place import wal_path


@dataclass(frozen=True, slots=True)
class Health:
    """What was found. `runs` is the number of the newest run less that of the oldest: about as many are kept.

    `written_at` is when the files were last written to, `problem` what a full
    check found (None: nothing, or none was made), `set_aside` the names of
    damaged databases that were put aside.
    """

    version: int
    size: int
    log_size: int
    written_at: Instant
    runs: int
    problem: str | None
    set_aside: tuple[str, ...]


def look_at(path: Path, *, deep: bool) -> Health:
    """Look at the database; `deep` reads all of it. Raises StoreMissing, StoreRefused or StoreCorrupt."""
    connection = open_for_reading(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (first, last) = connection.execute(
            "SELECT (SELECT min(id) FROM runs), (SELECT max(id) FROM runs)"
        ).fetchone()
        problem = full_check(connection) if deep else None
    except sqlite3.Error as error:
        raise refusal_for(path, error) from error
    finally:
        connection.close()
    sizes, times = [0, 0], [0]
    for number, file in enumerate((path, wal_path(path))):
        try:
            about = file.stat()
        except OSError:
            continue
        sizes[number] = about.st_size
        times.append(about.st_mtime_ns // 1000)
    aside = sorted(
        other.name
        for other in path.parent.glob(f"{path.name}.corrupt-*")
        if not other.name.endswith(("-wal", "-shm"))
    )
    runs = 0 if last is None else last - first + 1
    return Health(version, sizes[0], sizes[1], max(times), runs, problem, tuple(aside))
