"""A read-only connection that stays true while writers come and go.

The rule: an answer was true at one moment. With a writer at work SQLite's
snapshots see to that. At rest the file is read without locks; should a writer
have begun meanwhile, the answer is thrown away and asked for again.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jobrun.domain.errors import StoreRefused
from jobrun.store.open import open_for_reading, refusal_for
from jobrun.store.place import Fingerprint, fingerprint

Answer = TypeVar("Answer")

_TRIES = 8


class Reading:
    """Runs queries on the database at a path, opening it anew when the file there changes."""

    def __init__(self, path: Path) -> None:
        """Open the database. Raises StoreMissing, StoreRefused or StoreCorrupt."""
        self._path = path
        self._connection, self._opened = self._open()

    def _open(self) -> tuple[sqlite3.Connection, Fingerprint]:
        while True:
            before = fingerprint(self._path)
            connection = open_for_reading(self._path)
            if fingerprint(self._path).is_in_use == before.is_in_use:
                return connection, before
            connection.close()  # a writer came or went just now: which way of reading was chosen is unsure

    def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The question's answer, all of it from one state of the database."""
        for _ in range(_TRIES):
            if self._has_changed():
                self._connection.close()
                self._connection, self._opened = self._open()
            try:
                self._connection.execute("BEGIN")
                try:
                    answer = question(self._connection)
                finally:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                if self._has_changed():
                    continue
                raise refusal_for(self._path, error) from error
            if not self._has_changed():
                return answer
        raise StoreRefused(f"The database {self._path} keeps being replaced.", "Try again in a moment.")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _has_changed(self) -> bool:
        now = fingerprint(self._path)
        if not self._opened.is_in_use:
            return now != self._opened
        opened = self._opened.database
        return now.database is None or opened is None or now.database[:2] != opened[:2]
