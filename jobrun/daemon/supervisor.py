"""The supervisor: starts attempts, watches them, and ends them when the engine says so.

It decides nothing. What it sees (a start, an exit, a limit that passed) it
posts to the engine with the attempt's fence; what the engine decided comes
back as effects. An attempt's working files stay until its end is durable.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from jobrun.conf.paths import Places
from jobrun.daemon.calls import reported
from jobrun.daemon.inbox import Happened, Nudge
from jobrun.daemon.timers import DelayTimers
from jobrun.daemon.workforce import Workforce
from jobrun.domain.events import (
    ArmLimits,
    Effect,
    Exited,
    Forget,
    GraceOver,
    HardLimit,
    KillTree,
    NeverBegan,
    RunEvent,
    SendSignal,
    SoftLimit,
    Spawned,
    SpawnFailed,
    StartAttempt,
    Terminate,
    WakeAt,
)
from jobrun.domain.instants import SECOND, Duration, Instant
from jobrun.domain.job import Job, OutputMode, PythonCall, is_warm
from jobrun.domain.records import OutputKept
from jobrun.domain.retry import signal_number
from jobrun.domain.run import Cause, Fence, Run
from jobrun.proc.account import owner_of
from jobrun.proc.cgroup import AttemptCgroup, Delegated
from jobrun.proc.files import AttemptFiles, attempt_files, never_began
from jobrun.proc.identity import age
from jobrun.proc.output import drop_files, keep_output
from jobrun.proc.regular import take_odd
from jobrun.proc.script import SH
from jobrun.proc.spawn import Child, SpawnRefused, start
from jobrun.proc.spec import Marker, attempt_spec
from jobrun.proc.spool import drop_worker_files, mark_stop, read_said, worker_of, worker_status
from jobrun.proc.tree import kill_tree, reap_strangers, signal_main, signal_tree, sweep

_KILL_AGAIN = 1.0
_FIRST_HOLD = 0.5
_LONGEST_HOLD = 30.0


@dataclass(slots=True)
class _Watch:
    """One attempt under supervision. `escaped` counts the processes a stop met outside the leader's group."""

    run: Run
    job: Job
    files: AttemptFiles
    child: Child
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    outputs: tuple[OutputKept, ...] = ()
    escaped: int = 0
    ended: bool = False


class Supervisor:
    """Carries out effects on processes. Lives in the loop's thread."""

    def __init__(
        self,
        *,
        post: Callable[[Happened | Nudge], None],
        look_up: Callable[[Fence], tuple[Run, Job] | None],
        hold: Callable[[float, str], None],
        places: Places,
        store_id: str,
        environ: Mapping[str, str],
        cgroups: Delegated | None,
        timers: DelayTimers,
        workforce: Workforce,
        now: Callable[[], Instant],
        draw: Callable[[], float],
        log: Callable[..., None],
    ) -> None:
        self._post = post
        self._look_up = look_up
        self._hold = hold
        self._places = places
        self._store_id = store_id
        self._environ = environ
        self._cgroups = cgroups
        self._timers = timers
        self._now = now
        self._draw = draw
        self._log = log
        self._watches: dict[Fence, _Watch] = {}
        self._limits = workforce.limits
        self._calls = workforce.calls
        self._pools = workforce.pools
        self._orphaned: dict[Fence, tuple[AttemptFiles, tuple[OutputKept, ...]]] = {}
        self._hold_for = _FIRST_HOLD
        self._held_until = 0.0
        self._held_since: Instant = 0

    def __len__(self) -> int:
        return sum(not watch.ended for watch in self._watches.values()) + len(self._calls)

    def carry_out(self, effect: Effect) -> None:
        """Do what the engine decided; what goes wrong comes back as an event."""
        match effect:
            case WakeAt():
                self._timers.wake_at(effect.run_id, effect.at)
            case StartAttempt():
                self._start(effect.fence)
            case _ if effect.fence in self._calls:
                self._pools.carry_out(effect)
            case Forget():
                self._forget(effect.fence)
            case _:
                watch = self._watches.get(effect.fence)
                if watch is not None and not watch.ended:
                    self._act(watch, effect)

    def settle(self) -> None:
        """Hand out the calls of a batch together."""
        self._pools.hand_out()

    def files_of(self, run: Run, job: Job) -> AttemptFiles:
        """Where the files of the run's current attempt are."""
        return attempt_files(
            run.fence,
            attempts_dir=self._places.attempts,
            logs_dir=self._places.logs,
            opened_at=run.created_at,
            split=job.output is OutputMode.SPLIT,
            owner=owner_of(job.user, job.group),
            warm=is_warm(job),
        )

    def group_of(self, run: Run, job: Job) -> AttemptCgroup | None:
        """The control group of the run's current attempt, where groups are delegated to us."""
        if self._cgroups is None:
            return None
        if is_warm(job):
            number = worker_of(str(self.files_of(run, job).status))
            return None if number is None else self._cgroups.attempt(Fence(0, number))
        return self._cgroups.attempt(run.fence, job.limits.memory, job.limits.processes)

    def adopt(self, run: Run, job: Job, files: AttemptFiles, child: Child) -> None:
        """Watch an attempt that an earlier daemon started."""
        self._watch(_Watch(run, job, files, child))

    def remember(self, fence: Fence, files: AttemptFiles, outputs: tuple[OutputKept, ...] = ()) -> None:
        """The working files of an attempt that is not watched any more; dropped by `Forget`."""
        self._orphaned[fence] = (files, outputs)

    def tick(self) -> None:
        """Once a second: limits of the trees, size of running logs, orphans to reap."""
        self._limits.tick()
        for what in take_odd():
            self._log("spool.odd", level="warning", what=what)
        for watch in self._watches.values():
            self._see_whether_starts_work(watch)
        reap_strangers({watch.child.identity.pid for watch in self._watches.values() if not watch.ended})

    def let_go(self) -> None:
        """Stop watching without touching the processes: the next daemon adopts them."""
        self._limits.stop()
        self._calls.let_go()
        for watch in self._watches.values():
            self._unwatch(watch)
        self._watches.clear()

    def _start(self, fence: Fence) -> None:
        found = self._look_up(fence)
        if found is None:
            return
        run, job = found
        try:
            if is_warm(job):
                self._pools.start(run, job)
                return
            spec = attempt_spec(
                job,
                run,
                store_id=self._store_id,
                attempts_dir=self._places.attempts,
                logs_dir=self._places.logs,
                opened_at=run.created_at,
                base_environ=self._environ,
                cgroups=self._cgroups,
            )
            child = start(spec)
        except SpawnRefused as refusal:
            self._refused(run, job, refusal)
            return
        self._watch(_Watch(run, job, spec.files, child))
        self._tell(fence, Spawned(child.started_at, child.identity))

    def _refused(self, run: Run, job: Job, refusal: SpawnRefused) -> None:
        self.remember(run.fence, self.files_of(run, job))
        if refusal.is_host_trouble:
            self.give_back(run.fence, refusal.sentence)
        else:
            self._tell(run.fence, SpawnFailed(self._now(), refusal.sentence, self._draw()))

    def give_back(self, fence: Fence, why: str) -> None:
        """The host could not start it: nothing ran."""
        detail = f"the host could not start it ({why}); the attempt is given back"
        self._tell(fence, NeverBegan(self._now(), Cause.SPAWN, detail))
        self.hold_starts(why)

    def hold_starts(self, why: str) -> None:
        """The host cannot start processes: all starts wait a little, longer from time to time."""
        now = asyncio.get_running_loop().time()
        if now < self._held_until:
            return  # of the same batch as the one that began to hold
        if self._hold_for == _FIRST_HOLD:
            self._held_since = self._now()
        self._held_until = now + self._hold_for
        self._hold(self._hold_for, why)
        self._hold_for = min(self._hold_for * 2, _LONGEST_HOLD)

    def _see_whether_starts_work(self, watch: _Watch) -> None:
        """A command that began since the trouble did shows that it is over."""
        if self._hold_for == _FIRST_HOLD or watch.child.started_at < self._held_since:
            return
        if not never_began(watch.files.status):
            self._hold_for = _FIRST_HOLD
            self._held_until = 0.0
            self._hold(0.0, "")

    def _watch(self, watch: _Watch) -> None:
        fence, child = watch.run.fence, watch.child
        self._watches[fence] = watch
        self._limits.begin(fence, watch.job, watch.files, child.identity, self._marker(fence))
        asyncio.get_running_loop().add_reader(child.fileno(), self._leader_ended, watch)

    def _unwatch(self, watch: _Watch) -> None:
        self._limits.end(watch.run.fence)
        for timer in watch.timers:
            timer.cancel()
        watch.timers.clear()
        if not watch.ended:
            asyncio.get_running_loop().remove_reader(watch.child.fileno())

    def _leader_ended(self, watch: _Watch) -> None:
        exit = watch.child.poll()
        if exit is None:
            return
        fence = watch.run.fence
        self._unwatch(watch)
        watch.ended = True
        if exit.exit_code is not None and never_began(watch.files.status):
            watch.child.close()
            self.give_back(fence, f"{SH} ended with exit code {exit.exit_code} before it began the command")
            return
        self._see_whether_starts_work(watch)
        was_oom = watch.child.was_oom()
        left_behind = 0 if watch.job.leave_children else sweep(watch.child.identity, self._marker(fence))
        left_behind = max(left_behind, watch.escaped)
        watch.outputs = tuple(keep_output(fence, watch.files, watch.job.log_max))
        watch.child.close()
        report = read_said(watch.files)
        event = Exited(self._now(), replace(exit, left_behind=left_behind), self._draw(), was_oom, report)
        self._post(Happened(fence.run_id, event, fence, (*watch.outputs, *reported(fence, report))))

    def _act(self, watch: _Watch, effect: Effect) -> None:
        identity, marker = watch.child.identity, self._marker(watch.run.fence)
        match effect:
            case ArmLimits():
                self._arm_limits(watch, effect.started_at)
            case SendSignal() if isinstance(watch.job.body, PythonCall):
                # It raises an exception in the job; the job's children know nothing of that.
                signal_main(identity, signal_number(effect.signal))
            case SendSignal():
                signal_tree(identity, marker, signal_number(effect.signal))
            case Terminate():
                if watch.files.warm:
                    mark_stop(watch.files.prefix)
                watch.escaped = signal_tree(identity, marker, signal_number("TERM"))
                self._after(watch, watch.job.grace, GraceOver)
            case KillTree():
                self._kill(watch)

    def _kill(self, watch: _Watch) -> None:
        """KILL, and again every second until the leader's end is seen (a process may sit in the kernel)."""
        if watch.ended:
            return
        kill_tree(watch.child.identity, self._marker(watch.run.fence))
        loop = asyncio.get_running_loop()
        watch.timers.append(loop.call_later(_KILL_AGAIN, self._kill, watch))

    def _arm_limits(self, watch: _Watch, started_at: Instant) -> None:
        # A worker that an earlier daemon started is older than the call it makes.
        elapsed = self._now() - started_at if is_warm(watch.job) else age(watch.child.identity)
        if watch.job.soft_timeout is not None:
            self._after(watch, watch.job.soft_timeout - elapsed, SoftLimit)
        if watch.job.timeout is not None:
            self._after(watch, watch.job.timeout - elapsed, HardLimit)

    def _after(self, watch: _Watch, wait: Duration, event: Callable[[Instant], RunEvent]) -> None:
        fence = watch.run.fence

        def ring() -> None:
            self._tell(fence, event(self._now()))

        timer = asyncio.get_running_loop().call_later(max(0, wait) / SECOND, ring)
        watch.timers.append(timer)

    def _forget(self, fence: Fence) -> None:
        watch = self._watches.pop(fence, None)
        if watch is not None:
            self._unwatch(watch)
            files, outputs = watch.files, watch.outputs
        elif fence in self._orphaned:
            files, outputs = self._orphaned.pop(fence)
        else:
            return
        # A worker that an earlier daemon started has nobody else to clear up after it.
        worker = worker_status(files) if files.warm else None
        drop_files(files, outputs)
        if worker is not None:
            drop_worker_files(worker)

    def _tell(self, fence: Fence, event: RunEvent) -> None:
        self._post(Happened(fence.run_id, event, fence))

    def _marker(self, fence: Fence) -> Marker:
        return Marker(fence.run_id, self._store_id)
