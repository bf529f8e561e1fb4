"""Slots that no daemon was there for: `catch_up`, its window, number and spread, `deadline`, one-offs.

The rules are the same whether the daemon was stopped, the host off or asleep,
or the process stopped by a signal; how little work they take is counted in
calls and rows, never in seconds.
"""

import signal
import time
from dataclasses import replace

import pytest
from daemon.clockworld import cron_job, run_world, timed_job, world_of
from live import until

from jobrun.domain import calendar
from jobrun.domain.daytimes import Daytimes
from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND
from jobrun.domain.job import At, CatchUp, Overlap
from jobrun.domain.run import Cause, Trigger

START = 1_752_600_030 * SECOND
QUIET = cron_job("*/10 * * * *", overlap=Overlap.QUEUE_ALL)


async def gone_for(world, span) -> None:
    """The daemon is away for a span, then the next one begins."""
    await world.pass_until(world.real + MINUTE)
    world.real += span
    world.boot()
    await world.settle()


def started(world):
    return [(run.slot.scheduled_at - START) // MINUTE for _, _, run in world.starts]


def counted(world):
    return sum(run.slot.count for run in world.skips)


@pytest.mark.parametrize(
    ("rules", "ran", "rows"),
    [
        ({}, [], 1),
        ({"catch_up": CatchUp.LATEST}, [109], 1),
        ({"catch_up": CatchUp.LATEST, "catch_up_window": 90 * SECOND}, [], 1),
        ({"catch_up": CatchUp.ALL, "catch_up_max": 3}, [89, 99, 109], 1),
        ({"catch_up": CatchUp.ALL, "catch_up_window": 20 * MINUTE}, [99, 109], 1),
        ({"catch_up": CatchUp.ALL}, list(range(9, 112, 10)), 0),
        ({"catch_up": CatchUp.ALL, "deadline": 10 * MINUTE}, [109], 10),
    ],
)
def test_catch_up_by_window_and_number(rules, ran, rows, tmp_path):
    """TRAPS, Time: refused for ever after 100 missed slots (Kubernetes #42649): a window and a maximum."""

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, [replace(QUIET, **rules)]) as world:
            await gone_for(world, 110 * MINUTE + 45 * SECOND)
            assert started(world) == ran
            assert len(world.skips) == rows
            assert counted(world) + len(ran) == 11
            assert all(run.trigger is Trigger.CATCH_UP for _, _, run in world.starts)
            late = {run.status.cause for run in world.skips}
            assert late == ({Cause.DEADLINE} if "deadline" in rules else {Cause.MISSED} if rows else set())

    run_world(live())


def test_spread_starts_one_after_the_other_and_survives_a_restart(tmp_path):
    async def live() -> None:
        rules = {"catch_up": CatchUp.ALL, "catch_up_max": 4, "catch_up_spread": 8 * MINUTE}
        with world_of(tmp_path / "jobrun.db", START, [replace(QUIET, **rules)]) as world:
            await gone_for(world, 110 * MINUTE + 45 * SECOND)
            begun = world.real
            await world.pass_until(begun + 3 * MINUTE)
            world.boot()
            await world.pass_until(begun + 7 * MINUTE)
            assert [round((real - begun) / MINUTE) for real, _, _ in world.starts] == [0, 2, 4, 6]

    run_world(live())


@pytest.mark.parametrize("text", ["* * * * *", "* * * * * *"])
def test_a_missed_month_is_one_row_for_a_bounded_number_of_questions(text, tmp_path, monkeypatch):
    """TRAPS, Time: catch-up enumerates every instant (2.6 million: 7.4 s, holding its lock)."""
    asked = []
    for owner, name in ((calendar, "cron_between"), (Daytimes, "last_before"), (Daytimes, "first_from")):
        real = getattr(owner, name, None)
        if real is not None:

            def counting(*args, real=real, **more):
                asked.append(1)
                return real(*args, **more)

            monkeypatch.setattr(owner, name, counting)

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", START, [cron_job(text)]) as world:
            await world.settle()
            world.real += 31 * DAY
            world.boot()
            before = world.book.last_run_id
            asked.clear()
            await world.settle()
            (stretch,) = world.skips
            seconds = 31 * DAY // SECOND
            fresh = len(world.starts)
            assert stretch.slot.count + fresh == (seconds // 60 if text == "* * * * *" else seconds)
            assert world.book.last_run_id - before == 1 + fresh
            assert fresh <= 61
            assert len(asked) < 2_000

    run_world(live())


@pytest.mark.parametrize("away", [30 * SECOND, 2 * HOUR, 40 * DAY])
def test_a_one_off_missed_runs_late_once(away, tmp_path):
    """TRAPS, Time: a one-off is deleted from a persistent store before it runs (APScheduler)."""

    async def live() -> None:
        job = timed_job("once", At(START + MINUTE + 10 * SECOND))
        with world_of(tmp_path / "jobrun.db", START, [job]) as world:
            await gone_for(world, away)
            assert len(world.starts) == 1
            world.boot()
            await world.pass_until(world.real + DAY)
            assert len(world.starts) == 1

    run_world(live())


def test_a_one_off_with_a_deadline_does_not_run_late(tmp_path):
    async def live() -> None:
        job = timed_job("once", At(START + 2 * MINUTE), deadline=15 * MINUTE)
        with world_of(tmp_path / "jobrun.db", START, [job]) as world:
            await gone_for(world, HOUR)
            (skip,) = world.skips
            assert skip.status.cause is Cause.DEADLINE
            assert not world.starts

    run_world(live())


def test_a_one_off_crashed_over_before_during_and_after(tmp_path):
    """The row and the moved cursor are one transaction: at each restart the slot is open, or has its row."""

    async def live() -> None:
        job = timed_job("once", At(START + 2 * MINUTE))
        with world_of(tmp_path / "jobrun.db", START, [job]) as world:
            for _ in range(12):
                world.boot()
                await world.pass_until(world.real + 20 * SECOND)
            assert len(world.starts) == 1
            assert not world.skips

    run_world(live())


def test_a_daemon_stopped_by_a_signal_goes_on_where_it_was(daemon):
    """SIGSTOP: slots of the meantime are fresh and start late; `test_clocks_watch` has the longer ones."""
    live = daemon('[jobs.tick]\nevery = "1s"\ncommand = "true"\noverlap = "queue_all"\n').start()
    until(lambda: [run for run in live.runs("tick") if run.attempt])
    live.signal(signal.SIGSTOP)
    stopped = live.runs("tick")[-1].slot.scheduled_at
    until(lambda: time.time() * SECOND > stopped + 2 * SECOND)
    live.signal(signal.SIGCONT)
    until(lambda: live.runs("tick")[-1].slot.scheduled_at > stopped + 3 * SECOND)
    moments = [run.slot.scheduled_at for run in live.runs("tick")]
    assert moments == list(range(moments[0], moments[-1] + SECOND, SECOND))
