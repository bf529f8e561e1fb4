"""What a write is: a statement, the values of a fact, and whether it is guarded.

An insertion knows its text for several rows, too: the writer's thread shares its
interpreter with the daemon's loop, and lets go of it and waits for it again once
for each row that it writes alone. (`UPDATE … FROM` does the same for changes, and
takes longer than they do one by one.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Values = tuple[Any, ...]
# So many rows of our widest table have fewer values than any SQLite allows in a statement (999).
ROWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL. One that is guarded must change exactly one row, and can change no more than that.

    `together` is the text that does it for `ROWS_AT_ONCE` rows, if there is one; an insertion's, never of
    one that is guarded.
    """

    sql: str
    guarded: bool = False
    together: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A statement, and the values that a fact gives it."""

    statement: Statement
    values: Callable[[Any], Values]


def insert(table: str, columns: str) -> Statement:
    """A new row; one that is there already is an error."""
    head, row = f"INSERT INTO {table} ({columns}) VALUES", f"({_marks(columns)})"
    return Statement(f"{head} {row}", together=f"{head} {', '.join([row] * ROWS_AT_ONCE)}")


def upsert(table: str, key: str, columns: str) -> Statement:
    """A row of that key with these values, whether it is there already or not."""
    setters = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    return Statement(
        f"INSERT INTO {table} ({key}, {columns}) VALUES ({_marks(f'{key}, {columns}')}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {setters}"
    )


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))
