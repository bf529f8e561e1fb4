"""A world whose clocks a test moves: the real engine, dues, clock watch and ledger; no real time passes.

The alarm here sleeps as the real one does: until the earliest moment by a
clock that nobody sets, and anew when it is told to look again. The watch
ticks every second; its ticks are played only where they can matter, around
the moments at which a test touches a clock.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

from daemon.journal import Journal

from jobrun.daemon.book import Book, Cursor
from jobrun.daemon.clockwatch import TICK, ClockWatch, Reading
from jobrun.daemon.due import Dues
from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import ClockSet, Happened, Noted, PlanRead, Recheck, SlotsDue
from jobrun.domain import events as ev
from jobrun.domain.definition import decode
from jobrun.domain.instants import SECOND, Duration, Instant
from jobrun.domain.job import After, At, Cron, Every, Job, Overlap, Plan, Schedule, ShellCommand
from jobrun.domain.ledger import Fact, RunCreated
from jobrun.domain.records import HostEvent
from jobrun.domain.run import Delayed, Done, Exit, ProcessIdentity, Run
from jobrun.domain.slots import ClockJump
from jobrun.store.writer import Ledger

TICK_SPAN: Duration = round(TICK * SECOND)
LATE: Duration = SECOND // 1000


def cron_job(text: str, zone: str = "UTC", **more) -> Job:
    """A job named after its cron text, that may run beside itself unless told otherwise."""
    return timed_job(text, Cron(text), zone, **more)


def timed_job(name: str, when: Cron | Every | After | At, zone: str = "UTC", **more) -> Job:
    schedule = Schedule(key=name, when=when, timezone=zone)
    return Job(
        name=name, body=ShellCommand("true"), schedules=(schedule,), **{"overlap": Overlap.ALLOW, **more}
    )


class Hands:
    """Starts are noted, and end at once unless told to last; delays ring by the world's clock."""

    def __init__(self, world: "ClockWorld") -> None:
        self.world = world
        self.delays: dict[int, Instant] = {}

    def settle(self) -> None: ...

    def carry_out(self, effect: ev.Effect) -> None:
        world = self.world
        if isinstance(effect, ev.WakeAt):
            self.delays[effect.run_id] = effect.at
        elif isinstance(effect, ev.StartAttempt):
            run = world.book.runs[effect.fence.run_id]
            world.starts.append((world.real, world.wall, run))
            process = ProcessIdentity(run.id, run.attempt, "boot")
            world.engine.post(Happened(run.id, ev.Spawned(world.wall, process), run.fence))
            exit = Exit(ended_at=world.wall, exit_code=world.exit_code(run))
            world.engine.post(Happened(run.id, ev.Exited(world.wall, exit, 0.5), run.fence))


class Alarms:
    """The alarm clock: one sleep by the monotonic clock until the earliest moment."""

    def __init__(self, world: "ClockWorld") -> None:
        self.world = world
        self.moments: dict[tuple[str, str], Instant] = {}
        self.wake_at: Instant | None = None

    def arm(self, where) -> None:
        moment = self.world.dues.next_at(where, 0)
        if moment is None:
            self.moments.pop(where, None)
        else:
            self.moments[where] = moment
        self.look_again()

    def disarm(self, where) -> None:
        self.moments.pop(where, None)

    def look_again(self) -> None:
        earliest = min(self.moments.values(), default=None)
        world = self.world
        self.wake_at = None if earliest is None else world.real + max(0, earliest - world.wall)

    def ring(self) -> None:
        for where, moment in list(self.moments.items()):
            if moment <= self.world.wall:
                del self.moments[where]
                self.world.engine.post(SlotsDue(*where))
        self.look_again()


class ClockWorld:
    """`real` counts the microseconds that really pass; the wall clock is `start + real + set`."""

    def __init__(self, path: Path | None, start: Instant, jobs: Sequence[Job] = ()) -> None:
        self.start, self.real, self.set, self.slept = start, 0, 0, 0
        self.path = path
        self.frozen = False
        self.commit_takes: Duration = 0
        self.ledger = None if path is None else Ledger(path)
        if self.ledger is not None:
            # No power fails here, and there are hundreds of simulated minutes to a second.
            self.ledger._connection.execute("PRAGMA synchronous = OFF")
        self.events: list[HostEvent] = []
        self.starts: list[tuple[int, Instant, Run]] = []
        self.skips: list[Run] = []
        self.exit_code: Callable[[Run], int] = lambda _run: 0
        self.plan = Plan(jobs={job.name: job for job in jobs})
        self.boot()

    @property
    def wall(self) -> Instant:
        return self.start + self.real + self.set

    def boot(self) -> None:
        """A daemon begins over what the ledger holds."""
        self.book = Book()
        if self.ledger is not None:
            snapshot = self.ledger.load()
            self.book.definitions = dict(snapshot.definitions)
            self.book.jobs_by_definition = {key: decode(body) for key, body in snapshot.bodies.items()}
            for run in snapshot.live:
                self.book.put(run)
            self.book.cursors = {
                where: Cursor(cursor.anchor, cursor.decided_until)
                for where, cursor in snapshot.cursors.items()
            }
            self.book.last_run_id = snapshot.last_run_id
            self.book.clock_pass = int(snapshot.meta.get("clock_pass", "0"))
            self.book.repeated_until = int(snapshot.meta.get("repeated_until", "0"))
            self.book.last_definition_id = snapshot.last_definition_id
            self.book.ended = dict(snapshot.last_ended)
            self.book.keep()
        self.watch = ClockWatch(
            stepped=self._stepped,
            suspended=lambda since, span: self._gap("suspended", since, span),
            stalled=lambda since, span: self._gap("stalled", since, span),
            tick=lambda: None,
            read=lambda: Reading(self.wall, self.real, self.real - self.slept),
        )
        self.dues = Dues(self.book, "host")
        self.engine = Engine(
            self.book,
            self.dues,
            commit=self._commit,
            now=self.watch.now,
            draw=lambda: 0.5,
            log=Journal(self._log),
        )
        self.hands, self.alarms = Hands(self), Alarms(self)
        self.engine.hands, self.engine.alarms = self.hands, self.alarms
        self.engine.post(PlanRead(self.plan))
        for run in self.book.runs.values():
            if isinstance(run.status, Delayed):
                self.hands.delays[run.id] = run.status.until
        self.engine.post(Recheck())

    def _log(self, event: str, **fields: object) -> None:
        assert event != "engine.bug", fields

    async def _commit(self, facts: Sequence[Fact]) -> None:
        self.real += self.commit_takes
        if self.ledger is not None:
            self.ledger.commit(facts)
        for fact in facts:
            if isinstance(fact, HostEvent) and fact.kind in ("clock_stepped", "suspended", "stalled"):
                self.events.append(fact)
            if isinstance(fact, RunCreated) and isinstance(fact.run.status, Done):
                self.skips.append(fact.run)

    def _stepped(self, before: Instant, after: Instant) -> None:
        self.engine.post_first(ClockSet(ClockJump(before, after)))
        self.alarms.look_again()

    def _gap(self, kind: str, since: Instant, span: Duration) -> None:
        if kind == "stalled" and not self.frozen:
            return  # A tick that was not played, because nothing could have come of it.
        self.engine.post_first(Noted(kind, {"since": since, "span": span}))
        self.engine.post(Recheck())
        self.alarms.look_again()

    def tell_of_a_clock_set_back(self) -> None:
        """What the service finds out at its start."""
        jump = self.dues.find_set_back(self.wall)
        if jump is not None:
            self.engine.post(ClockSet(jump))

    async def settle(self) -> None:
        while len(self.engine.inbox):
            await self.engine._process(await self.engine.inbox.take())

    async def pass_until(self, real: int) -> None:
        """Let real time pass, ringing what rings on the way."""
        await self.settle()
        while (coming := self._next()) is not None and coming <= real:
            self.real = max(self.real, coming) + LATE
            self.alarms.ring()
            for run_id, moment in list(self.hands.delays.items()):
                if moment <= self.wall:
                    del self.hands.delays[run_id]
                    self.engine.post(Happened(run_id, ev.DelayOver(self.wall)))
            await self.settle()
        self.real = max(self.real, real)

    def _next(self) -> int | None:
        moments = [self.real + max(0, moment - self.wall) for moment in self.hands.delays.values()]
        if self.alarms.wake_at is not None:
            moments.append(self.alarms.wake_at)
        return min(moments, default=None)

    async def tick(self) -> None:
        """The watch's next tick, and what comes of it."""
        await self.pass_until(self.real - self.real % TICK_SPAN + TICK_SPAN)
        self.watch.compare()
        await self.settle()

    async def step(self, by: Duration) -> None:
        """Somebody sets the clock, and the watch's tick comes right then."""
        self.watch.compare()
        self.set += by
        self.watch.compare()
        await self.settle()

    async def sleep(self, span: Duration) -> None:
        """The host is suspended."""
        self.watch.compare()
        self.real += span
        self.slept += span
        if self.alarms.wake_at is not None:
            self.alarms.wake_at += span
        await self.tick()

    async def freeze(self, span: Duration) -> None:
        """The daemon is stopped (SIGSTOP) and goes on later."""
        self.watch.compare()
        self.real += span
        self.frozen = True
        await self.tick()
        self.frozen = False


@contextmanager
def world_of(path: Path | None, start: Instant, jobs: Sequence[Job]):
    """A world for the length of a test."""
    world = ClockWorld(path, start, jobs)
    try:
        yield world
    finally:
        if world.ledger is not None:
            world.ledger.close()


def run_world(coroutine) -> None:
    asyncio.run(coroutine)
