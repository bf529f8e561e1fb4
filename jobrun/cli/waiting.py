"""Waiting for runs to end: the daemon tells us, and while there is none the store does."""

import time
from collections.abc import Sequence
from typing import Any

from jobrun.cli.findrun import find_run
from jobrun.cli.output import remark
from jobrun.cli.reach import Reach
from jobrun.domain.errors import DaemonUnreachable, ExitCode
from jobrun.domain.run import Done

_STRIDE = 20.0
_POLL = 0.3
# The daemon answers no more in one request; the others are waited for after these.
_MOST_NAMED = 20_000


def wait_for(reach: Reach, runs: Sequence[int], timeout: float | None) -> tuple[list[dict[str, Any]], bool]:
    """Wait until every run has ended or `timeout` seconds have passed.

    Returns the ended runs ({"run", "outcome", "cause", "exit_code", "detail"}, in the order asked for)
    and whether time ran out. A daemon that goes away meanwhile is waited for. Raises NotFound.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    told = False
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        ended = {run: end for run in runs if (end := _ending(reach, run)) is not None}
        if len(ended) == len(set(runs)) or (left is not None and left <= 0):
            return [ended[run] for run in runs if run in ended], len(ended) < len(set(runs))
        stride = _STRIDE if left is None else min(_STRIDE, left)
        open_runs = [run for run in runs if run not in ended][:_MOST_NAMED]
        try:
            reach.client().call("wait", runs=open_runs, timeout=stride, answer_within=stride + 10)
        except DaemonUnreachable:
            if not told:
                remark("The daemon is not running; waiting for the runs all the same.")
                told = True
            time.sleep(min(_POLL, stride))


def _ending(reach: Reach, run_id: int) -> dict[str, Any] | None:
    row = find_run(reach, run_id)
    run, status = row.run, row.run.status
    if not isinstance(status, Done):
        return None
    return {
        "run": run_id,
        "job": run.job,
        "outcome": status.outcome.value,
        "cause": status.cause.value if status.cause else None,
        "exit_code": status.exit_code,
        "detail": status.detail,
    }


def verdict_of(endings: Sequence[dict[str, Any]], *, timed_out: bool) -> ExitCode:
    """0 if every run succeeded."""
    good = not timed_out and all(end["outcome"] == "succeeded" for end in endings)
    return ExitCode.OK if good else ExitCode.FAILED


def ending_line(end: dict[str, Any]) -> str:
    """`Run 12 of backup failed: exit code 3.`"""
    why = f": {end['detail']}" if end.get("detail") else ""
    return f"Run {end['run']} of {end['job']} {outcome_words(end['outcome'])}{why}."


def outcome_words(outcome: str) -> str:
    """The outcome as a verb: `succeeded`, `timed out`, `was skipped`."""
    return {
        "timed_out": "timed out",
        "cancelled": "was cancelled",
        "skipped": "was skipped",
        "lost": "was lost",
    }.get(outcome, outcome)
