"""What a write is: a statement, the values of a fact, and whether it is guarded.

The rule: a statement is said once, for one row of values, and its texts for
many rows are made from that here. Around each execution Python's sqlite3 lets
go of the interpreter's lock and takes it again, three times; beside a thread
that is at work each of these can be a wait. So 40 rows are two executions, of
32 and of 8 rows, and the sizes are few: a connection keeps every text prepared.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

Values = tuple[Any, ...]

SIZES = (64, 32, 16, 8, 4)
"""How many rows one execution may have, besides a single one. For two or three it would cost more."""

# 3.33 brought UPDATE … FROM (sqlite.org/lang_update.html); before 3.32 a text could have 999 values only
# (sqlite.org/limits.html). An older SQLite, as Python 3.11 finds it on RHEL 8, gets one row after the other.
KNOWS_MANY = sqlite3.sqlite_version_info >= (3, 33)

# What is bound for None. SQLite makes NULL of it (sqlite.org/floatingpoint.html), and Python binds a float at
# once, while for each None it looks for an adapter first: 0.2 µs, and half of the columns of a run are empty.
_NULL = float("nan")


class Statement:
    """What is done with each row of values. `sql` is the text for one row, `texts` those for so many.

    One that is guarded must change exactly one row of the table for each row
    of values, and can change no more than that.
    """

    __slots__ = ("guarded", "sql", "texts", "width")

    def __init__(
        self, sql: str, *, guarded: bool = False, for_many: Callable[[int], str] | None = None
    ) -> None:
        """`for_many` makes the text for a number of rows; without it rows are written one by one."""
        sizes = SIZES if for_many and KNOWS_MANY else ()
        self.sql = sql
        self.guarded = guarded
        self.width = sql.count("?")
        self.texts = (*((size, for_many(size)) for size in sizes if for_many), (1, sql))

    def write(self, connection: sqlite3.Connection, values: Sequence[Any]) -> bool:
        """Write the rows whose values these are, one row behind the other; False if a guard refused one."""
        width, place, end, changed = self.width, 0, len(values), 0
        for size, text in self.texts if end >= SIZES[-1] * width else self.texts[-1:]:
            length = size * width
            if end - place >= length:
                rows = [
                    [_NULL if value is None else value for value in values[at : at + length]]
                    for at in range(place, end - length + 1, length)
                ]
                changed += connection.executemany(text, rows).rowcount
                place += length * len(rows)
        return not self.guarded or changed * width == end


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A statement, and the values that a fact gives it.

    Of facts with the same `key` the last says it all: only that one is written.
    """

    statement: Statement
    values: Callable[[Any], Values]
    key: Callable[[Any], object] | None = None

    def rows(self, facts: Iterable[Any]) -> list[Any]:
        """The values of the rows that these facts come to, one row behind the other."""
        if self.key is not None:
            facts = {self.key(fact): fact for fact in facts}.values()
        return [value for fact in facts for value in self.values(fact)]


def insert(table: str, columns: str) -> Statement:
    """A new row; one that is there already is an error."""
    return _insert(table, columns)


def upsert(table: str, key: str, columns: str) -> Statement:
    """A row of that key with these values, whether it is there already or not."""
    setters = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
    return _insert(table, f"{key}, {columns}", f" ON CONFLICT ({key}) DO UPDATE SET {setters}")


def _insert(table: str, columns: str, ending: str = "") -> Statement:
    def text(rows: int) -> str:
        return f"INSERT INTO {table} ({columns}) VALUES {_rows(columns.count(',') + 1, rows)}{ending}"

    return Statement(text(1), for_many=text)


def change(table: str, setters: str, where: str, *, guarded: bool = True) -> Statement:
    """A change of the one row that `where` tells; a `?` is a value, in the order of the text.

    No two rows of values that are written together may be about the same row
    of the table: SQLite would take either.
    """
    sql = f"UPDATE {table} SET {setters} WHERE {where}"
    columns = (f"given.column{number}" for number in count(1))  # as SQLite names those of VALUES
    set_given, where_given = _filled(setters, columns), _filled(where, columns)

    def text(rows: int) -> str:
        given = _rows(sql.count("?"), rows)
        return f"UPDATE {table} SET {set_given} FROM (VALUES {given}) AS given WHERE {where_given}"

    return Statement(sql, guarded=guarded, for_many=text)


def _filled(text: str, names: Iterator[str]) -> str:
    """The text with the next name in place of each `?`."""
    first, *others = text.split("?")
    return first + "".join(next(names) + part for part in others)


def _rows(width: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * rows)
