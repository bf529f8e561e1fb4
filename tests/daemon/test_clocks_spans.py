"""Intervals, pauses, retries and spread starts when the clock is set: never a storm, never a stall."""

import itertools
from dataclasses import replace

import pytest
from daemon.clockworld import LATE, ClockWorld, cron_job, run_world, timed_job, world_of

from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND
from jobrun.domain.job import After, At, Every, RetryPolicy
from jobrun.domain.run import Delayed, Outcome, Trigger

START = 1_752_600_000 * SECOND + 123_456
STEPS = [SECOND, 5 * MINUTE, HOUR, 2 * HOUR + 59 * MINUTE, 4 * HOUR, DAY]
BOTH = [sign * step for step in STEPS for sign in (1, -1)]
PERIODS = {
    "ten seconds": (Every(10 * SECOND), 10 * SECOND),
    "two minutes": (Every(2 * MINUTE), 2 * MINUTE),
    "pause": (After(30 * SECOND), 30 * SECOND),
}


def real_starts(world: ClockWorld, job: str) -> list[int]:
    return [real for real, _, run in world.starts if run.job == job]


@pytest.mark.parametrize("by", BOTH)
def test_no_interval_stalls_or_storms_when_the_clock_is_set(by, tmp_path):
    """TRAPS, Time: after a step of -1 h a 10-second job stopped for good (APScheduler)."""
    jobs = [timed_job(name, when) for name, (when, _) in PERIODS.items()]
    jobs.append(cron_job("*/10 * * * * *"))
    periods = {name: period for name, (_, period) in PERIODS.items()} | {"*/10 * * * * *": 10 * SECOND}

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, jobs) as world:
            await world.pass_until(10 * MINUTE + 17 * SECOND)
            await world.step(by)
            await world.pass_until(25 * MINUTE)
            for name, period in periods.items():
                starts = real_starts(world, name)
                gaps = [later - before for before, later in itertools.pairwise(starts)]
                # One slot may fall into the step, and one come early by it.
                assert max(gaps) <= 2 * period + SECOND, name
                assert len(starts) <= 25 * MINUTE // period + 2, name
                assert all(two - one >= period - LATE for one, two in zip(starts, starts[2:], strict=False))

    run_world(live())


@pytest.mark.parametrize("when", [After(SECOND // 2), At(START + SECOND // 2), Every(SECOND // 2)])
def test_a_slot_that_passes_while_the_store_is_slow_is_not_forgotten(when, tmp_path):
    """TRAPS, Time: fires early or late, next is the same slot, stops for ever (bull#747); one lost link ends
    the chain (bullmq#2643)."""

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, [timed_job("j", when)]) as world:
            world.commit_takes = SECOND
            await world.pass_until(20 * SECOND)
            assert len(world.starts) >= (1 if isinstance(when, At) else 3)

    run_world(live())


def test_a_thousand_jobs_due_in_one_second_all_start(tmp_path):
    """TRAPS, Time: lateness judged again when the job begins dropped 7,840 of 10,000 due in one second, and
    a daemon with 10,000 jobs had to be filled one by one (APScheduler)."""

    async def live() -> None:
        jobs = [timed_job(f"j{number}", At(START + MINUTE + number * 1_000)) for number in range(1_000)]
        with world_of(tmp_path / "jobrun.db", START, jobs) as world:
            world.commit_takes = 3 * SECOND  # so that all but the first are late
            await world.pass_until(5 * MINUTE)
            assert {run.job for _, _, run in world.starts} == {job.name for job in jobs}
            assert not world.skips

    run_world(live())


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_an_interval_keeps_its_beat(by, tmp_path):
    """TRAPS, Time: `IntervalTrigger(days=1)` shifts by an hour at the spring change and stays there."""

    async def live() -> None:
        job = timed_job("beat", Every(7 * SECOND))
        with world_of(tmp_path / "jobrun.db", START, [job]) as world:
            await world.pass_until(MINUTE)
            await world.step(by)
            await world.pass_until(2 * MINUTE)
            slots = [run.slot.scheduled_at for _, _, run in world.starts]
            assert len({slot % (7 * SECOND) for slot in slots}) == 1

    run_world(live())


@pytest.mark.parametrize("by", BOTH)
def test_a_retry_waits_its_delay_whatever_the_clock_says(by, tmp_path):
    async def live() -> None:
        retry = RetryPolicy(attempts=2, delay=5 * MINUTE)
        with world_of(tmp_path / "jobrun.db", START, [cron_job("20 * * * *", retry=retry)]) as world:
            world.exit_code = lambda run: int(run.attempt == 1)
            while not world.starts:
                await world.pass_until(world.real + MINUTE)
            failed, _, _ = world.starts[0]
            await world.pass_until(failed + MINUTE)
            await world.step(by)
            await world.pass_until(failed + 6 * MINUTE)
            again = [real for real, _, run in world.starts if run.attempt == 2]
            assert len(again) == 1
            assert 0 <= again[0] - failed - 5 * MINUTE <= SECOND

    run_world(live())


def test_a_step_while_no_daemon_lives_is_known_at_the_next_start(tmp_path):
    """The cursors, the anchors and the last ends lie ahead of the clock: the daemon starts from now."""
    jobs = [timed_job("ten", Every(10 * SECOND)), timed_job("pause", After(30 * SECOND))]

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, jobs) as world:
            await world.pass_until(5 * MINUTE)
            before = len(world.starts)
            world.set -= HOUR
            world.boot()
            world.tell_of_a_clock_set_back()
            await world.pass_until(8 * MINUTE)
            after = [run.job for _, _, run in world.starts[before:]]
            assert after.count("ten") >= 17
            assert after.count("pause") >= 5
            assert [event.kind for event in world.events] == ["clock_stepped"]

    run_world(live())


@pytest.mark.parametrize("by", [2 * HOUR, 5 * HOUR, 40 * DAY])
def test_a_one_off_that_the_clock_jumped_over_runs_late(by, tmp_path):
    """As under at(1): the moment that somebody named has passed."""

    async def live() -> None:
        moment = START + HOUR
        with world_of(tmp_path / "jobrun.db", START, [timed_job("once", At(moment))]) as world:
            await world.pass_until(MINUTE)
            await world.step(by)
            await world.pass_until(3 * HOUR)
            assert [run.slot.scheduled_at for _, _, run in world.starts] == [moment]

    run_world(live())


@pytest.mark.parametrize("by", [-2 * HOUR, -5 * HOUR, -40 * DAY])
def test_a_one_off_never_runs_twice(by, tmp_path):
    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, [timed_job("once", At(START + MINUTE))]) as world:
            await world.pass_until(2 * MINUTE)
            await world.step(by)
            await world.pass_until(abs(by) + HOUR)
            assert len(world.starts) == 1

    run_world(live())


def test_a_spread_start_waits_its_span(tmp_path):
    async def live() -> None:
        job = cron_job("20 * * * *")
        spread = replace(job, schedules=(replace(job.schedules[0], random_delay=10 * MINUTE),))
        with world_of(tmp_path / "jobrun.db", START, [spread]) as world:
            while not world.book.runs:
                await world.pass_until(world.real + MINUTE)
            (run,) = world.book.runs.values()
            assert isinstance(run.status, Delayed)
            left = run.status.until - world.wall
            await world.step(-HOUR)
            begun = world.real
            await world.pass_until(begun + left + SECOND)
            assert [r.id for _, _, r in world.starts] == [run.id]

    run_world(live())


def test_every_slot_of_a_stepped_day_has_its_row(tmp_path):
    """Whatever is done to the clock, each slot of a pass is one row, and every row has an end."""

    async def live() -> None:
        jobs = [cron_job("*/15 * * * *"), cron_job("0 * * * *"), timed_job("e", Every(20 * MINUTE))]
        with world_of(tmp_path / "jobrun.db", START, jobs) as world:
            for by in (HOUR, -HOUR, -5 * MINUTE, 4 * HOUR, -DAY, 2 * HOUR, -SECOND):
                await world.pass_until(world.real + 40 * MINUTE + 7 * SECOND)
                await world.step(by)
            await world.pass_until(world.real + HOUR)
            assert not world.book.runs
            rows = [(run.job, run.slot) for _, _, run in world.starts] + [
                (run.job, run.slot) for run in world.skips
            ]
            assert len(rows) == len({(job, slot.scheduled_at, slot.clock_pass) for job, slot in rows})
            assert all(run.trigger in (Trigger.SCHEDULE, Trigger.CATCH_UP) for _, _, run in world.starts)
            assert all(run.status.outcome is Outcome.SKIPPED for run in world.skips)

    run_world(live())
