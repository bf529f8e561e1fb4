"""The history as the harness reads it: plain SQL on a copy of the database, without the code under test."""

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Every row that the store holds, at one moment."""

    store_id: str
    runs: dict[int, Row]
    attempts: dict[tuple[int, int], Row]
    outputs: dict[tuple[int, int], Row]
    schedules: dict[tuple[str, str], Row]
    host_events: list[Row]
    problems: list[str]


def gather(database: Path) -> Evidence:
    """Read the store. Its writer must be dead or idle: the files are copied one after the other."""
    with tempfile.TemporaryDirectory(prefix="evidence.") as directory:
        for part in (database, database.with_name(database.name + "-wal")):
            if part.exists():
                shutil.copyfile(part, Path(directory) / part.name)
        return read(Path(directory) / database.name)


def read(database: Path, *, live: bool = False) -> Evidence:
    """Read a database; `live` as a reader beside its writer."""
    connection = sqlite3.connect(f"file:{database}?mode={'ro' if live else 'rw'}", uri=True)
    try:
        connection.row_factory = sqlite3.Row

        def rows(query: str) -> list[Row]:
            return [dict(row) for row in connection.execute(query)]

        problems = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
        problems += [f"foreign key: {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
        return Evidence(
            store_id=rows("SELECT value FROM meta WHERE key = 'store_id'")[0]["value"],
            runs={row["id"]: row for row in rows("SELECT * FROM runs ORDER BY id")},
            attempts={(row["run_id"], row["number"]): row for row in rows("SELECT * FROM attempts")},
            outputs={(row["run_id"], row["attempt"]): row for row in rows("SELECT * FROM outputs")},
            schedules={(row["job"], row["schedule"]): row for row in rows("SELECT * FROM schedules")},
            host_events=rows("SELECT * FROM host_events ORDER BY id"),
            problems=problems,
        )
    finally:
        connection.close()
