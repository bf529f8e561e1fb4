"""What a write is: a statement, the values of a fact, and whether it is guarded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL. One that is guarded must change exactly one row, and can change no more than that."""

    sql: str
    guarded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A statement, and the values that a fact gives it."""

    statement: Statement
    values: Callable[[Any], Values]


def insert(table: str, columns: str) -> Statement:
    """A new row; one that is there already is an error."""
    return Statement(f"INSERT INTO {table} ({columns}) VALUES ({_marks(columns)})")


def upsert(table: str, key: str, columns: str) -> Statement:
    """A row of that key with these values, whether it is there already or not."""
    setters = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    return Statement(
        f"INSERT INTO {table} ({key}, {columns}) VALUES ({_marks(f'{key}, {columns}')}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {setters}"
    )


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))
