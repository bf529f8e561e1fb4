"""Questions about the past that only `why` and `history --versions` ask.

Apart from `reader`, which every command loads. The same rule holds: the time
an answer takes depends on the answer, not on the length of the history.
"""

import json
import sqlite3
from collections.abc import Iterable

from jobrun.domain.instants import Instant
from jobrun.domain.records import HostEvent
from jobrun.store.moments import id_bounds
from jobrun.store.reader import History
from jobrun.store.rows import STARTED_AT, read_run
from jobrun.store.selection import SELECT_RUN
from jobrun.store.views import RunRow


class Lookback(History):
    """The history, with questions about a moment of the past."""

    def slot_before(self, job: str, schedule: str, moment: Instant) -> RunRow | None:
        """The row of this schedule's last slot before a moment; a stretch by its first slot."""
        rows = self._runs(SLOT_BEFORE, job, schedule, moment)
        return rows[0] if rows else None

    def slot_from(self, job: str, schedule: str, moment: Instant) -> RunRow | None:
        """The row of this schedule's first slot at or after a moment."""
        rows = self._runs(SLOT_FROM, job, schedule, moment)
        return rows[0] if rows else None

    def runs_at(self, job: str, since: Instant, until: Instant, limit: int = 20) -> list[RunRow]:
        """The job's runs that came into being, waited or ran in [since, until), oldest first.

        Of those that began earlier only the newest few are looked at, however
        long the history is.
        """

        def question(connection: sqlite3.Connection) -> list[RunRow]:
            _, high = id_bounds(connection, since, until)
            rows = connection.execute(RUNS_AT, (job, high, limit * _LOOKED_AT)).fetchall()
            return [RunRow(read_run(row), row[STARTED_AT]) for row in rows]

        found = [
            row
            for row in self._reading.ask(question)
            if row.run.created_at < until and (row.ended_at is None or row.ended_at >= since)
        ]
        return sorted(found, key=lambda row: row.run.id)[-limit:]

    def run_counts(self, definition_ids: Iterable[int]) -> dict[int, int]:
        """How many runs are kept that were decided under each of these definitions."""
        return {number: self._rows(COUNT, number)[0][0] for number in definition_ids}

    def events_around(
        self, since: Instant, until: Instant, kinds: Iterable[str], limit: int = 50
    ) -> list[HostEvent]:
        """Events of these kinds in [since, until), with the nearest before and after, as they happened.

        `limit` bounds each of the three parts; the later ones of the middle are left out.
        """
        wanted = tuple(kinds)
        where = f"kind IN ({', '.join('?' * len(wanted))})"
        before = self._rows(
            f"{_EVENTS} at < ? AND {where} ORDER BY at DESC, id DESC LIMIT ?", since, *wanted, limit
        )
        within = self._rows(
            f"{_EVENTS} at >= ? AND at < ? AND {where} ORDER BY at, id LIMIT ?", since, until, *wanted, limit
        )
        after = self._rows(f"{_EVENTS} at >= ? AND {where} ORDER BY at, id LIMIT ?", until, *wanted, limit)
        rows = sorted([*before, *within, *after])
        return [HostEvent(at, kind, json.loads(detail)) for _, at, kind, detail in rows]

    def events(self, kinds: Iterable[str]) -> list[HostEvent]:
        """Every event of these kinds that is kept, in the order in which they happened."""
        wanted = tuple(kinds)
        rows = self._rows(f"{_EVENTS} kind IN ({', '.join('?' * len(wanted))}) ORDER BY id", *wanted)
        return [HostEvent(at, kind, json.loads(detail)) for _, at, kind, detail in rows]


_LOOKED_AT = 10
_EVENTS = "SELECT id, at, kind, detail FROM host_events WHERE"
_SLOTS = f"{SELECT_RUN} WHERE job = ? AND schedule = ? AND schedule IS NOT NULL"
SLOT_BEFORE = f"{_SLOTS} AND scheduled_at < ? ORDER BY scheduled_at DESC, clock_pass DESC LIMIT 1"
SLOT_FROM = f"{_SLOTS} AND scheduled_at >= ? ORDER BY scheduled_at, clock_pass LIMIT 1"
RUNS_AT = f"{SELECT_RUN} INDEXED BY runs_job WHERE job = ? AND id <= ? ORDER BY id DESC LIMIT ?"
COUNT = "SELECT count(*) FROM runs WHERE definition_id = ?"
