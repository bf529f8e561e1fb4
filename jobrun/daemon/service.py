"""The daemon's parts, wired together, from start to stop.

Every task here has a name and an owner: the engine, the housekeeping and a
reload under way belong to the service and end with it.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping
from typing import Any

from jobrun import __version__
from jobrun.conf.paths import Places
from jobrun.conf.read import JobFile
from jobrun.daemon.alarm import Alarm
from jobrun.daemon.answers import Answers
from jobrun.daemon.clockwatch import ClockWatch
from jobrun.daemon.control import Control
from jobrun.daemon.due import Dues
from jobrun.daemon.engine import Engine
from jobrun.daemon.faults import asked_for
from jobrun.daemon.hold import Hold
from jobrun.daemon.housekeeping import prune_for_ever
from jobrun.daemon.inbox import ClockSet, Happened, Noted, PlanRead, Recheck, SlotsDue
from jobrun.daemon.leftovers import drop_leftovers
from jobrun.daemon.lock import Lock
from jobrun.daemon.log import Log
from jobrun.daemon.notify import Notifier
from jobrun.daemon.opening import book_of, host_id, start_facts, until_planned
from jobrun.daemon.recovery import Host, recover
from jobrun.daemon.reloading import Reloader
from jobrun.daemon.shutdown import Shutdown, Stop
from jobrun.daemon.signals import listen
from jobrun.daemon.supervisor import Supervisor
from jobrun.daemon.timers import DelayTimers
from jobrun.daemon.workforce import build_workforce
from jobrun.daemon.writer import Writer
from jobrun.domain.events import DelayOver
from jobrun.domain.instants import DAY, Duration, Instant, seconds, to_iso
from jobrun.domain.job import Job, OnStop
from jobrun.domain.run import Delayed, Fence, Run
from jobrun.domain.slots import ClockJump
from jobrun.proc.cgroup import Delegated
from jobrun.proc.host import is_going_down, last_touch
from jobrun.proc.identity import boot_id
from jobrun.proc.tree import become_subreaper
from jobrun.store.reader import History
from jobrun.store.snapshot import Snapshot

# Not for secrets: it spreads retries and random delays.
_RANDOM = random.Random()


# Versions of definitions that no kept run refers to are forgotten after this long.
_OLD_DEFINITION = 90 * DAY
# How long a stopping daemon waits for a store in trouble, in seconds.
_LAST_WORDS = 5.0


def wall_clock() -> Instant:
    """The host's wall clock."""
    return time.time_ns() // 1000


class Service:
    """One daemon over one state directory."""

    def __init__(
        self,
        places: Places,
        job_file: JobFile,
        writer: Writer,
        log: Log,
        *,
        lock: Lock,
        on_stop: OnStop | None,
        cgroups: Delegated | None,
        environ: Mapping[str, str],
    ) -> None:
        self.started_at = wall_clock()
        self.pid = os.getpid()
        self.stopping = False
        self._places = places
        self._first_file = job_file
        self._writer = writer
        self._log = log
        self._lock = lock
        self._on_stop = on_stop
        self._cgroups = cgroups
        self._environ = environ
        self._notifier = Notifier()
        self._stop: Stop | None = None
        self._stop_asked: asyncio.Event
        self._refused: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault = asked_for(environ)

    async def serve(self) -> None:
        """Start everything, serve until told to stop, stop everything."""
        self._stop_asked = asyncio.Event()
        snapshot = self._writer.load(self.started_at - _OLD_DEFINITION)
        self._build(snapshot)
        self._listen_to_signals()
        engine = asyncio.create_task(self._engine.run(), name="engine")
        try:
            self._control.bind()
            await self._begin(snapshot)
            await self._stop_asked.wait()
            await self._end()
            if self._refused is not None:
                raise self._refused
        finally:
            engine.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(engine, *self._tasks, return_exceptions=True)
            # While a reader is open, the writer's end cannot fold the log into the database.
            self._history.close()

    def _build(self, snapshot: Snapshot) -> None:
        self._history = History(self._places.database)
        book = book_of(snapshot)
        book.listed = self._history.listed()
        dues = Dues(book, host_id(snapshot.store_id), self._history.last_slot)
        self._clock = ClockWatch(
            stepped=self._clock_stepped,
            suspended=self._clock_suspended,
            stalled=self._clock_stalled,
            tick=self._tick,
        )
        commit, fault = self._writer.commit, self._fault
        self._engine = engine = Engine(
            book,
            dues,
            commit=fault.around_commit(commit) if fault else commit,
            now=self._clock.now,
            draw=_RANDOM.random,
            log=self._log,
        )
        self._post_seen = fault.around_post(engine.post) if fault else engine.post
        self._dues = dues
        self._hold = Hold(engine, self._log)
        self._reloader = Reloader(
            self._places,
            self._first_file,
            engine,
            dues,
            notifier=self._notifier,
            status_line=self._status_line,
            reloaded=lambda: self._workforce.pools.recycle("the job files were read again"),
            environ=self._environ,
            now=wall_clock,
            log=self._log,
        )
        self._timers = DelayTimers(self._delay_over, wall_clock)
        self._workforce = build_workforce(
            engine,
            post=self._post_seen,
            host_trouble=self._starts_refused,
            places=self._places,
            store_id=snapshot.store_id,
            environ=self._environ,
            cgroups=self._cgroups,
            now=wall_clock,
            draw=_RANDOM.random,
            log=self._log,
        )
        self._supervisor = Supervisor(
            post=self._post_seen,
            look_up=self._look_up,
            hold=self._hold.hold,
            places=self._places,
            store_id=snapshot.store_id,
            environ=self._environ,
            cgroups=self._cgroups,
            timers=self._timers,
            workforce=self._workforce,
            now=wall_clock,
            draw=_RANDOM.random,
            log=self._log,
        )
        self._alarm = Alarm(lambda where: engine.post(SlotsDue(*where)), dues.next_at)
        engine.hands = fault.around_hands(self._supervisor) if fault else self._supervisor
        engine.alarms = self._alarm
        answer = Answers(engine, self._history, self._reloader, self).answer
        self._control = Control(
            self._places.socket,
            self._places.socket_link,
            fault.around_answer(answer) if fault else answer,
            self._log,
        )

    async def _begin(self, snapshot: Snapshot) -> None:
        self._passes("recovery.before")
        become_subreaper()
        self._alarm.start()
        engine, now = self._engine, wall_clock()
        this_boot = boot_id()
        has_booted = snapshot.meta.get("boot_id") != this_boot
        planned: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        planned.add_done_callback(self._planned)
        last_seen = last_touch(self._places.lock)
        engine.post(Noted("daemon_started", start_facts(self.pid, this_boot, last_seen)))
        booted = this_boot if has_booted else None
        engine.post(PlanRead(self._reloader.job_file.plan, planned, booted, last_seen))
        drop_leftovers(self._places, self._history, live := list(engine.book.runs.values()))
        adopted = recover(
            [(run, engine.book.job_of(run)) for run in live],
            self._supervisor,
            self._post_seen,
            Host(this_boot, snapshot.store_id, has_booted, now, _RANDOM.random),
        )
        if self._cgroups is not None:
            self._cgroups.drop_empty(run.fence for run in live)
        for run in live:
            if isinstance(run.status, Delayed):
                self._timers.wake_at(run.id, run.status.until)
        self._check_cursors(now)
        engine.post(Recheck())
        self._passes("recovery.after")
        await until_planned(planned, lambda: engine.trouble is not None)
        await self._control.start()
        self._passes("ready")
        self._clock.start()
        self._spawn(
            prune_for_ever(self._writer, engine.book, self._places, wall_clock, self._log), "housekeeping"
        )
        self._notifier.ready(self._status_line())
        self._log(
            "daemon.started",
            version=__version__,
            pid=self.pid,
            jobs=len(self._reloader.job_file.plan.jobs),
            cgroups=str(self._cgroups.path) if self._cgroups else None,
            adopted=adopted or None,
            config=str(self._places.config),
            state=str(self._places.state_dir),
        )

    def _planned(self, planned: "asyncio.Future[dict[str, object]]") -> None:
        """A daemon whose plan could not be taken over would do nothing, silently: it ends."""
        if not planned.cancelled() and (error := planned.exception()) is not None:
            self._refused = error
            self.stop(OnStop.LEAVE)

    def _check_cursors(self, now: Instant) -> None:
        jump = self._dues.find_set_back(now)
        if jump is not None:
            self._engine.post(ClockSet(jump))

    async def _end(self) -> None:
        stop = self._stop
        assert stop is not None
        self.stopping = True
        self._engine.admitting = False
        self._alarm.stop()
        self._notifier.stopping(f"stopping ({stop.mode})")
        self._log("daemon.stopping", mode=stop.mode, running=len(self._supervisor))
        self._workforce.pools.give_back_unbegun()
        self._passes("shutdown.begun")
        shutdown = Shutdown(
            self._engine,
            processes=self._supervisor.__len__,
            timeout=self._reloader.job_file.plan.settings.shutdown_timeout,
            now=wall_clock,
            log=self._log,
        )
        await shutdown.carry_through(stop)
        self._passes("shutdown.idle")
        await self._say_goodbye(stop)
        self._clock.stop()
        self._timers.stop()
        self._hold.stop()
        await self._control.stop()
        self._passes("shutdown.closed")
        await self._workforce.close()
        self._supervisor.let_go()
        self._log("daemon.stopped", left_running=self._count_running() or None)

    async def _say_goodbye(self, stop: Stop) -> None:
        """The last entry of this daemon; what was posted before it is durable when it is."""
        written: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._engine.post(Noted("daemon_stopped", {"mode": stop.mode.value, "pid": self.pid}, written))
        try:
            await asyncio.wait_for(written, _LAST_WORDS)
        except TimeoutError:
            self._log("store.trouble", error="the store is still in trouble; the next daemon will recover")

    def _passes(self, point: str) -> None:
        if self._fault is not None:
            self._fault.passes(point)

    def stop(self, mode: OnStop | None) -> None:
        """Begin to stop, or go on in another way. `mode` None: the configured way, or as it is."""
        if self._stop is None:
            mode = mode or self._on_stop or self._reloader.job_file.plan.settings.on_stop
            self._stop = Stop(mode)
            self._stop_asked.set()
        elif mode is None or self._stop.has_forced:
            return
        if mode is OnStop.LEAVE and is_going_down(self._environ):
            # What is left to run now would be ended by systemd a moment later, and count as its own failure.
            mode = OnStop.KILL
        if mode is not self._stop.mode:
            self._stop.mode = mode
            self._log("daemon.stop_changed", mode=mode)

    def _stop_by_signal(self) -> None:
        again = self._stop is not None
        self.stop(None)
        assert self._stop is not None
        self._stop.signals += 1
        if again:
            self._log("daemon.stop_again", signals=self._stop.signals)

    def spawn_trouble(self) -> str:
        """Why no process can be started just now, or an empty text."""
        return self._hold.trouble

    def workers(self) -> list[dict[str, Any]]:
        """The warm workers there are, in the words of the control socket."""
        return self._workforce.describe()

    def _listen_to_signals(self) -> None:
        self._signals = [
            listen(signal.SIGTERM, self._stop_by_signal),
            listen(signal.SIGINT, self._stop_by_signal),
            listen(signal.SIGHUP, self._reload_soon),
        ]

    def _reload_soon(self) -> None:
        self._spawn(self._reloader.reload_unasked(), "reload")

    def _tick(self) -> None:
        self._supervisor.tick()
        self._workforce.watch.tick()
        self._notifier.status(self._status_line())
        self._timers.look_again()
        self._lock.touch(self._log)
        self._log.catch_up()
        for look in self._signals:
            look()
        if not self._control.is_reachable():
            self._spawn(self._control.restart(), "control restart")
        if self._engine.trouble is None and self._reloader.has_changed_files():
            self._reload_soon()

    def _clock_stepped(self, before: Instant, after: Instant) -> None:
        self._engine.post_first(ClockSet(ClockJump(before, after)))
        self._look_again()

    def _clock_suspended(self, since: Instant, asleep: Duration) -> None:
        self._noted_gap("suspended", since, asleep)

    def _clock_stalled(self, since: Instant, late: Duration) -> None:
        self._noted_gap("stalled", since, late)

    def _noted_gap(self, kind: str, since: Instant, span: Duration) -> None:
        detail: dict[str, Any] = {"since": to_iso(since), "seconds": round(seconds(span), 3)}
        self._engine.post_first(Noted(kind, detail))
        self._log(f"clock.{kind}", **detail)
        self._engine.post(Recheck())
        self._look_again()

    def _look_again(self) -> None:
        self._alarm.look_again()
        self._timers.look_again()

    def _starts_refused(self, why: str) -> None:
        self._supervisor.hold_starts(why)

    def _look_up(self, fence: Fence) -> tuple[Run, Job] | None:
        run = self._engine.book.runs.get(fence.run_id)
        if run is None or run.attempt != fence.attempt:
            return None
        return run, self._engine.book.job_of(run)

    def _delay_over(self, run_id: int) -> None:
        run = self._engine.book.runs.get(run_id)
        if run is not None and isinstance(run.status, Delayed):
            self._engine.post(Happened(run_id, DelayOver(wall_clock())))

    def _spawn(self, work: "object", name: str) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log("task.bug", level="error", task=task.get_name(), exc_info=error)

    def _count_running(self) -> int:
        return self._engine.book.at_work

    def _status_line(self) -> str:
        return f"{len(self._reloader.job_file.plan.jobs)} jobs, {self._count_running()} running"
