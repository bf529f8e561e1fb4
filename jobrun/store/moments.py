"""Where a moment lies among the run ids.

Ids say in which order things happened; `created_at` says when, by a clock that
may be set back. Between two rows of `clock_turns` it never falls back by more
than `TURN`, so bisection by primary key finds a moment in microseconds, with
no index on time. The rule: bounds may be too wide by a few rows, never too
narrow; the query itself compares `created_at`.
"""

import sqlite3

from jobrun.domain.instants import MINUTE, Duration, Instant

TURN: Duration = MINUTE
"""A fall of `created_at` by more than this begins a new stretch."""

_END = (1 << 63) - 1


def id_bounds(
    connection: sqlite3.Connection, since: Instant | None, until: Instant | None
) -> tuple[int, int]:
    """The smallest and the largest id that a run created in [since, until) can have."""
    low, high = 0, _END
    if since is None and until is None:
        return low, high
    stretches = _stretches(connection)
    if since is not None:
        low = min(_first(connection, stretch, since - TURN) for stretch in stretches)
    if until is not None:
        high = max(_first(connection, stretch, until + TURN) for stretch in stretches) - 1
    return low, high


def _stretches(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """The id ranges [first, end) within which created_at grows, almost."""
    (last,) = connection.execute("SELECT max(id) FROM runs").fetchone()
    turns = [number for (number,) in connection.execute("SELECT run_id FROM clock_turns ORDER BY run_id")]
    starts = [0, *turns]
    return list(zip(starts, [*turns, (last or 0) + 1], strict=True))


def _first(connection: sqlite3.Connection, stretch: tuple[int, int], moment: Instant) -> int:
    """The id in the stretch where runs from this moment on begin; its end if there are none."""
    low, high = stretch
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(PROBE, (middle, high)).fetchone()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = row[0] + 1
    return low


PROBE = "SELECT id, created_at FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
