"""The calls that warm workers make: the attempts that have no process of their own.

The same effects and events as for every other attempt: what the engine decided
about a call comes here, what became of it is posted with its fence. Which
worker makes it is the pool's business (`pools`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobrun.conf.paths import Places
from jobrun.daemon.begin import admitted_at, begin_of, end_after
from jobrun.daemon.hearing import without_report
from jobrun.daemon.inbox import Happened
from jobrun.daemon.limitwatch import LimitWatch
from jobrun.daemon.worker import STREAMS, Call, Worker
from jobrun.domain.events import (
    ArmLimits,
    Effect,
    Exited,
    GraceOver,
    HardLimit,
    KillTree,
    NeverBegan,
    RunEvent,
    SendSignal,
    SoftLimit,
    Spawned,
    SpawnFailed,
    Terminate,
)
from jobrun.domain.instants import SECOND, Duration, Instant
from jobrun.domain.job import OutputMode
from jobrun.domain.ledger import Reported
from jobrun.domain.records import OutputKept
from jobrun.domain.report import Report, read_report
from jobrun.domain.retry import signal_number
from jobrun.domain.run import Cause, Exit, Fence
from jobrun.proc import kin
from jobrun.proc.environment import data_of
from jobrun.proc.files import AttemptFiles, attempt_files, read_status
from jobrun.proc.identity import send_signal
from jobrun.proc.output import drop_paths, keep_output
from jobrun.proc.spec import Marker
from jobrun.proc.spool import mark_stop, read_tail, said, whole, worker_files
from jobrun.proc.tree import kill_tree, signal_tree, sweep_call

# That a short call began is told together with its end, if that comes within so many seconds.
_TOLD_TOGETHER = 0.005
_KILL_AGAIN = 1.0
_REMINDER = 0.25


class Calls:
    """Every call under way, by fence. Lives in the loop's thread."""

    def __init__(
        self,
        *,
        post: Callable[[Happened], None],
        store_id: str,
        places: Places,
        limits: LimitWatch,
        now: Callable[[], Instant],
        draw: Callable[[], float],
    ) -> None:
        self._post = post
        self._store_id = store_id
        self._places = places
        self._limits = limits
        self._now = now
        self._draw = draw
        self.on_begun: Callable[[], None] = lambda: None
        self._under_way: dict[Fence, Call] = {}
        self._ended: dict[Fence, list[str]] = {}
        self._untold: dict[Fence, Call] = {}
        self._telling: asyncio.TimerHandle | None = None

    def __contains__(self, fence: object) -> bool:
        return fence in self._under_way or fence in self._ended

    def __len__(self) -> int:
        return len(self._under_way)

    def get(self, fence: Fence) -> Call | None:
        """The call of that fence, if it is under way."""
        return self._under_way.get(fence)

    def add(self, call: Call) -> None:
        """A call is to be made."""
        self._under_way[call.fence] = call

    def begun(self, call: Call, at: Instant | None, *, is_short: bool) -> None:
        """Its worker has taken it, at this moment if it says so: from here on it may have had an effect.

        One that is expected to be over in a moment is then told of as a whole.
        """
        loop = asyncio.get_running_loop()
        call.begun = loop.time()
        # A worker that says what cannot be said nothing.
        now = self._now()
        call.begun_at = at if at is not None and admitted_at(call.run) <= at <= now else now
        self.on_begun()
        self._untold[call.fence] = call
        if not is_short:
            self.tell_begun()
        elif self._telling is None:
            self._telling = loop.call_later(_TOLD_TOGETHER, self.tell_begun)

    def tell_begun(self) -> None:
        """Tell the engine of the calls that began and have not ended."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        untold, self._untold = self._untold, {}
        for call in untold.values():
            began = self._how_begun(call)
            if began is not None:
                self._tell(call, began)

    def watch_closely(self, call: Call) -> None:
        """It runs for longer than a moment: its output and its memory are looked at now."""
        worker = call.worker
        if worker is not None and not call.is_watched:
            call.is_watched = True
            files = self._files_of(call)
            self._limits.begin(call.fence, call.job, files, worker.identity, self._marker(call))

    def ended(self, call: Call, message: Mapping[str, Any]) -> None:
        """Its worker says that it is over, and how."""
        worker = call.worker
        assert worker is not None
        began = self._over(call)
        has_output = "out" in message or "err" in message
        silent = tuple(name for name in STREAMS if not message.get(name)) if has_output else STREAMS
        worker.unwritten = call.files.prefix, silent
        outputs = self._keep_output(call) if has_output else ()
        may_have_left = message.get("children") is True or not (worker.is_reaper or not kin.has_strangers())
        left = self._sweep(call, worker) if may_have_left else 0
        if message.get("report") is True:
            tail = read_tail(call.files.status)
            message = without_report(message) if tail is None else {**message, "report": tail}
        report = message.get("report")
        at = whole(message.get("at"))
        exit = Exit(
            ended_at=self._now() if at is None else at,
            exit_code=whole(message.get("exit"), 1),
            user_time=whole(message.get("user")),
            system_time=whole(message.get("system")),
            max_rss=whole(message.get("rss")),
            left_behind=max(left, call.escaped),
        )
        told = report if isinstance(report, dict) else {}
        if message.get("said"):
            self._finish(call, began, exit, outputs, said(call.files.prefix, told))
        else:
            self._finish(call, began, exit, outputs, read_report(told) if told else None, has_files=False)

    def died(self, call: Call, worker: Worker, exit: Exit, *, oom: bool) -> None:
        """Its worker ended in the middle of it: that is the call's end too, unless it wrote another one."""
        began = self._over(call)
        written = read_status(Path(call.files.status))
        left = self._sweep(call, worker)
        worker.unwritten = None
        outputs = self._keep_output(call)
        report = read_tail(call.files.status) if written is not None else None
        whole_exit = exit if written is None else written
        whole_exit = replace(whole_exit, left_behind=max(left, call.escaped))
        if call.begun is None:
            # It had no time to say so.
            began = begin_of(call.run, call.files.status, worker.identity, self._now())
            whole_exit = end_after(began, whole_exit)
        told = said(call.files.prefix, report)
        self._finish(call, began, whole_exit, outputs, told, oom=oom, streams=STREAMS)
        # Until it is durable, how the worker ended is all that says how the call did.
        self._ended[call.fence][:0] = map(str, worker_files(worker.child.files.status))

    def give_back(self, call: Call, why: str, cause: Cause = Cause.SPAWN, *, is_met: bool = True) -> None:
        """Nothing of it ran, and here it will not. Unless `is_met` a worker has yet to find that out: the
        status file, which keeps it from making the call, stays until then."""
        self._over(call)
        gone = self._gone_with(call, ())
        self._ended[call.fence] = gone if is_met else gone[:-1]
        self._tell(call, NeverBegan(self._now(), cause, f"{why}; the attempt is given back"))

    def fail(self, call: Call, sentence: str) -> None:
        """There is no worker that could make it."""
        self._over(call)
        self._ended[call.fence] = self._gone_with(call, ())
        self._tell(call, SpawnFailed(self._now(), sentence, self._draw()))

    def act(self, effect: Effect) -> None:
        """Do what the engine decided about a call."""
        call = self._under_way.get(effect.fence)  # type: ignore[union-attr]
        if call is None or call.worker is None:
            return
        leader, marker = call.worker.identity, self._marker(call)
        match effect:
            case ArmLimits():
                self._arm(call)
            case SendSignal():
                number = signal_number(effect.signal)
                loop = asyncio.get_running_loop()
                call.timers.append(loop.call_later(_REMINDER, self._remind, call, number))
            case Terminate():
                # A worker whose call was stopped is not trusted with another one.
                call.worker.retire()
                call.is_stopped = True
                mark_stop(call.files.prefix)
                call.escaped = signal_tree(leader, marker, signal_number("TERM"))
                self._after(call, call.job.grace, GraceOver)
            case KillTree():
                self._kill(call)

    def forget(self, fence: Fence) -> None:
        """Its end is durable: its files go."""
        drop_paths(self._ended.pop(fence, ()))

    def let_go(self) -> None:
        """Stop watching; what runs goes on by itself."""
        if self._telling is not None:
            self._telling.cancel()
        self._untold.clear()
        for call in self._under_way.values():
            call.cancel_timers()
        self._under_way.clear()

    def _over(self, call: Call) -> Spawned | None:
        """It is under way no more. Returns how it began, if the engine does not know that yet."""
        if call.timers:
            call.cancel_timers()
        if call.is_watched:
            self._limits.end(call.fence)
        self._under_way.pop(call.fence, None)
        began = None if self._untold.pop(call.fence, None) is None else self._how_begun(call)
        if call.worker is not None:
            call.worker.take_off(call)
        return began

    def _how_begun(self, call: Call) -> Spawned | None:
        return None if call.worker is None else Spawned(call.begun_at, call.worker.identity)

    def _finish(
        self,
        call: Call,
        began: Spawned | None,
        exit: Exit,
        outputs: tuple[OutputKept, ...],
        report: Report | None,
        *,
        oom: bool = False,
        has_files: bool = True,
        streams: tuple[str, ...] = (),
    ) -> None:
        self._ended[call.fence] = self._gone_with(call, outputs, has_files=has_files, streams=streams)
        event = Exited(self._now(), exit, self._draw(), oom, report, began)
        self._post(Happened(call.run.id, event, call.fence, (*outputs, *reported(call.fence, report))))

    def _gone_with(
        self,
        call: Call,
        outputs: tuple[OutputKept, ...],
        *,
        has_files: bool = True,
        streams: tuple[str, ...] = (),
    ) -> list[str]:
        """The files that go once the call's end is durable; the status file last of all.

        `has_files` is whether the call may have left notes or a result beside
        it, `streams` which output files may be there besides those in `outputs`.
        """
        has_data = data_of(call.job, call.run) is not None
        if not (outputs or streams or has_files or has_data or call.is_stopped):
            return [call.files.status]
        prefix = call.files.prefix
        stay = {output.stream for output in outputs if output.path is not None}
        names = [name for name in (*streams, *(output.stream for output in outputs)) if name not in stay]
        if has_data:
            names += ("data", "call")
        if call.is_stopped:
            names.append("stop")
        if has_files:
            names += ("notes", "result")
        return [*(f"{prefix}.{name}" for name in names), call.files.status]

    def _keep_output(self, call: Call) -> tuple[OutputKept, ...]:
        return tuple(keep_output(call.fence, self._files_of(call), call.job.log_max))

    def _files_of(self, call: Call) -> AttemptFiles:
        return attempt_files(
            call.fence,
            attempts_dir=self._places.attempts,
            logs_dir=self._places.logs,
            opened_at=call.run.created_at,
            split=call.job.output is OutputMode.SPLIT,
            owner=call.kind.who.owner,
            warm=True,
        )

    def _sweep(self, call: Call, worker: Worker) -> int:
        if call.job.leave_children and not call.is_stopped:
            worker.leave(self._marker(call))
            return 0
        return sweep_call(worker.identity, worker.python, self._marker(call), worker.spared)

    def _remind(self, call: Call, number: int) -> None:
        """The worker has a timer of its own for the soft limit, which can meet no other call; but a job may
        have taken it away. One that was told already is not told twice."""
        python = call.worker.python if call.worker is not None else None
        if python is not None:
            send_signal(python.pid, python.start_ticks, number)

    def _kill(self, call: Call) -> None:
        """KILL, and again every second until the worker's end is seen."""
        if call.worker is None:
            return
        kill_tree(call.worker.identity, self._marker(call))
        call.timers.append(asyncio.get_running_loop().call_later(_KILL_AGAIN, self._kill, call))

    def _arm(self, call: Call) -> None:
        job = call.job
        if job.soft_timeout is None and job.timeout is None:
            return
        begun = call.begun if call.begun is not None else asyncio.get_running_loop().time()
        elapsed = round((asyncio.get_running_loop().time() - begun) * SECOND)
        if job.soft_timeout is not None:
            self._after(call, job.soft_timeout - elapsed, SoftLimit)
        if job.timeout is not None:
            self._after(call, job.timeout - elapsed, HardLimit)

    def _after(self, call: Call, wait: Duration, event: Callable[[Instant], RunEvent]) -> None:
        def ring() -> None:
            self._tell(call, event(self._now()))

        call.timers.append(asyncio.get_running_loop().call_later(max(0, wait) / SECOND, ring))

    def _tell(self, call: Call, event: RunEvent) -> None:
        self._post(Happened(call.run.id, event, call.fence))

    def _marker(self, call: Call) -> Marker:
        return Marker(call.run.id, self._store_id)


def reported(fence: Fence, report: Report | None) -> tuple[Reported, ...]:
    """The fact that goes with an attempt's end, if the attempt said anything."""
    return (Reported(fence, report),) if report is not None else ()
