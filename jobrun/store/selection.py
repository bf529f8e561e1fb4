"""The query behind `history`: newest runs first, by any combination of filters.

The rule: the query walks exactly one index in the order of the answer and
stops at the limit. Which one is decided here, by counting a little: a planner
without statistics guesses, and its guesses differ from release to release.
"""

import sqlite3
from typing import Any

from jobrun.domain.run import Outcome
from jobrun.store.rows import RUN_COLUMNS
from jobrun.store.views import RunFilter

SELECT_RUN = f"SELECT {RUN_COLUMNS} FROM runs"

_COUNTED = 20_000  # rows of an index; counting them takes less than a millisecond

Term = tuple[str, tuple[Any, ...]]


def runs_query(
    connection: sqlite3.Connection,
    wanted: RunFilter,
    outcome: Outcome | None,
    bounds: tuple[int, int],
    limit: int,
) -> tuple[str, list[Any]]:
    """SQL and values for the newest `limit` runs within the id bounds; `outcome` is one of the filter's."""
    indexed = _indexed_terms(wanted, outcome)
    if wanted.state not in (None, "done"):
        walk = "INDEXED BY runs_live"
    elif indexed:
        walk = f"INDEXED BY {_rarest(connection, indexed)}"
    else:
        walk = "NOT INDEXED"
    terms = [*indexed.values(), *_other_terms(wanted), ("id BETWEEN ? AND ?", bounds)]
    where = " AND ".join(condition for condition, _ in terms)
    values = [value for _, given in terms for value in given]
    return f"{SELECT_RUN} {walk} WHERE {where} ORDER BY id DESC LIMIT ?", [*values, limit]


def _indexed_terms(wanted: RunFilter, outcome: Outcome | None) -> dict[str, Term]:
    """Conditions that have an index to themselves, by its name."""
    terms: dict[str, Term] = {}
    if wanted.job is not None and outcome is not None:
        terms["runs_job_outcome"] = ("job = ? AND outcome = ?", (wanted.job, outcome.value))
    elif wanted.job is not None:
        terms["runs_job"] = ("job = ?", (wanted.job,))
    elif outcome is not None:
        terms["runs_outcome"] = ("outcome = ?", (outcome.value,))
    if wanted.cause is not None:
        terms["runs_cause"] = ("state = 'done' AND state_reason = ?", (wanted.cause,))
    if wanted.queue is not None:
        terms["runs_queue"] = ("queue = ?", (wanted.queue,))
    return terms


def _other_terms(wanted: RunFilter) -> list[Term]:
    terms: list[Term] = []
    if wanted.state not in (None, "live"):
        terms.append(("state = ?", (wanted.state,)))
    if wanted.state not in (None, "done"):
        terms.append(("state <> 'done'", ()))
    if wanted.since is not None:
        terms.append(("created_at >= ?", (wanted.since,)))
    if wanted.until is not None:
        terms.append(("created_at < ?", (wanted.until,)))
    return terms


def _rarest(connection: sqlite3.Connection, terms: dict[str, Term]) -> str:
    """The index whose condition holds for the fewest runs; the first of them if all are common."""
    if len(terms) == 1:
        return next(iter(terms))
    counts = {}
    for index, (condition, values) in terms.items():
        rows = f"SELECT 1 FROM runs INDEXED BY {index} WHERE {condition} LIMIT {_COUNTED}"
        (counts[index],) = connection.execute(f"SELECT count(*) FROM ({rows})", values).fetchone()
    return min(counts, key=lambda index: counts[index])
