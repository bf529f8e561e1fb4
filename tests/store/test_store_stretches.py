"""A batch in few statements leaves what its facts would have left one by one, or is refused as they are."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.bothways import (
    ADMITTED,
    BEGAN,
    BEGUN,
    BEGUN_TWICE,
    CLOSED,
    CREATED,
    ELSEWHERE,
    ENDED,
    OPENED,
    PRINTED,
    RUN,
    SAID,
    STARTING,
    after,
    one_by_one,
    the_same_by_cutting,
    together,
)
from store.lives import AT, PROCESS, a_ledger, admitted, done, finished, queued, running

from jobrun.domain.events import (
    Admitted,
    DelayOver,
    Exited,
    GraceOver,
    HardLimit,
    NeverBegan,
    SoftLimit,
    Spawned,
    StopRequested,
    Vanished,
)
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Job, OnLost, RetryPolicy, ShellCommand
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Reported,
    RunCreated,
    RunMoved,
    ScheduleNext,
    SlotsDecided,
    StaleWrite,
)
from jobrun.domain.lifecycle import TABLE, step
from jobrun.domain.records import HostEvent, OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Cause, Exit, Fence, Queued
from jobrun.store.reader import History
from jobrun.store.stretches import statements_of

JOB = Job(
    name="backup", body=ShellCommand("true"), retry=RetryPolicy(attempts=9, delay=0), on_lost=OnLost.RETRY
)


def a_life(draw, number, length):
    """The facts of some events of one run, in order."""
    run = queued(number, max_attempts=9)
    facts, at = [RunCreated(run)], AT + 100 * SECOND
    for _ in range(length):
        at += 1
        events = [
            DelayOver(at),
            Admitted(at),
            Spawned(at, replace(PROCESS, pid=draw.randrange(2, 99999))),
            NeverBegan(at, Cause.DAEMON_CRASH, "given back"),
            SoftLimit(at),
            HardLimit(at),
            StopRequested(at, Cause.SHUTDOWN),
            GraceOver(at),
            Exited(at, Exit(ended_at=at, exit_code=draw.choice([0, 1, 1, 1])), 0.5),
            Exited(at, Exit(ended_at=at, exit_code=draw.choice([0, 1])), 0.5, began=Spawned(at - 1, PROCESS)),
            Vanished(at, Cause.HOST_CRASH, "the host went down"),
        ]
        possible = [event for event in events if (type(run.status), type(event)) in TABLE]
        if not possible:
            break
        taken = step(run, draw.choice(possible), JOB)
        if taken.after is not run:
            facts += [RunMoved(run, taken.after, taken.began), *taken.facts]
        if any(isinstance(fact, AttemptClosed) for fact in taken.facts):
            facts.append(OutputKept(run.fence, "out", 3, 0, b"abc"))
            facts.append(Reported(run.fence, Report(result=draw.choice(["3", None]))))
        run = taken.after
    return facts


def some_lives(draw, disturbed):
    """A few lives, each different; or many that are alike, so that one statement has many rows."""
    if draw.random() < 0.4:
        seed, length = draw.randrange(1 << 32), draw.randrange(8)
        return [a_life(random.Random(seed), number, length) for number in range(1, draw.randrange(6, 20))]
    runs = draw.randrange(1, 3 if disturbed else 5)
    return [a_life(draw, number, draw.randrange(12)) for number in range(1, runs + 1)]


def interleave(draw, lives):
    """All facts, those of each life in their order."""
    lives, facts = [list(life) for life in lives], []
    while any(lives):
        facts.append(draw.choice([life for life in lives if life]).pop(0))
    return facts


def disturb(draw, facts):
    """Something that a bug could do to the order: facts that change places, get lost, or come twice."""
    for _ in range(draw.randrange(1, 4)):
        first = draw.randrange(len(facts))
        second = min(first + draw.randrange(1, 5), len(facts) - 1)
        match draw.randrange(3):
            case 0:
                facts[first], facts[second] = facts[second], facts[first]
            case 1:
                del facts[first]
            case _:
                facts.insert(second, facts[first])
        if not facts:
            return
        if draw.random() < 0.3:
            # An event of another attempt, as if a fence had been mixed up.
            number = draw.randrange(len(facts))
            if isinstance(facts[number], AttemptStarted | AttemptClosed | AttemptOpened):
                facts[number] = replace(
                    facts[number], fence=Fence(facts[number].fence.run_id, draw.randrange(4))
                )
            elif isinstance(facts[number], RunMoved):
                before = replace(facts[number].before, attempt=draw.randrange(4))
                facts[number] = replace(facts[number], before=before)


def cut(draw, facts):
    batches, rest = [], list(facts)
    while rest:
        size = draw.choice([1, 3, 8, 100, 100])
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 1 << 32), disturbed=st.booleans())
def test_a_batch_means_its_facts_one_by_one(seed, disturbed):
    draw = random.Random(seed)
    facts = interleave(draw, some_lives(draw, disturbed))
    for _ in range(0 if disturbed else 2):
        facts.insert(draw.randrange(len(facts)), SlotsDecided("backup", "every 1s", AT + draw.randrange(9)))
        facts.insert(draw.randrange(len(facts)), ScheduleNext("backup", "every 1s", AT + draw.randrange(9)))
        facts.insert(draw.randrange(len(facts)), HostEvent(AT, "started", {"n": draw.randrange(9)}))
    if disturbed:
        disturb(draw, facts)
    batches = cut(draw, facts)
    expected, refused = after(one_by_one, batches)
    # Only what concerns the host and the schedules may be written before its turn.
    assert after(together, batches) == (expected, refused)
    if not disturbed:
        assert refused == []


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 32), disturbed=st.booleans())
def test_a_usual_piece_of_a_life_is_what_cutting_makes_of_it(seed, disturbed):
    draw = random.Random(seed)
    facts = a_life(draw, 1, draw.randrange(12))
    if disturbed:
        disturb(draw, facts)
    for first in range(len(facts)):
        for last in range(first, min(first + 7, len(facts))):
            the_same_by_cutting(facts[first : last + 1])


@pytest.mark.parametrize(
    "facts",
    [
        [CREATED, ADMITTED, OPENED, BEGUN, BEGUN_TWICE],
        [CREATED, ADMITTED, OPENED, CLOSED, BEGUN],
        [CREATED, ADMITTED, OPENED, CLOSED, CLOSED],
        [CREATED, ADMITTED, OPENED, OPENED],
        [CREATED, ADMITTED, BEGUN, OPENED],
        [CREATED, ADMITTED, PRINTED, OPENED],
        [CREATED, ADMITTED, SAID, OPENED],
        [CREATED, ADMITTED, OPENED, SAID, SAID],
        [CREATED, OPENED, ADMITTED],
        [CREATED, OPENED, ADMITTED, BEGUN],
        [CREATED, OPENED, BEGUN, ADMITTED],
        [CREATED, ADMITTED, OPENED, ELSEWHERE],
        [CREATED, ADMITTED, ELSEWHERE],
        [CREATED, ADMITTED, AttemptOpened(Fence(1, 2), AT)],
        [CREATED, ADMITTED, AttemptOpened(Fence(1, 2), AT), ELSEWHERE],
        [CREATED, ADMITTED, ADMITTED],
        [CREATED, BEGAN],
        [CREATED, CREATED],
        [ADMITTED, CREATED],
        [OPENED, CREATED],
        [PRINTED, CREATED],
        [CREATED, RunMoved(replace(RUN, attempt=3), STARTING)],
        [CREATED, ADMITTED, OPENED, BEGAN, BEGUN, ENDED, PRINTED, CLOSED, SAID],
    ],
    ids=lambda facts: " ".join(type(fact).__name__ for fact in facts),
)
def test_odd_orders_are_taken_or_refused_as_one_by_one(facts):
    assert after(together, [facts]) == after(one_by_one, [facts])
    for place in range(1, len(facts)):
        batches = [facts[:place], facts[place:]]
        assert after(together, batches) == after(one_by_one, batches)


def kinds(facts):
    """The statements of a batch: what they do to which table, and to how many rows."""
    return [
        (
            " ".join(word for word in statement.sql.split()[:3] if word not in ("INTO", "SET")),
            len(values) // statement.width,
        )
        for statement, values in statements_of(facts)
    ]


def test_a_run_that_is_created_and_admitted_is_two_rows():
    facts = []
    for number in range(1, 51):
        run = queued(number)
        starting = admitted(run)
        facts += [RunCreated(run), RunMoved(run, starting), AttemptOpened(starting.fence, AT)]
    assert kinds(facts) == [("INSERT runs", 50), ("INSERT attempts", 50)]


def test_a_call_that_begins_and_ends_is_two_changes_and_its_report():
    facts = []
    for number in range(1, 51):
        starting = admitted(queued(number))
        started = running(starting)
        _, _, _, _, _, ended, closed = finished(queued(number))
        facts += [RunMoved(starting, started), AttemptStarted(started.fence, PROCESS, AT + 1)]
        facts += [ended, closed, Reported(started.fence, Report(result="3"))]
    assert kinds(facts) == [("UPDATE runs", 50), ("UPDATE attempts", 50), ("INSERT reports", 50)]


def test_a_whole_life_in_one_batch_is_two_rows():
    assert kinds(finished(queued(1))) == [("INSERT runs", 1), ("INSERT attempts", 1)]


def test_when_it_started_is_known_of_a_run_that_started_and_ended_in_one_batch(tmp_path):
    ledger = a_ledger(tmp_path)
    run, late = queued(1), queued(2)
    starting = admitted(late)
    ledger.commit(
        [*finished(run), RunCreated(late), RunMoved(late, starting), AttemptOpened(Fence(2, 1), AT)]
    )
    started = running(starting)
    ledger.commit([RunMoved(starting, started), RunMoved(started, done(started))])
    with History(ledger._path) as history:
        assert [history.run(number).duration for number in (1, 2)] == [10, 10]
    ledger.close()


def test_an_attempt_that_is_given_back_and_begun_anew_in_one_batch_keeps_both(tmp_path):
    """The end of the first counts only while it is the run's current one."""
    ledger = a_ledger(tmp_path)
    facts = finished(queued(1))[:-2]
    started = facts[-2].after
    back = replace(started, status=Queued(AT + 40), charged=0)
    again = admitted(back)
    *_, closed = finished(queued(1))
    facts += [RunMoved(started, back), closed, RunMoved(back, again), AttemptOpened(again.fence, AT + 50)]
    ledger.commit(facts)
    with History(ledger._path) as history:
        assert [row.end is None for row in history.attempts(1)] == [False, True]
        assert history.run(1).run == again
        assert history.run(1).started_at is None
    late = AttemptClosed(Fence(1, 1), closed.end)
    with pytest.raises(StaleWrite, match="nothing there to write this to"):
        ledger.commit([RunMoved(again, running(again)), late])
    ledger.close()


def test_one_stale_fact_among_many_that_are_alike_is_named(tmp_path):
    ledger = a_ledger(tmp_path)
    runs = [queued(number) for number in range(1, 20)]
    ledger.commit([RunCreated(run) for run in runs])
    ledger.commit([RunMoved(runs[6], admitted(runs[6]))])
    with pytest.raises(StaleWrite, match="run 7 is starting in attempt 1, not queued in attempt 0"):
        ledger.commit([RunMoved(run, admitted(run)) for run in runs])
    assert [run.state for run in ledger.load().live].count("starting") == 1
    ledger.close()


def test_many_new_runs_are_written_as_one_by_one(tmp_path):
    """More than are written in one statement, plain ones and others among each other."""
    runs = [
        queued(number, has_slot=number % 7 == 0, at=AT + number, data="1" if number % 5 == 0 else None)
        for number in range(1, 61)
    ]
    places = tmp_path / "together", tmp_path / "alone"
    for place in places:
        place.mkdir()
    together, alone = map(a_ledger, places)
    together.commit([RunCreated(run) for run in runs])
    for run in runs:
        alone.commit([RunCreated(run)])
    assert together.load().live == alone.load().live == runs
    again = [*(queued(number, has_slot=False) for number in range(61, 91)), queued(30, has_slot=False)]
    with pytest.raises(StaleWrite, match="UNIQUE"):
        together.commit([RunCreated(run) for run in again])
    assert together.load().live == runs, "a batch is written wholly or not at all"
    for ledger in (together, alone):
        ledger.close()
