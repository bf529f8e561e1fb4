"""The judge sees what it is there to see: a small true history, and every way to make it untrue."""

import copy
from collections.abc import Callable

import pytest
from torture.evidence import Evidence
from torture.judge import CHECKS, Acknowledged, Case, judge
from torture.roster import SECOND, TortureJob
from torture.witness import Line, parse

T0 = 1_800_000_000 * SECOND
JOBS = [
    TortureJob("tick", "every", period=1, lock="tick"),
    TortureJob("tries", "manual", attempts=2, codes="9,0", overlap="allow"),
    TortureJob("alone", "manual", overlap="queue_all", queue="single"),
    TortureJob("boot", "reboot"),
    TortureJob("chain", "after", period=1),
]
WITNESS = """\
1 1 tick 2027-01-15T08:00:01+00:00 start 100 -
1 1 tick 2027-01-15T08:00:01+00:00 end 100 0
3 1 tries - start 101 -
3 1 tries - end 101 9
4 1 alone - start 102 -
4 1 alone - end 102 143
3 2 tries - start 103 -
3 2 tries - end 103 0
5 1 boot 2027-01-15T08:00:00+00:00 start 104 -
5 1 boot 2027-01-15T08:00:00+00:00 end 104 s9
6 1 chain 2027-01-15T08:00:01+00:00 start 105 -
6 1 chain 2027-01-15T08:00:01+00:00 end 105 0
"""


def run(number: int, job: str, outcome: str, slot: int | None = None, **more) -> dict[str, object]:
    row = {
        "id": number,
        "job": job,
        "queue": "single" if job == "alone" else "default",
        "trigger": "manual" if slot is None else "schedule",
        "schedule": None if slot is None else "s",
        "scheduled_at": slot,
        "clock_pass": None if slot is None else 0,
        "slot_last": None,
        "slot_count": None if slot is None else 1,
        "state": "done",
        "state_since": T0 + 2 * SECOND,
        "state_reason": None if outcome == "succeeded" else "exit_code",
        "attempt": 1,
        "charged": 1,
        "max_attempts": 1,
        "retry_of": None,
        "created_at": T0 + SECOND,
        "outcome": outcome,
        "exit_code": 0 if outcome == "succeeded" else None,
        "signal": None,
        "detail": "" if outcome == "succeeded" else "words",
    }
    return row | more


def attempt(outcome: str, exit_code: int | None, cause: str | None, **more) -> dict[str, object]:
    row = {
        "opened_at": T0,
        "started_at": T0,
        "pid": 1,
        "ended_at": T0 + SECOND,
        "outcome": outcome,
        "cause": cause,
        "detail": "words",
        "exit_code": exit_code,
        "signal": None,
    }
    return row | more


def true_case() -> Case:
    runs = [
        run(1, "tick", "succeeded", T0 + SECOND),
        run(
            2,
            "tick",
            "skipped",
            T0 + 2 * SECOND,
            state_reason="overlap",
            detail="run 1 of this job is unfinished (running)",
            attempt=0,
            charged=0,
            exit_code=None,
        ),
        run(3, "tries", "succeeded", attempt=2, charged=2, max_attempts=2),
        run(4, "alone", "cancelled", state_reason="user", signal=15),
        run(5, "boot", "failed", T0, state_reason="signal", signal=9),
        run(6, "chain", "succeeded", T0 + SECOND),
    ]
    attempts = {
        (1, 1): attempt("succeeded", 0, None),
        (3, 1): attempt("failed", 9, "exit_code"),
        (3, 2): attempt("succeeded", 0, None),
        (4, 1): attempt("cancelled", None, "user", signal=15),
        (5, 1): attempt("failed", None, "signal", signal=9),
        (6, 1): attempt("succeeded", 0, None),
    }
    codes = {line.fence: line.code for line in lines() if line.what == "end"}
    outputs = {
        (number, tried): {
            "body": f"begun {number}.{tried}\nover {number}.{tried} with {code}\n".encode(),
            "path": None,
        }
        for (number, tried), code in codes.items()
        if code != "143"
    }
    return Case(
        evidence=Evidence(
            store_id="x",
            runs={row["id"]: row for row in runs},
            attempts={
                fence: {**row, "run_id": fence[0], "number": fence[1]} for fence, row in attempts.items()
            },
            outputs=outputs,
            schedules={},
            host_events=[],
            problems=[],
        ),
        lines=lines(),
        jobs={job.name: job for job in JOBS},
        anchors={"tick": T0},
        acknowledged=Acknowledged(runs={3: ("tries", "manual")}, cancelled={4}, retried={}, paused=set()),
        until=T0 + 2 * SECOND,
        is_over=True,
    )


def lines() -> list[Line]:
    return [parse(number, text) for number, text in enumerate(WITNESS.splitlines(), 1)]


def say(case: Case, text: str, at: int | None = None) -> None:
    line = parse(len(case.lines) + 1, text)
    case.lines.insert(len(case.lines) if at is None else at, line)


def put(case: Case, run_id: int, **values) -> None:
    case.evidence.runs[run_id].update(values)


def put_attempt(case: Case, fence: tuple[int, int], **values) -> None:
    case.evidence.attempts[fence].update(values)


LIES: dict[str, tuple[Callable[[Case], object], str]] = {
    "a lost slot": (lambda c: c.evidence.runs.pop(2), "has 0 rows"),
    "a slot with two rows": (
        lambda c: c.evidence.runs.update({9: run(9, "tick", "succeeded", T0 + SECOND, attempt=0, charged=0)}),
        "has 2 rows",
    ),
    "a slot that never was due": (lambda c: put(c, 2, scheduled_at=T0 + 1_500_000), "nothing was due"),
    "a second pass of a still clock": (lambda c: put(c, 2, clock_pass=1), "second pass"),
    "a boot without a run": (lambda c: put(c, 5, schedule=None), "0 rows for one boot"),
    "a broken chain": (lambda c: put(c, 6, state_since=T0 - 60 * SECOND), "chain broke"),
    "a second start": (lambda c: say(c, "3 2 tries - start 108 -"), "started 2 times"),
    "a second end": (lambda c: say(c, "3 2 tries - end 103 0"), "ended 2 times"),
    "a slot that ran in two runs": (
        lambda c: say(c, "2 1 tick 2027-01-15T08:00:01+00:00 start 9 -"),
        "ran as runs [1, 2]",
    ),
    "two at once of a limit-one job": (lambda c: say(c, "1 1 tick - clash 9 -"), "still at work"),
    "an attempt that outlived its next": (lambda c: c.lines.append(c.lines.pop(3)), "after attempt 2 began"),
    "an open attempt before another": (lambda c: put_attempt(c, (3, 1), ended_at=None), "is open though"),
    "a start without a row": (lambda c: say(c, "77 1 tick - start 1 -"), "not in the history"),
    "a wrong exit code": (lambda c: put_attempt(c, (3, 1), exit_code=0), "it ended with 9"),
    "a wrong outcome": (lambda c: put_attempt(c, (3, 1), outcome="succeeded"), "it ended with 9"),
    "an invented loss": (lambda c: put_attempt(c, (3, 1), outcome="lost"), "nothing but the daemon"),
    "an end nobody saw": (lambda c: c.lines.pop(1), "saw no end of it"),
    "given back though it began": (
        lambda c: (
            c.lines.pop(1),
            put_attempt(c, (1, 1), outcome="cancelled", cause="daemon_crash", pid=None),
        ),
        "but it did begin",
    ),
    "lost output": (lambda c: c.evidence.outputs.pop((3, 2)), "the history has ''"),
    "a forgotten retry": (
        lambda c: put(c, 3, outcome="failed", state_reason="exit_code", detail="x", charged=1),
        "after 1 of 2 attempts",
    ),
    "an attempt too many": (lambda c: put(c, 3, max_attempts=1), "used 2 of 1"),
    "a wrong count": (lambda c: put(c, 3, charged=1), "was charged 1"),
    "a decision without a cause": (lambda c: put(c, 2, state_reason=None), "without a cause"),
    "an overlap with nothing": (lambda c: put(c, 2, detail="run 99 of this job"), "no earlier run"),
    "an overlap with what was over": (
        lambda c: put(c, 1, state_since=T0 - 60 * SECOND),
        "which was over by then",
    ),
    "a pause nobody made": (lambda c: put(c, 2, state_reason="paused"), "nobody paused"),
    "a reason nobody gave": (lambda c: put(c, 2, state_reason="missed"), "there was no reason"),
    "a queue over its limit": (
        lambda c: (
            c.evidence.runs.update({8: run(8, "alone", "succeeded")}),
            c.evidence.attempts.update({(8, 1): attempt("succeeded", 0, None, run_id=8, number=1)}),
            say(c, "8 1 alone - start 9 -", at=5),
        ),
        "2 at work in single",
    ),
    "a broken promise": (
        lambda c: c.acknowledged.runs.update({42: ("tries", "manual")}),
        "was acknowledged and is not",
    ),
    "a forgotten stop": (lambda c: put(c, 4, state="running"), "was to be cancelled"),
    "a retry that is not there": (lambda c: c.acknowledged.retried.update({43: 3}), "the retry of 3"),
    "something left running": (lambda c: put(c, 3, state="running"), "is left running"),
    "an attempt left open": (lambda c: put_attempt(c, (3, 2), ended_at=None), "is left open"),
    "a damaged database": (lambda c: c.evidence.problems.append("page 7"), "damaged"),
}


def test_the_truth_passes():
    assert judge(true_case()) == []


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen(lie):
    tell, words = LIES[lie]
    case = copy.deepcopy(true_case())
    tell(case)
    found = judge(case)
    assert any(words in sentence for sentence in found), found


def test_every_check_can_fail():
    caught = set()
    for tell, _ in LIES.values():
        case = copy.deepcopy(true_case())
        tell(case)
        caught.update(check.__name__ for check in CHECKS if list(check(case)))
    assert caught == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize(
    ("job", "slots"),
    [
        (TortureJob("a", "every", period=2), [2, 4, 6]),
        (TortureJob("a", "cron", period=3, offset=1), [1, 4]),
        (TortureJob("a", "at", moment=1_800_000_005), [5]),
    ],
)
def test_the_yardstick_is_right(job, slots):
    assert list(job.due(T0, T0 + 6 * SECOND)) == [T0 + slot * SECOND for slot in slots]
