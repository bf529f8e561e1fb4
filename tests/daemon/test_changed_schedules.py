"""A schedule that means other moments than before begins when it is read: it decides nothing of the past."""

import asyncio
from dataclasses import replace

import pytest
from daemon.test_engine import World

from jobrun.daemon.inbox import PlanRead, Recheck, SlotsDue
from jobrun.daemon.opening import book_of
from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND
from jobrun.domain.job import At, CatchUp, Cron, Every, Job, Overlap, Plan, Schedule, ShellCommand
from jobrun.store.reader import History

NOW = 1_800_000_000 * SECOND  # 08:00 UTC
EVERY = Schedule(key="every 10s", when=Every(10 * SECOND), timezone="UTC")
NAMED = Schedule(key="n", when=Cron("0 * * * *"), timezone="UTC")

CHANGES = {
    "not_before removed": (replace(EVERY, not_before=NOW + 900 * DAY), EVERY),
    "expires removed": (replace(EVERY, expires=NOW + SECOND), EVERY),
    "another cron of the same name": (
        replace(NAMED, when=Cron("30 20 * * *")),
        replace(NAMED, when=Cron("* * * * *")),
    ),
    "another zone": (
        Schedule(key="30 8 * * *", when=Cron("30 8 * * *"), timezone="Asia/Tokyo"),
        Schedule(key="30 8 * * *", when=Cron("30 8 * * *"), timezone="UTC"),
    ),
    "another period of the same name": (
        Schedule(key="n", when=Every(30 * DAY), timezone="UTC"),
        Schedule(key="n", when=Every(MINUTE), timezone="UTC"),
    ),
    "another moment of the same name": (
        Schedule(key="n", when=At(NOW + 9 * DAY), timezone="UTC"),
        Schedule(key="n", when=At(NOW + MINUTE), timezone="UTC"),
    ),
}


def plan_of(schedule: Schedule) -> Plan:
    job = Job(
        name="job",
        body=ShellCommand("x"),
        schedules=(schedule,),
        catch_up=CatchUp.ALL,
        catch_up_max=100,
        overlap=Overlap.ALLOW,
    )
    return Plan(jobs={"job": job})


def rows(world: World) -> list[int]:
    return [slot for (slot,) in world.ledger._connection.execute("SELECT scheduled_at FROM runs ORDER BY id")]


@pytest.mark.parametrize("how", ["by a reload", "while no daemon ran"])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_of_the_past_is_decided_by_it(tmp_path, change, how):
    before, after = CHANGES[change]

    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.time = NOW
        world.engine.post(PlanRead(plan_of(before)))
        await world.settle()
        world.time += HOUR - MINUTE // 2
        if how == "while no daemon ran":
            world.begin(book_of(world.ledger.load()))
        read = world.time
        world.engine.post(PlanRead(plan_of(after), last_seen=read))
        world.engine.post(Recheck())
        await world.settle()
        assert rows(world) == []
        world.time += 2 * MINUTE
        world.engine.post(SlotsDue("job", after.key))
        await world.settle()
        assert all(slot > read for slot in rows(world))
        assert bool(rows(world)) == (not isinstance(after.when, At) and "zone" not in change)
        assert world.bugs == []

    asyncio.run(live())


@pytest.mark.parametrize("how", ["by a reload", "while no daemon ran"])
def test_an_interval_of_the_same_period_keeps_its_beat(tmp_path, how):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.time = NOW + 3 * SECOND
        world.engine.post(PlanRead(plan_of(EVERY)))
        await world.settle()
        world.time += 25 * SECOND
        if how == "while no daemon ran":
            world.begin(book_of(world.ledger.load()))
        world.engine.post(PlanRead(plan_of(replace(EVERY, expires=NOW + DAY))))
        world.engine.post(Recheck())
        await world.settle()
        world.time += 6 * SECOND
        world.engine.post(SlotsDue("job", EVERY.key))
        await world.settle()
        expected = [13, 23, 33] if how == "by a reload" else [33]
        assert [(slot - NOW) // SECOND for slot in rows(world)] == expected

    asyncio.run(live())


def test_what_does_not_change_the_moments_changes_no_cursor(tmp_path):
    """A job edited while no daemon ran: what its same schedule missed is decided."""

    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.time = NOW
        world.engine.post(PlanRead(plan_of(EVERY)))
        await world.settle()
        world.time += 31 * SECOND
        world.begin(book_of(world.ledger.load()))
        plan = plan_of(replace(EVERY, spread=SECOND, timezone="Asia/Tokyo"))
        job = replace(plan.jobs["job"], body=ShellCommand("y"))
        world.engine.post(PlanRead(replace(plan, jobs={"job": job})))
        world.engine.post(Recheck())
        await world.settle()
        assert [(slot - NOW) // SECOND for slot in rows(world)] == [10, 20, 30]

    asyncio.run(live())


@pytest.mark.parametrize("gone", ["removed", "disabled"])
def test_a_schedule_that_comes_back_after_the_clock_was_set_back_goes_on(tmp_path, gone):
    """Its slots had their rows already: StaleWrite every second, and never again a run."""

    async def live() -> None:
        plan = plan_of(EVERY)
        world = World(tmp_path / "jobrun.db")
        reader = History(tmp_path / "jobrun.db")

        def begin() -> None:
            world.begin(book_of(world.ledger.load()))
            world.engine._dues._last_slot = reader.last_slot

        begin()
        world.time = NOW
        world.engine.post(PlanRead(plan))
        await world.settle()
        world.time += MINUTE
        world.engine.post(Recheck())
        await world.settle()
        job = replace(plan.jobs["job"], enabled=False)
        without = Plan(jobs={"job": job} if gone == "disabled" else {})
        world.engine.post(PlanRead(without))
        await world.settle()
        for number in range(2):
            world.time -= 30 * SECOND
            begin()
            world.engine.post(PlanRead(without))
            world.engine.post(PlanRead(plan))
            await world.settle()
            before = len(rows(world))
            for _ in range(3):
                world.time += 10 * SECOND
                world.engine.post(SlotsDue("job", EVERY.key))
                await world.settle()
            assert len(rows(world)) == before + 3, number
            world.engine.post(PlanRead(without))
            await world.settle()
        assert world.bugs == []
        reader.close()

    asyncio.run(live())
