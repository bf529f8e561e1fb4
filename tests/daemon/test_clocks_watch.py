"""What the clock watch makes of the host's three clocks, and what the history keeps of it."""

import asyncio
import time

import pytest
from daemon.clockworld import cron_job, run_world, world_of

from jobrun.daemon.alarm import Alarm
from jobrun.daemon.clockwatch import STALL, TICK, ClockWatch, Reading, read_clocks
from jobrun.domain.instants import HOUR, MINUTE, SECOND
from jobrun.domain.job import CatchUp, Overlap
from jobrun.domain.run import Cause

WALL, BOOT, MONOTONIC = 1_752_600_000 * SECOND, 9_000 * SECOND, 5_000 * SECOND


class Watched:
    """A watch whose clocks a test sets, and what it told."""

    def __init__(self) -> None:
        self.clocks = Reading(WALL, BOOT, MONOTONIC)
        self.told: list[tuple] = []
        self.watch = ClockWatch(
            stepped=lambda before, after: self.told.append(("stepped", before, after)),
            suspended=lambda since, span: self.told.append(("suspended", since, span)),
            stalled=lambda since, span: self.told.append(("stalled", since, span)),
            tick=lambda: self.told.append(("tick",)),
            read=lambda: self.clocks,
        )

    def move(self, wall: int, boot: int, monotonic: int) -> list[tuple]:
        last = self.clocks
        self.clocks = Reading(last.wall + wall, last.boot + boot, last.monotonic + monotonic)
        self.told.clear()
        self.watch.compare()
        return list(self.told)


def test_an_ordinary_second_tells_nothing():
    watched = Watched()
    assert watched.move(SECOND, SECOND, SECOND) == []
    assert watched.move(SECOND + 500, SECOND, SECOND) == []  # NTP slews half a millisecond in a second


@pytest.mark.parametrize("by", [-SECOND, SECOND, -5 * MINUTE, 5 * MINUTE, -HOUR, HOUR])
def test_a_step_is_told_once_with_both_times(by):
    watched = Watched()
    assert watched.move(SECOND + by, SECOND, SECOND) == [("stepped", WALL + SECOND, WALL + SECOND + by)]
    assert watched.move(SECOND, SECOND, SECOND) == []


def test_a_suspend_is_no_step():
    watched = Watched()
    assert watched.move(HOUR + SECOND, HOUR + SECOND, SECOND) == [("suspended", WALL, HOUR)]


def test_a_clock_set_in_a_suspend_is_both():
    """The wall clock of some hosts is read from the hardware clock at resume."""
    watched = Watched()
    told = watched.move(2 * HOUR + SECOND, HOUR + SECOND, SECOND)
    assert told == [("suspended", WALL, HOUR), ("stepped", WALL + HOUR + SECOND, WALL + 2 * HOUR + SECOND)]


def test_a_late_tick_is_a_stall():
    watched = Watched()
    assert watched.move(STALL - 1, STALL - 1, STALL - 1) == []
    assert watched.move(STALL, STALL, STALL) == [("stalled", WALL + STALL - 1, STALL)]


def test_asking_for_the_time_tells_of_a_step_first():
    watched = Watched()
    watched.clocks = Reading(WALL - HOUR, BOOT, MONOTONIC)
    assert watched.watch.now() == WALL - HOUR
    assert watched.told == [("stepped", WALL, WALL - HOUR)]


def test_it_ticks_at_least_once_a_second_and_stops():
    async def live() -> None:
        watched = Watched()
        watched.watch.start()
        before = time.monotonic()
        while ("tick",) not in watched.told:
            assert time.monotonic() - before < 30
            await asyncio.sleep(0.01)
        watched.watch.stop()
        watched.told.clear()
        assert TICK <= 1.0
        await asyncio.sleep(0)
        assert watched.told == []

    asyncio.run(live())


def test_the_hosts_clocks_are_read_in_microseconds():
    reading = read_clocks()
    assert abs(reading.wall - time.time() * SECOND) < MINUTE
    assert reading.boot >= reading.monotonic - SECOND


@pytest.mark.parametrize("gap", ["sleep", "freeze"])
@pytest.mark.parametrize(("catch_up", "ran"), [("none", 0), ("latest", 1), ("all", 3)])
def test_suspend_and_a_stopped_daemon_follow_catch_up(gap, catch_up, ran, tmp_path):
    """TRAPS, Time: every persistent timer fires at once on resume (systemd #43464)."""
    kind = {"sleep": "suspended", "freeze": "stalled"}[gap]
    job = cron_job(
        "*/10 * * * *",
        catch_up=CatchUp(catch_up),
        catch_up_max=3,
        catch_up_spread=6 * MINUTE,
        overlap=Overlap.QUEUE_ALL,
    )

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", WALL + MINUTE, [job]) as world:
            await world.pass_until(2 * MINUTE)
            await getattr(world, gap)(2 * HOUR + MINUTE)
            assert [event.kind for event in world.events] == [kind]
            begun = world.real
            await world.pass_until(begun + 5 * MINUTE - SECOND)
            caught = [(real - begun, run) for real, _, run in world.starts]
            assert len(caught) == ran
            missed = [run for run in world.skips if run.status.cause is Cause.MISSED]
            assert sum(run.slot.count for run in missed) == 12 - ran
            assert len(missed) == (1 if ran < 12 else 0)
            distances = [round(real / MINUTE) for real, _ in caught]
            assert distances == [0, 2, 4][:ran]

    run_world(live())


def test_a_short_freeze_makes_nothing_late(tmp_path):
    """A slot is fresh for a minute: a daemon stopped for less simply starts it late."""

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", WALL, [cron_job("*/10 * * * *")]) as world:
            await world.pass_until(10 * MINUTE - SECOND)
            await world.freeze(50 * SECOND)
            assert [run.slot.scheduled_at for _, _, run in world.starts] == [WALL + 10 * MINUTE]
            assert not world.skips

    run_world(live())


def test_the_alarm_rings_at_once_for_a_slot_that_has_passed():
    """A slot that passed between the decision and its commit is the only one a one-off or a pause has."""

    async def live() -> None:
        passed = round(time.time() * SECOND) - 5 * SECOND
        rung: list[tuple[str, str]] = []
        alarm = Alarm(rung.append, lambda _where, after: passed if after < passed else None)
        alarm.start()
        alarm.arm(("j", "once"))
        before = time.monotonic()
        while not rung:
            assert time.monotonic() - before < 30
            await asyncio.sleep(0.01)
        alarm.stop()
        assert rung == [("j", "once")]

    asyncio.run(live())
