"""A pause after the last run counts from the same moment before a restart of the daemon and after it."""

import asyncio

import pytest
from daemon.test_engine import World

from jobrun.daemon.inbox import Happened, PlanRead, RunAsked, StopAsked
from jobrun.daemon.opening import book_of
from jobrun.domain import events as ev
from jobrun.domain.instants import MINUTE, SECOND
from jobrun.domain.job import After, Job, Overlap, Plan, Queue, Schedule, ShellCommand
from jobrun.domain.run import Exit

PAUSE = Schedule(key="p", when=After(MINUTE), timezone="UTC")
JOB = Job(name="job", body=ShellCommand("x"), schedules=(PAUSE,), overlap=Overlap.ALLOW, queue="two")
PLAN = Plan(jobs={"job": JOB}, queues={"two": Queue(name="two", concurrency=2)})


@pytest.mark.parametrize("case", ["the older run ends last", "a waiting run is cancelled"])
def test_a_restart_does_not_move_the_slot(tmp_path, case):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(PLAN))
        for _ in range(3 if "cancelled" in case else 2):
            world.engine.post(RunAsked(JOB, "manual", "me", world.reply()))
        await world.settle()
        older, newer = sorted(world.hands.alive)
        for fence in (older, newer):
            world.play_begin(fence)
        await world.settle()

        async def end(fence) -> None:
            world.time += 5 * SECOND
            world.engine.post(
                Happened(
                    fence.run_id, ev.Exited(world.time, Exit(ended_at=world.time, exit_code=0), 0.5), fence
                )
            )
            await world.settle()

        if "cancelled" in case:
            world.engine.admitting = False
            await end(newer)
            await end(older)
            world.time += 10 * SECOND
            world.engine.post(StopAsked((3,), "me", world.reply()))
            await world.settle()
        else:
            await end(newer)
            await end(older)
        before = world.book.base_for_after("job", "p")
        assert before is not None
        world.begin(book_of(world.ledger.load()))
        world.engine.post(PlanRead(PLAN))
        await world.settle()
        assert world.book.base_for_after("job", "p") == before

    asyncio.run(live())
