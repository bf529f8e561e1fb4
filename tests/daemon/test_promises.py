"""What is answered is durable, and what came due is decided: between the engine's batches."""

import asyncio
from dataclasses import replace

from daemon.test_engine import JOBS, PLAN, World

from jobrun.daemon.inbox import Happened, PlanRead, RunAsked, StopAsked
from jobrun.domain import events as ev
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Every, Job, Plan, Schedule, ShellCommand
from jobrun.domain.run import Cause


def test_a_stop_between_intent_and_process_is_answered_when_it_is_durable(tmp_path):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(PLAN))
        for name in ("one", "all"):
            world.engine.post(RunAsked(JOBS[name], "manual", "me", world.reply()))
        await world.settle()
        running, starting = world.hands.alive
        world.play_begin(running)
        await world.settle()

        reply = world.reply()
        world.engine.post(StopAsked((running.run_id, starting.run_id), "me", reply))
        await world.settle()
        assert world.book.runs[running.run_id].state == "stopping"
        assert world.book.runs[starting.run_id].state == "starting"
        assert not reply.done()

        world.play_begin(starting)
        await world.settle()
        assert reply.result() == {"cancelled": [running.run_id, starting.run_id], "already_done": []}
        assert {run.state for run in world.ledger.load().live} == {"stopping"}

    asyncio.run(live())


def test_a_stop_of_what_turns_out_not_to_have_begun_ends_it(tmp_path):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(PLAN))
        world.engine.post(RunAsked(JOBS["one"], "manual", "me", world.reply()))
        await world.settle()
        (fence,) = world.hands.alive
        reply = world.reply()
        world.engine.post(StopAsked((fence.run_id,), "me", reply))
        world.engine.admitting = False
        event = ev.NeverBegan(world.time, Cause.SPAWN, "no more processes")
        world.engine.post(Happened(fence.run_id, event, fence))
        await world.settle()
        assert reply.result()["cancelled"] == [fence.run_id]
        assert world.ledger.load().live == []

    asyncio.run(live())


def test_a_reload_decides_first_what_came_due_under_the_plan_so_far(tmp_path):
    schedule = Schedule(key="every 10s", when=Every(10 * SECOND), timezone="UTC")
    ticking = Job(name="tick", body=ShellCommand("x"), schedules=(schedule,))

    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(Plan(jobs={"tick": ticking})))
        await world.settle()
        began = world.time
        world.time += 11 * SECOND
        # The alarm did not come round to ringing.
        still = replace(ticking, schedules=())
        world.engine.post(PlanRead(Plan(jobs={"tick": still})))
        await world.settle()
        (run,) = world.ledger.load().live
        assert run.slot.scheduled_at == began + 10 * SECOND

    asyncio.run(live())
