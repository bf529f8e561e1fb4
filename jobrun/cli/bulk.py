"""`run --bulk`: many runs of a job, and what became of them.

A request is one transaction: all of its runs are added, or none. More values
than one request takes are divided over several, which is said.
"""

from collections.abc import Sequence
from typing import Any

from jobrun.cli.output import remark, say, say_json
from jobrun.cli.payload import portions, read_bulk
from jobrun.cli.reach import Reach
from jobrun.cli.waiting import ending_line, verdict_of, wait_for
from jobrun.domain.errors import ExitCode, JobrunError

_PATIENCE = 120.0
_MOST_TOLD = 20


def run_bulk(reach: Reach, job: str, word: str, request: dict[str, Any], *, wait: bool, json: bool) -> int:
    """Add the runs and report; the exit code is 1 if one was skipped, or with `wait` did not succeed."""
    runs, skipped = _add(reach, job, read_bulk(word), request)
    if wait:
        return _see_through(reach, runs, json=json)
    if json:
        say_json({"job": job, "runs": runs, "skipped": skipped})
    else:
        say(f"Added {_count(runs)} of {job}: {ranges(runs)}.")
        if skipped:
            say(f"Skipped of these: {ranges(skipped)}.")
            remark('They met unfinished runs; overlap = "queue_all" or "allow" lets all of them run.')
    return ExitCode.FAILED if skipped else ExitCode.OK


def _add(reach: Reach, job: str, values: list[Any], request: dict[str, Any]) -> tuple[list[int], list[int]]:
    runs: list[int] = []
    skipped: list[int] = []
    parts = list(portions(values))
    if len(parts) > 1:
        remark(f"{len(values)} runs in {len(parts)} requests: each is added whole or not at all.")
    for part in parts:
        try:
            reply = reach.client().call("run", answer_within=_PATIENCE, job=job, bulk=part, **request)
        except JobrunError:
            if runs:
                remark(f"Added before this failed: the first {len(runs)} runs, {ranges(runs)}.")
            raise
        runs += reply["runs"]
        skipped += reply["skipped"]
    return runs, skipped


def _see_through(reach: Reach, runs: list[int], *, json: bool) -> int:
    endings, timed_out = wait_for(reach, runs, None)
    if json:
        say_json({"runs": endings, "timed_out": timed_out})
    else:
        bad = [end for end in endings if end["outcome"] != "succeeded"]
        for end in bad[:_MOST_TOLD]:
            say(ending_line(end))
        if len(bad) > _MOST_TOLD:
            say(f"And {len(bad) - _MOST_TOLD} more that did not succeed.")
        say(f"{len(endings) - len(bad)} of {_count(runs)} succeeded.")
    return verdict_of(endings, timed_out=timed_out)


def _count(runs: Sequence[int]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"


def ranges(numbers: Sequence[int]) -> str:
    """The numbers with stretches in short: `41 to 43, 50`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join(" to ".join(map(str, part)) for part in parts)
