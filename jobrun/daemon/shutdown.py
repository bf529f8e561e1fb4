"""How a daemon stops: no new starts, then drain, leave or kill.

The alarm stops first, so that nothing new begins while running jobs are waited
for. `drain` waits up to `shutdown_timeout`; whoever is still running then is
ended by the usual ladder and gets its attempt back. `leave` lets everything
run on for the next daemon. `kill` begins with the ladder. A second signal cuts
the waiting short, a third one the grace period. Asking again changes nothing,
but for another mode: then what is still waited for is left, or killed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import Happened
from jobrun.domain.events import GraceOver, StopRequested
from jobrun.domain.instants import Duration, Instant, seconds
from jobrun.domain.job import OnStop
from jobrun.domain.run import Cause, Run, Stopping

_LOOK = 0.02


@dataclass(slots=True)
class Stop:
    """What is known about a stop under way. `signals`: the second one forces, the third one kills.

    `has_forced`: the running jobs have been told to end, which nothing takes back.
    """

    mode: OnStop
    signals: int = 0
    has_forced: bool = False


class Shutdown:
    """Carries one stop through."""

    def __init__(
        self,
        engine: Engine,
        *,
        processes: Callable[[], int],
        timeout: Duration,
        now: Callable[[], Instant],
        log: Callable[..., None],
    ) -> None:
        self._engine = engine
        self._processes = processes
        self._timeout = seconds(timeout)
        self._now = now
        self._log = log

    async def carry_through(self, stop: Stop) -> None:
        """Return once no run has a process any more, or at once if they are left to run."""
        if stop.mode is OnStop.DRAIN:
            await self._until_idle(lambda: stop.signals > 1 or stop.mode is not OnStop.DRAIN, self._timeout)
        if stop.mode is OnStop.LEAVE:
            self._log("daemon.leaving", running=len(self._running()))
            return
        stop.has_forced = True
        running = self._running()
        if not running:
            return
        self._log("daemon.forcing", text=f"Forcing shutdown with {len(running)} active jobs")
        for run in running:
            event = StopRequested(self._now(), Cause.SHUTDOWN)
            self._engine.post(Happened(run.id, event, run.fence))
        await self._until_idle(lambda: stop.signals > 2, None)
        for run in self._running():
            if isinstance(run.status, Stopping):
                self._engine.post(Happened(run.id, GraceOver(self._now()), run.fence))
        await self._until_idle(lambda: False, None)

    def _running(self) -> list[Run]:
        return [run for run in self._engine.book.runs.values() if run.has_process]

    def _is_busy(self) -> bool:
        """Whether any run has a process. A store in trouble takes no ends, so then the processes count."""
        return self._processes() > 0 if self._engine.trouble is not None else bool(self._running())

    async def _until_idle(self, cut_short: Callable[[], bool], limit: float | None) -> None:
        loop = asyncio.get_running_loop()
        deadline = None if limit is None else loop.time() + limit
        while self._is_busy() and not cut_short():
            if deadline is not None and loop.time() >= deadline:
                return
            await asyncio.sleep(_LOOK)
