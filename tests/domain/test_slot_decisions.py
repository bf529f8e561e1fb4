"""What becomes of due slots: fresh, missed, paused, late, jumped over; and the overlap rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND
from jobrun.domain.job import CatchUp, Job, Overlap, ShellCommand
from jobrun.domain.overlap import Proceed, ReplaceRuns, SkipSlot, decide_overlap
from jobrun.domain.run import (
    Cause,
    Delayed,
    DelayReason,
    ProcessIdentity,
    Queued,
    Run,
    Running,
    Trigger,
)
from jobrun.domain.slots import ClockJump, Due, decide_slots

NOW = 1_800_000_000 * SECOND
JOB = Job(name="j", body=ShellCommand("true"))


def due(*moments, unnamed=0, fixed=True) -> Due:
    first = moments[0] - unnamed * MINUTE
    return Due(first, moments[-1], len(moments) + unnamed, moments, fixed)


def decide(job, what, **more):
    return decide_slots(job, "0 3 * * *", what, NOW, **more)


def test_a_fresh_slot_starts():
    (decision,) = decide(JOB, due(NOW))
    assert (decision.start_at, decision.cause, decision.trigger) == (NOW, None, Trigger.SCHEDULE)


def test_late_by_milliseconds_is_not_late():
    """TRAPS, Time: "does this minute match now" loops lose a slot when the loop is late."""
    (decision,) = decide(JOB, due(NOW - 400_000))
    assert decision.cause is None


def test_a_missed_slot_is_recorded_and_not_run_by_default():
    (decision,) = decide(JOB, due(NOW - HOUR))
    assert (decision.cause, decision.start_at) == (Cause.MISSED, None)
    assert "catch_up is none" in decision.detail


def test_a_long_missed_stretch_is_one_row():
    stretch = due(NOW - 2 * MINUTE, unnamed=43_000)
    (decision,) = decide(JOB, stretch)
    assert (decision.slot.scheduled_at, decision.slot.last, decision.slot.count) == (
        stretch.first,
        stretch.last,
        43_001,
    )


def test_latest_runs_the_newest_missed_slot_only():
    job = replace(JOB, catch_up=CatchUp.LATEST)
    decisions = decide(job, due(NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR))
    assert [d.cause for d in decisions] == [Cause.MISSED, None]
    assert decisions[0].slot.count == 2
    assert decisions[1].slot.scheduled_at == NOW - HOUR
    assert decisions[1].trigger is Trigger.CATCH_UP


def test_latest_runs_nothing_late_beside_a_fresh_slot():
    job = replace(JOB, catch_up=CatchUp.LATEST)
    decisions = decide(job, due(NOW - HOUR, NOW))
    assert [(d.slot.scheduled_at, d.cause) for d in decisions] == [
        (NOW - HOUR, Cause.MISSED),
        (NOW, None),
    ]


def test_all_runs_the_newest_within_window_and_number_spread_out():
    job = replace(
        JOB,
        catch_up=CatchUp.ALL,
        catch_up_window=DAY,
        catch_up_max=2,
        catch_up_spread=10 * MINUTE,
    )
    moments = [NOW - 2 * DAY, NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR]
    decisions = decide(job, due(*moments))
    assert [d.slot.scheduled_at for d in decisions if d.cause is None] == moments[2:]
    assert [d.start_at for d in decisions if d.cause is None] == [NOW, NOW + 5 * MINUTE]
    assert decisions[0].slot.count == 2


def test_a_paused_job_records_its_slots():
    (decision,) = decide(JOB, due(NOW - HOUR, NOW), paused="paused by ann since noon")
    assert (decision.cause, decision.slot.count) == (Cause.PAUSED, 2)


def test_a_deadline_refuses_what_is_too_late():
    job = replace(JOB, catch_up=CatchUp.LATEST, deadline=15 * MINUTE)
    (decision,) = decide(job, due(NOW - HOUR))
    assert decision.cause is Cause.DEADLINE
    assert "1h late" in decision.detail


def test_a_step_forward_of_up_to_three_hours_runs_fixed_times_once():
    jump = ClockJump(NOW - 2 * HOUR, NOW)
    fixed = decide(JOB, due(NOW - HOUR, fixed=True), jump=jump)
    assert [d.cause for d in fixed] == [None]
    wild = decide(JOB, due(NOW - HOUR, fixed=False), jump=jump)
    assert [d.cause for d in wild] == [Cause.MISSED]
    assert "set forward" in wild[0].detail


def test_a_larger_step_is_a_correction():
    jump = ClockJump(NOW - 4 * HOUR, NOW)
    decisions = decide(replace(JOB, catch_up=CatchUp.ALL), due(NOW - HOUR), jump=jump)
    assert [d.cause for d in decisions] == [Cause.MISSED]


def test_a_small_step_forward_is_a_late_wake_up():
    jump = ClockJump(NOW - 4 * MINUTE, NOW)
    moments = [NOW - 3 * MINUTE, NOW - 2 * MINUTE]
    assert [d.cause for d in decide(JOB, due(*moments, fixed=False), jump=jump)] == [None, None]
    every_second = tuple(NOW - n * SECOND for n in range(200, 61, -1))
    assert {d.cause for d in decide(JOB, due(*every_second, fixed=False), jump=jump)} == {Cause.MISSED}


def test_three_hours_exactly_is_a_correction_forward_and_none_back():
    assert ClockJump(NOW, NOW + 3 * HOUR).is_correction
    assert not ClockJump(NOW, NOW + 3 * HOUR - 1).is_correction
    assert not ClockJump(NOW, NOW - 3 * HOUR).is_correction
    assert ClockJump(NOW, NOW - 3 * HOUR - 1).is_correction


@given(
    st.lists(st.integers(0, 3 * DAY // SECOND), min_size=1, max_size=80, unique=True),
    st.integers(0, 10_000),
    st.sampled_from(CatchUp),
    st.integers(0, 20),
    st.booleans(),
)
def test_every_slot_is_decided_exactly_once(ages, unnamed, catch_up, most, paused):
    moments = tuple(sorted(NOW - age * SECOND for age in ages))
    if all(moment >= NOW - MINUTE for moment in moments):
        unnamed = 0
    job = replace(JOB, catch_up=catch_up, catch_up_max=most)
    what = Due(moments[0] - unnamed, moments[-1], len(moments) + unnamed, moments, True)
    decisions = decide(job, what, paused="paused" if paused else None)
    assert sum(d.slot.count for d in decisions) == what.count
    assert [d.slot.scheduled_at for d in decisions] == sorted({d.slot.scheduled_at for d in decisions})
    assert all((d.cause is None) == (d.start_at is not None) for d in decisions)
    if catch_up is CatchUp.NONE and not paused:
        assert all(d.slot.scheduled_at >= NOW - MINUTE for d in decisions if d.cause is None)


def live(run_id, status=None) -> Run:
    return Run(
        id=run_id,
        job="j",
        queue="default",
        definition_id=1,
        trigger=Trigger.SCHEDULE,
        status=status or Running(ProcessIdentity(1, 2, "b"), 3),
        created_at=1,
    )


@pytest.mark.parametrize(
    ("rule", "unfinished", "expected"),
    [
        (Overlap.SKIP, [], Proceed),
        (Overlap.SKIP, [live(1)], SkipSlot),
        (Overlap.SKIP, [live(1, Queued(1))], SkipSlot),
        (Overlap.ALLOW, [live(1)], Proceed),
        (Overlap.QUEUE_ALL, [live(1), live(2, Queued(1))], Proceed),
        (Overlap.QUEUE_ONE, [live(1)], Proceed),
        (Overlap.QUEUE_ONE, [live(1), live(2, Queued(1))], SkipSlot),
        (Overlap.REPLACE, [live(1), live(2, Queued(1))], ReplaceRuns),
        (Overlap.SKIP, [live(1, Delayed(9, DelayReason.RETRY))], SkipSlot),
        (Overlap.SKIP, [live(1, Delayed(9, DelayReason.SPREAD))], SkipSlot),
        (Overlap.SKIP, [live(1, Delayed(9, DelayReason.REQUESTED))], Proceed),
        (Overlap.QUEUE_ONE, [live(1), live(2, Delayed(9, DelayReason.REQUESTED))], Proceed),
        (Overlap.REPLACE, [live(1, Delayed(9, DelayReason.REQUESTED))], Proceed),
    ],
)
def test_overlap(rule, unfinished, expected):
    decision = decide_overlap(rule, unfinished)
    assert isinstance(decision, expected)
    if isinstance(decision, SkipSlot):
        assert "run " in decision.detail
    if isinstance(decision, ReplaceRuns):
        assert decision.runs == (1, 2)
