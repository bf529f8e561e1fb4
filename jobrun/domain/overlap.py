"""What happens to a run of a job that still has an unfinished one.

An unfinished run is one that waits, runs, stops, or waits for its retry: a job
between two attempts is not done. One that somebody asked for at a later moment
(`run --at`) is not yet there: until then the schedule goes on as if it were
not, and at its moment it waits for its turn, or with `replace` takes it. The
engine sees adopted runs like any other, so the rule holds over a restart of the
daemon.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobrun.domain.job import Overlap
from jobrun.domain.run import Delayed, DelayReason, Run

_NAMED = re.compile(r"run (\d+) of this job is ")


@dataclass(frozen=True, slots=True)
class Proceed:
    """The run is created and waits for its turn."""


@dataclass(frozen=True, slots=True)
class SkipSlot:
    """The run is recorded as skipped; `detail` names the run in the way."""

    detail: str


@dataclass(frozen=True, slots=True)
class ReplaceRuns:
    """The unfinished runs are ended first (cause superseded), then this one starts."""

    runs: tuple[int, ...]


def decide_overlap(rule: Overlap, unfinished: Sequence[Run]) -> Proceed | SkipSlot | ReplaceRuns:
    """Apply a job's overlap rule to the unfinished runs of that job, oldest first."""
    unfinished = [run for run in unfinished if not is_for_later(run)]
    if not unfinished or not looks_back(rule):
        return Proceed()
    if rule is Overlap.REPLACE:
        return ReplaceRuns(tuple(run.id for run in unfinished))
    if rule is Overlap.QUEUE_ONE:
        waiting = [run for run in unfinished if not run.has_process]
        if not waiting:
            return Proceed()
        return SkipSlot(f"run {waiting[0].id} of this job is already waiting ({waiting[0].state})")
    first = unfinished[0]
    return SkipSlot(f"run {first.id} of this job is unfinished ({first.state})")


def is_for_later(run: Run) -> bool:
    """Whether somebody asked for the run at a moment that has not come: to schedules it is not there yet."""
    return isinstance(run.status, Delayed) and run.status.reason is DelayReason.REQUESTED


def looks_back(rule: Overlap) -> bool:
    """Whether the rule depends on the job's unfinished runs at all; there may be thousands of them."""
    return rule not in (Overlap.ALLOW, Overlap.QUEUE_ALL)


def run_in_the_way(detail: str) -> int | None:
    """The run that a `SkipSlot.detail` names, read back; None for any other sentence."""
    found = _NAMED.match(detail)
    return int(found[1]) if found is not None else None


def may_run_beside(rule: Overlap) -> bool:
    """Whether two runs of the job may have processes at the same time."""
    return rule is Overlap.ALLOW
