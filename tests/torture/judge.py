"""The judge: compares what the witness saw with what the history says. Every difference is one sentence.

Each check is a function of its own that yields discrepancies. None of them
asks the code under test for anything.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from torture.evidence import Evidence, Row
from torture.roster import QUEUES, SECOND, TortureJob
from torture.witness import Line

Fence = tuple[int, int]

_STOPS = {
    "timeout": "timed_out",
    "user": "cancelled",
    "superseded": "cancelled",
    "shutdown": "cancelled",
    "removed": "cancelled",
}
_GIVEN_BACK = ("shutdown", "daemon_crash", "spawn")
# What may lie between a leader's end and the moment the daemon has recorded it.
_NOTICED_WITHIN = 5 * SECOND


@dataclass
class Acknowledged:
    """What the control socket has answered: a promise that must be found in the history."""

    runs: dict[int, tuple[str, str]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    retried: dict[int, int] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Case:
    """Everything a judgement rests on. The lines were read before the evidence was gathered.

    `anchors` is where the slots of a job begin to count. `until` is the moment
    up to which every slot must have its row, None: as far as the store says.
    `is_over` says that nothing may be left unfinished, `lost` names the runs
    whose processes were killed behind the daemon's back.
    """

    evidence: Evidence
    lines: list[Line]
    jobs: dict[str, TortureJob]
    anchors: dict[str, int]
    acknowledged: Acknowledged
    until: int | None = None
    is_over: bool = False
    lost: frozenset[int] | set[int] = frozenset()


def judge(case: Case) -> list[str]:
    """All discrepancies."""
    found = [f"the database is damaged: {problem}" for problem in case.evidence.problems]
    for check in CHECKS:
        found += check(case)
    return found


def every_slot_has_one_row(case: Case) -> Iterator[str]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for run in case.evidence.runs.values():
        if run["schedule"] is not None:
            rows[run["job"]].append(run)
    decided = {job: row["decided_until"] for (job, _), row in case.evidence.schedules.items()}
    for job in case.jobs.values():
        mine = rows[job.name]
        if any(row["clock_pass"] for row in mine):
            yield f"{job.name}: a slot is of a second pass of the clock, which never was set"
        until = case.until if case.until is not None else decided.get(job.name)
        if job.kind == "reboot" and until is not None and len(mine) != 1:
            yield f"{job.name}: {len(mine)} rows for one boot"
        if until is None or job.name not in case.anchors:
            continue
        due = job.due(case.anchors[job.name], until)
        if due is None:
            continue
        expected = list(due)
        seen = Counter[int]()
        for row in mine:
            seen.update(_covered(row, expected))
        for slot in expected:
            if seen[slot] != 1:
                yield f"{job.name}: the slot {_iso(slot)} has {seen[slot]} rows"
        # A slot after `until` may have been decided before the schedule went; its moment must be right.
        later = set(job.due(case.anchors[job.name], until + 60 * SECOND) or ())
        for slot in seen.keys() - later:
            yield f"{job.name}: a row for {_iso(slot)}, when nothing was due"


def _covered(row: Row, expected: list[int]) -> list[int]:
    """The slots that a row stands for."""
    if (row["slot_count"] or 1) == 1:
        return [row["scheduled_at"]]
    inside = [slot for slot in expected if row["scheduled_at"] <= slot <= row["slot_last"]]
    return inside if len(inside) == row["slot_count"] else [row["scheduled_at"]]


def chains_go_on(case: Case) -> Iterator[str]:
    """A job that counts from the end of its last run has a slot soon after each end."""
    for job in case.jobs.values():
        if job.kind != "after" or case.until is None:
            continue
        slots = [r for r in case.evidence.runs.values() if r["job"] == job.name and r["schedule"] is not None]
        if not slots:
            yield f"{job.name}: never ran"
            continue
        for before, after in pairwise(slots):
            if before["state"] == "done" and after["scheduled_at"] < before["state_since"] - SECOND:
                yield f"{job.name}: run {after['id']} was due before run {before['id']} ended"
        last = slots[-1]
        if last["state"] == "done" and case.until - last["state_since"] > job.period * SECOND + 30 * SECOND:
            yield f"{job.name}: the chain broke after run {last['id']}"


def nothing_runs_twice(case: Case) -> Iterator[str]:
    starts = Counter(line.fence for line in case.lines if line.what == "start")
    ends = Counter(line.fence for line in case.lines if line.what == "end")
    for fence, count in starts.items():
        if count > 1:
            yield f"attempt {_name(fence)} started {count} times"
    for fence, count in ends.items():
        if count > 1 or not starts[fence]:
            yield f"attempt {_name(fence)} ended {count} times and started {starts[fence]} times"
    run_of_slot: dict[tuple[str, str], set[int]] = defaultdict(set)
    for line in case.lines:
        if line.slot is not None:
            run_of_slot[line.job, line.slot].add(line.run)
        if line.what == "clash":
            yield f"attempt {_name(line.fence)} of {line.job} began while another one was still at work"
    for (job, slot), runs in run_of_slot.items():
        if len(runs) > 1:
            yield f"{job}: the slot {slot} ran as runs {sorted(runs)}"


def attempts_follow_one_another(case: Case) -> Iterator[str]:
    """Of one run, an attempt begins only after the one before it was over and recorded."""
    newest: dict[int, int] = {}
    for line in case.lines:
        if line.attempt < newest.get(line.run, 0):
            yield f"attempt {_name(line.fence)} was at work after attempt {newest[line.run]} began"
        newest[line.run] = max(newest.get(line.run, 0), line.attempt)
    for (run, number), row in case.evidence.attempts.items():
        if (
            run in case.evidence.runs
            and number < case.evidence.runs[run]["attempt"]
            and row["ended_at"] is None
        ):
            yield f"attempt {run}.{number} is open though a later one exists"


def every_start_has_its_row(case: Case) -> Iterator[str]:
    for line in case.lines:
        row = case.evidence.attempts.get(line.fence)
        run = case.evidence.runs.get(line.run)
        if row is None or run is None:
            yield f"attempt {_name(line.fence)} of {line.job} is not in the history"
            continue
        if run["job"] != line.job:
            yield f"run {line.run} is of {run['job']}, the witness says {line.job}"
        slot = None if line.slot is None else round(datetime.fromisoformat(line.slot).timestamp() * SECOND)
        if run["scheduled_at"] != slot:
            yield f"run {line.run} has the slot {run['scheduled_at']}, the witness says {slot}"


def ends_are_true(case: Case) -> Iterator[str]:
    """A closed attempt says what the witness says: that it ran, and how it ended."""
    started = {line.fence for line in case.lines if line.what == "start"}
    ended = {line.fence: line.code for line in case.lines if line.what == "end"}
    for fence, row in case.evidence.attempts.items():
        if row["ended_at"] is None:
            continue
        said = f"attempt {_name(fence)} is recorded as {row['outcome']} ({row['cause']})"
        if fence[0] in case.lost:
            if row["outcome"] != "lost":
                yield f"{said}, but it was killed"
        elif row["outcome"] == "lost":
            yield f"{said}, though nothing but the daemon was ever killed: {row['detail']}"
        elif fence in ended:
            yield from _true_end(said, row, ended[fence])
            yield from _true_output(case, fence, ended[fence])
        elif row["outcome"] == "cancelled" and row["cause"] in _GIVEN_BACK and row["pid"] is None:
            if fence in started:
                yield f"{said}, but it did begin"
        elif _STOPS.get(row["cause"]) != row["outcome"]:
            yield f"{said}, but the witness saw no end of it"


def _true_end(said: str, row: Row, code: str) -> Iterator[str]:
    number = int(code.removeprefix("s"))
    exit_code, signal = (None, number) if code.startswith("s") else (number, None)
    if code == "143":
        exit_code, signal = None, 15
    if (row["exit_code"], row["signal"]) != (exit_code, signal):
        yield f"{said} with {row['exit_code']}/{row['signal']}, it ended with {code}"
    if _STOPS.get(row["cause"]) == row["outcome"]:
        return
    if row["outcome"] != ("succeeded" if code == "0" else "failed"):
        yield f"{said}, it ended with {code}"


def _true_output(case: Case, fence: Fence, code: str) -> Iterator[str]:
    output = case.evidence.outputs.get(fence)
    text = (output["body"] or b"").decode() if output else ""
    whole = f"begun {_name(fence)}\nover {_name(fence)} with {code}\n"
    if code == "143":
        # TERM may have come before or after it printed; the shell announces the end of its `sleep`.
        parts = (f"begun {_name(fence)}\n", "Terminated\n", f"over {_name(fence)} with ")
        whole = text if _consists_of(text, parts) else f"{parts[0]}..."
    if text != whole:
        yield f"attempt {_name(fence)} printed {whole!r}, the history has {text!r}"


def _consists_of(text: str, parts: tuple[str, ...]) -> bool:
    return all(any(line.startswith(part) for part in parts) for line in text.splitlines(keepends=True))


def runs_agree_with_their_attempts(case: Case) -> Iterator[str]:
    by_run: dict[int, list[Row]] = defaultdict(list)
    for (run, _), row in sorted(case.evidence.attempts.items()):
        by_run[run].append(row)
    for run in case.evidence.runs.values():
        attempts = by_run[run["id"]]
        name = f"run {run['id']} of {run['job']}"
        if [row["number"] for row in attempts] != list(range(1, run["attempt"] + 1)):
            yield f"{name} is at attempt {run['attempt']}, it has {[row['number'] for row in attempts]}"
        charged = sum(not _is_given_back(row) for row in attempts)
        if run["charged"] != charged:
            yield f"{name} was charged {run['charged']} attempts, its rows say {charged}"
        if run["state"] == "done":
            yield from _done_is_true(name, run, attempts[-1] if attempts else None)
            yield from _no_retry_forgotten(name, run)


def _is_given_back(row: Row) -> bool:
    return (
        row["ended_at"] is not None
        and row["cause"] in _GIVEN_BACK
        and row["outcome"] in ("cancelled", "lost")
    )


def _done_is_true(name: str, run: Row, last: Row | None) -> Iterator[str]:
    if run["outcome"] != "succeeded" and not (run["state_reason"] and run["detail"]):
        yield f"{name} is {run['outcome']} without a cause or without words for it"
    if run["outcome"] in ("succeeded", "failed", "timed_out"):
        if last is None:
            yield f"{name} is {run['outcome']} without an attempt"
        elif (run["outcome"], run["exit_code"], run["signal"]) != (
            last["outcome"],
            last["exit_code"],
            last["signal"],
        ):
            yield f"{name} is {run['outcome']}, its last attempt {last['outcome']}"
    if run["outcome"] == "skipped" and last is not None and not _is_given_back(last):
        yield f"{name} was skipped after it ran"


def _no_retry_forgotten(name: str, run: Row) -> Iterator[str]:
    if run["outcome"] in ("failed", "timed_out") and run["charged"] < run["max_attempts"]:
        yield f"{name} is {run['outcome']} after {run['charged']} of {run['max_attempts']} attempts"
    if run["charged"] > run["max_attempts"]:
        yield f"{name} used {run['charged']} of {run['max_attempts']} attempts"


def skips_have_true_causes(case: Case) -> Iterator[str]:
    for run in case.evidence.runs.values():
        if run["outcome"] != "skipped":
            continue
        name = f"run {run['id']} of {run['job']}"
        match run["state_reason"]:
            case "overlap":
                yield from _overlap_was_true(case, name, run)
            case "paused":
                if run["job"] not in case.acknowledged.paused:
                    yield f"{name} was skipped as paused; nobody paused the job"
            case "superseded" if case.jobs[run["job"]].overlap == "replace":
                pass
            case "removed" | "user" if case.is_over:
                pass
            case cause:
                yield f"{name} was skipped for {cause}, for which there was no reason: {run['detail']}"


def _overlap_was_true(case: Case, name: str, run: Row) -> Iterator[str]:
    match = re.match(r"run (\d+) of this job", run["detail"])
    other = case.evidence.runs.get(int(match[1])) if match else None
    if other is None or other["job"] != run["job"] or other["id"] >= run["id"]:
        yield f"{name} was skipped for an overlap with what is no earlier run of it: {run['detail']}"
    elif other["state"] == "done" and other["state_since"] < run["created_at"] - _NOTICED_WITHIN:
        yield f"{name} was skipped for run {other['id']}, which was over by then"


def limits_hold(case: Case) -> Iterator[str]:
    """Places of a queue, by the order of the witness's lines.

    An attempt that was killed has no end line; it holds its place until its
    end was recorded.
    """
    ended = {line.fence for line in case.lines if line.what == "end"}
    at_work: dict[str, set[Fence]] = defaultdict(set)
    for line in case.lines:
        run = case.evidence.runs.get(line.run)
        if run is None or line.what == "clash":
            continue
        held = at_work[run["queue"]]
        if line.what == "end":
            held.discard(line.fence)
            continue
        begun = case.evidence.attempts.get(line.fence)
        for other in [fence for fence in held if fence not in ended]:
            end = case.evidence.attempts.get(other, {}).get("ended_at")
            if begun is not None and end is not None and end <= (begun["started_at"] or begun["opened_at"]):
                held.discard(other)
        held.add(line.fence)
        limit = QUEUES.get(run["queue"])
        if limit is not None and len(held) > limit:
            yield f"{len(held)} at work in {run['queue']} (limit {limit}): {sorted(held)}"


def promises_are_kept(case: Case) -> Iterator[str]:
    runs = case.evidence.runs
    for run_id, (job, trigger) in case.acknowledged.runs.items():
        run = runs.get(run_id)
        if run is None or (run["job"], run["trigger"]) != (job, trigger):
            yield f"run {run_id} of {job} was acknowledged and is not in the history"
    for run_id in case.acknowledged.cancelled:
        state = runs[run_id]["state"] if run_id in runs else "not in the history"
        if state not in ("stopping", "done"):
            yield f"run {run_id} was to be cancelled, that was acknowledged, it is {state}"
    for new, old in case.acknowledged.retried.items():
        if new not in runs or runs[new]["retry_of"] != old:
            yield f"run {new}, the retry of {old}, was acknowledged and is not in the history"


def all_is_over(case: Case) -> Iterator[str]:
    if not case.is_over:
        return
    for run in case.evidence.runs.values():
        if run["state"] != "done":
            yield f"run {run['id']} of {run['job']} is left {run['state']}"
    for fence, row in case.evidence.attempts.items():
        if row["ended_at"] is None:
            yield f"attempt {_name(fence)} is left open"


CHECKS = (
    every_slot_has_one_row,
    chains_go_on,
    nothing_runs_twice,
    attempts_follow_one_another,
    every_start_has_its_row,
    ends_are_true,
    runs_agree_with_their_attempts,
    skips_have_true_causes,
    limits_hold,
    promises_are_kept,
    all_is_over,
)


def _name(fence: Fence) -> str:
    return f"{fence[0]}.{fence[1]}"


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / SECOND).astimezone().isoformat()
