"""The steps from an older schema to the present one.

The rule: a step, once released, never changes; schema.sql says where the
steps lead, and a test proves both equal. sqlite_utils costs 80 ms to import,
so this file is imported only when there is something to do: a new database is
made from schema.sql.
"""

import sqlite3
from collections.abc import Callable, Mapping

import sqlite_utils

from jobrun.store.open import VERSION

Step = Callable[[sqlite_utils.Database], None]


def _reports_and_pools(database: sqlite_utils.Database) -> None:
    """To version 2: what a run is handed, what it reports, and the pools of the plan."""
    for column in ("data", "resume_from"):
        database.table("runs").add_column(column, str)
    # Neither a compound foreign key nor WITHOUT ROWID is among the tool's words.
    database.conn.execute(
        """
        CREATE TABLE reports (
            run_id   INTEGER NOT NULL,
            attempt  INTEGER NOT NULL,
            result   TEXT,
            progress TEXT,
            error    TEXT,
            PRIMARY KEY (run_id, attempt),
            FOREIGN KEY (run_id, attempt) REFERENCES attempts (run_id, number) ON DELETE CASCADE
        ) WITHOUT ROWID
        """
    )
    database.conn.execute(
        "CREATE TABLE pools (name TEXT PRIMARY KEY, min INTEGER NOT NULL, max INTEGER) WITHOUT ROWID"
    )


STEPS: Mapping[int, Step] = {1: _reports_and_pools}
"""For each version that needs one, the step to the version after it."""


def migrate(connection: sqlite3.Connection, steps: Mapping[int, Step] = STEPS, target: int = VERSION) -> None:
    """Bring the database from its `user_version` to `target`, wholly or not at all.

    Raises KeyError if a step is missing, sqlite3.Error if one fails; the
    database is then as it was.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    database = sqlite_utils.Database(connection)
    # Rebuilding a table would fire its references' ON DELETE; this has no effect inside a transaction.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(version, target):
            steps[number](database)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise sqlite3.IntegrityError("the migrated database has rows that refer to nothing")
        connection.execute(f"PRAGMA user_version = {target}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
