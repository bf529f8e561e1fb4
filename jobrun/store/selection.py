"""The query behind `history`: newest runs first, by any combination of filters.

The rule: the query walks exactly one index in the order of the answer and
stops at the limit; which one is decided here, not left to a planner without
statistics (a `+` before a column keeps SQLite from using its index).
"""

from typing import Any

from jobrun.domain.run import Outcome
from jobrun.store.rows import RUN_COLUMNS
from jobrun.store.views import RunFilter

SELECT_RUN = f"SELECT {RUN_COLUMNS} FROM runs"


def runs_query(
    wanted: RunFilter, outcome: Outcome | None, bounds: tuple[int, int], limit: int
) -> tuple[str, list[Any]]:
    """SQL and values for the newest `limit` runs within the id bounds; `outcome` is one of the filter's."""
    driver = _driver(wanted, outcome)
    conditions, values = [], []

    def add(condition: str, *drivers: str, value: Any = None) -> None:
        conditions.append(condition if driver in drivers else f"+{condition}")
        if value is not None:
            values.append(value)

    if wanted.job is not None:
        add("job = ?", "job", "job and outcome", value=wanted.job)
    if outcome is not None:
        add("outcome = ?", "outcome", "job and outcome", value=outcome.value)
    if wanted.cause is not None:
        add("state_reason = ?", "cause", value=wanted.cause)
        add("state = 'done'", "cause")
    if wanted.queue is not None:
        add("queue = ?", "queue", "live", value=wanted.queue)
    if wanted.state is not None:
        if wanted.state != "live":
            add("state = ?", "live", value=wanted.state)
        if wanted.state != "done":
            add("state <> 'done'", "live")
    if wanted.since is not None:
        add("created_at >= ?", value=wanted.since)
    if wanted.until is not None:
        add("created_at < ?", value=wanted.until)
    conditions.append("+id BETWEEN ? AND ?" if driver == "live" else "id BETWEEN ? AND ?")
    where = " AND ".join(conditions)
    return f"{SELECT_RUN} WHERE {where} ORDER BY id DESC LIMIT ?", [*values, *bounds, limit]


def _driver(wanted: RunFilter, outcome: Outcome | None) -> str:
    """The filter that likely leaves least. Success is common, so its index comes last."""
    if wanted.state not in (None, "done"):
        return "live"
    if wanted.job is not None:
        return "job" if outcome is None else "job and outcome"
    if wanted.cause is not None:
        return "cause"
    if outcome is not None and (outcome is not Outcome.SUCCEEDED or wanted.queue is None):
        return "outcome"
    return "queue" if wanted.queue is not None else "id"
