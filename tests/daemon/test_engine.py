"""The engine over a real store, with hands that only note what they are told.

Random histories of requests, starts, exits, lost messages, failing commits and crashes:
a queue's concurrency is never exceeded and never leaks a place, a job that may
not overlap never runs twice at once, and the store always says what memory says.
"""

import asyncio
import random
import tempfile
from pathlib import Path

import pytest
from daemon.journal import Journal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobrun.daemon.book import Book
from jobrun.daemon.due import Dues
from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import Happened, PlanRead, Recheck, RunAsked, StopAsked
from jobrun.daemon.opening import book_of
from jobrun.domain import events as ev
from jobrun.domain.errors import StoreTrouble
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Job, Overlap, Plan, Queue, RetryPolicy, ShellCommand
from jobrun.domain.records import OutputKept
from jobrun.domain.run import Cause, Exit, Fence, Outcome, ProcessIdentity
from jobrun.store.reader import History
from jobrun.store.writer import Ledger

JOBS = {
    job.name: job
    for job in (
        Job(name="skip", body=ShellCommand("x"), queue="narrow", overlap=Overlap.SKIP),
        Job(name="one", body=ShellCommand("x"), queue="narrow", overlap=Overlap.QUEUE_ONE),
        Job(name="all", body=ShellCommand("x"), queue="wide", overlap=Overlap.QUEUE_ALL),
        Job(name="replace", body=ShellCommand("x"), queue="wide", overlap=Overlap.REPLACE),
        Job(
            name="allow",
            body=ShellCommand("x"),
            queue="narrow",
            overlap=Overlap.ALLOW,
            retry=RetryPolicy(attempts=3, delay=0),
        ),
    )
}
LIMITS = {"narrow": 2, "wide": 3}
PLAN = Plan(jobs=JOBS, queues={name: Queue(name=name, concurrency=n) for name, n in LIMITS.items()})


class NotingHands:
    """Notes the effects; the test plays the processes."""

    def __init__(self) -> None:
        self.alive: dict[Fence, bool] = {}
        self.waiting: list[int] = []

    def settle(self) -> None: ...

    def carry_out(self, effect: ev.Effect) -> None:
        match effect:
            case ev.StartAttempt():
                assert effect.fence not in self.alive, "an attempt was started twice"
                self.alive[effect.fence] = False
            case ev.Forget():
                self.alive.pop(effect.fence, None)
            case ev.WakeAt():
                self.waiting.append(effect.run_id)


class NoAlarms:
    def arm(self, where) -> None: ...

    def disarm(self, where) -> None: ...


class World:
    """An engine, its store, and a clock that only moves when told."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.time = 1_800_000_000 * SECOND
        self.failing = False
        self.hands = NotingHands()
        self.bugs: list[dict[str, object]] = []
        self.begin(Book())

    def begin(self, book: Book) -> None:
        """A daemon's life begins, with what the store said."""
        self.book = book
        self.engine = Engine(
            self.book,
            Dues(self.book, "host"),
            commit=self._commit,
            now=lambda: self.time,
            draw=lambda: 0.5,
            log=Journal(self._log),
            pauses=(0.0,),
        )
        self.engine.hands, self.engine.alarms = self.hands, NoAlarms()

    async def die(self) -> None:
        """A crash between two batches: what was only in memory is gone; processes and the store are not."""
        self.begin(book_of(self.ledger.load()))
        self.engine.post(PlanRead(PLAN))
        self.hands.waiting = [run.id for run in self.book.runs.values() if run.state == "delayed"]
        for fence, is_at_work in list(self.hands.alive.items()):
            if not is_at_work:
                event = ev.NeverBegan(self.time, Cause.DAEMON_CRASH, "it never began")
                self.engine.post(Happened(fence.run_id, event, fence))
            elif self.book.runs[fence.run_id].state == "starting":
                self.play_begin(fence)

    def _log(self, event: str, **fields: object) -> None:
        if event == "engine.bug":
            self.bugs.append(fields)

    async def _commit(self, facts) -> None:
        if self.failing:
            self.failing = False
            raise StoreTrouble("The disk is full.")
        self.ledger.commit(facts)

    async def settle(self) -> None:
        """Let the engine work until its inbox is empty."""
        while len(self.engine.inbox):
            await self.engine._process(await self.engine.inbox.take())
        assert not self.bugs, self.bugs
        self._check()

    def _check(self) -> None:
        for queue, limit in LIMITS.items():
            assert self.book.busy_in(queue) <= limit
        for job in JOBS.values():
            with_process = [run for run in self.book.live_of(job.name) if run.has_process]
            if job.overlap is not Overlap.ALLOW:
                assert len(with_process) <= 1
        stored = {run.id: run for run in self.ledger.load().live}
        assert stored == self.book.runs
        assert set(self.hands.alive) == {r.fence for r in self.book.runs.values() if r.has_process}

    def reply(self):
        """A future whose refusal nobody needs to look at."""
        reply = asyncio.get_running_loop().create_future()
        reply.add_done_callback(lambda done: done.exception())
        return reply

    def play(self, number: int, rng: random.Random) -> None:
        """One random thing happens."""
        fences = list(self.hands.alive)
        self.time += rng.randrange(SECOND)
        if number < 4:
            job = rng.choice(list(JOBS.values()))
            self.engine.post(RunAsked(job, "manual", "me", self.reply()))
        elif number == 4 and self.book.runs:
            asked = tuple(rng.sample(sorted(self.book.runs), k=1))
            self.engine.post(StopAsked(asked, "me", self.reply()))
        elif number == 5 and fences:
            fence = rng.choice(fences)
            if not self.hands.alive[fence]:
                self.play_begin(fence)
        elif number in (6, 7) and fences:
            fence = rng.choice(fences)
            exit = Exit(ended_at=self.time, exit_code=rng.choice([0, 0, 1]))
            if self.hands.alive[fence]:
                self.engine.post(Happened(fence.run_id, ev.Exited(self.time, exit, 0.5), fence))
            elif number == 7:
                # It came and went before anybody was told.
                self.hands.alive[fence] = True
                ended = ev.Exited(self.time, exit, 0.5, began=self.began(fence))
                self.engine.post(Happened(fence.run_id, ended, fence))
        elif number == 8 and fences:
            # A message about an attempt that is long over: the fence must refuse it.
            fence = rng.choice(fences)
            stale = Fence(fence.run_id, fence.attempt + 7)
            exit = Exit(ended_at=self.time, exit_code=0)
            self.engine.post(Happened(fence.run_id, ev.Exited(self.time, exit, 0.5), stale))
        elif number == 9:
            self.failing = True
        elif number == 10 and self.hands.waiting:
            run_id = self.hands.waiting.pop()
            run = self.book.runs.get(run_id)
            if run is not None and run.state == "delayed":
                self.engine.post(Happened(run_id, ev.DelayOver(self.time)))

    async def drain(self) -> None:
        """Let everything that runs or waits come to its end."""
        rng = random.Random(0)
        for _ in range(10_000):
            if not self.book.runs:
                return
            for fence in list(self.hands.alive):
                self.play_out(fence)
            for _ in range(len(self.hands.waiting)):
                self.play(10, rng)
            self.engine.post(Recheck())
            await self.settle()
        raise AssertionError(f"never ended: {self.book.runs}")

    def began(self, fence: Fence) -> ev.Spawned:
        return ev.Spawned(self.time, ProcessIdentity(fence.run_id, fence.attempt, "boot"))

    def play_begin(self, fence: Fence) -> None:
        """The attempt's process exists."""
        self.hands.alive[fence] = True
        self.engine.post(Happened(fence.run_id, self.began(fence), fence))

    def play_out(self, fence: Fence) -> None:
        if not self.hands.alive[fence]:
            self.play_begin(fence)
        exit = Exit(ended_at=self.time, exit_code=0)
        self.engine.post(Happened(fence.run_id, ev.Exited(self.time, exit, 0.5), fence))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 11), min_size=20, max_size=150), st.integers(0, 1 << 32))
def test_no_history_breaks_the_limits_or_leaks_a_place(history, seed):
    """TRAPS, Processes: a stale worker frees its slot a second time (solid_queue PR 761)."""

    async def live() -> None:
        with tempfile.TemporaryDirectory() as directory:
            world = World(Path(directory) / "jobrun.db")
            world.engine.post(PlanRead(PLAN))
            await world.settle()
            rng = random.Random(seed)
            for number in history:
                if number == 11:
                    await world.die()
                world.play(number, rng)
                await world.settle()
            await world.drain()
            assert not world.hands.alive
            for queue in LIMITS:
                assert world.book.busy_in(queue) == 0
            world.ledger.close()

    asyncio.run(live())


def test_a_message_that_breaks_its_batch_is_dropped_alone(tmp_path):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(PLAN))
        await world.settle()
        good, bad = (asyncio.get_running_loop().create_future() for _ in range(2))
        world.engine.post(RunAsked(JOBS["skip"], "no such trigger", "me", bad))
        world.engine.post(RunAsked(JOBS["one"], "manual", "me", good))
        await world.engine._process(await world.engine.inbox.take())
        assert good.result()["state"] == "starting" or good.result()["state"] == "queued"
        assert "bug" in bad.exception().hint
        assert len(world.bugs) == 1

    asyncio.run(live())


def test_an_end_that_cannot_be_recorded_as_reported_is_an_end(tmp_path):
    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        world.engine.post(PlanRead(PLAN))
        world.engine.post(RunAsked(JOBS["allow"], "manual", "me", world.reply()))
        await world.settle()
        (fence,) = world.hands.alive
        world.engine.post(Happened(fence.run_id, ev.Spawned(1, ProcessIdentity(1, 1, "b")), fence))
        await world.settle()
        ended = ev.Exited(world.time, Exit(ended_at=2, exit_code=1 << 70), 0.5)
        printed = OutputKept(fence, "out", 4, body=b"said")
        world.engine.post(Happened(fence.run_id, ended, fence, (printed,)))
        while len(world.engine.inbox):
            await world.engine._process(await world.engine.inbox.take())
        assert len(world.bugs) == 1
        with History(tmp_path / "jobrun.db") as history:
            status = history.run(fence.run_id).run.status
            assert (status.outcome, status.detail) == (
                Outcome.LOST,
                "its end could not be recorded as reported",
            )
            assert history.outputs(fence.run_id) == [printed]
        assert not world.hands.alive

    asyncio.run(live())


def test_a_full_disk_starts_nothing_refuses_wishes_and_keeps_facts(tmp_path):
    """TRAPS, State: a retry whose scheduling failed because the log disk was full (Sidekiq)."""

    async def live() -> None:
        world = World(tmp_path / "jobrun.db")
        loop = asyncio.get_running_loop()
        world.engine.post(PlanRead(PLAN))
        reply = loop.create_future()
        world.engine.post(RunAsked(JOBS["allow"], "manual", "me", reply))
        await world.settle()
        (fence,) = world.hands.alive
        world.hands.alive[fence] = True
        world.engine.post(Happened(fence.run_id, ev.Spawned(1, ProcessIdentity(1, 1, "b")), fence))
        await world.settle()

        world.failing = True
        refused = loop.create_future()
        world.engine.post(RunAsked(JOBS["allow"], "manual", "me", refused))
        failed = Exit(ended_at=2, exit_code=1)
        world.engine.post(Happened(fence.run_id, ev.Exited(2, failed, 0.5), fence))
        await world.engine._process(await world.engine.inbox.take())
        assert isinstance(refused.exception(), StoreTrouble)
        assert world.engine.trouble is not None
        assert list(world.hands.alive) == [fence]
        await world.settle()
        assert world.engine.trouble is None
        assert world.hands.waiting == [fence.run_id]

    asyncio.run(live())
