"""What workers are held to: memory, age, idleness, and whether they do anything at all.

Memory is looked at while a call runs, not only after it: one call can take all
there is. Above `max_memory` the worker is replaced after its call; above
`hard_memory` the call ends at once, with cause oom. A worker that somebody
stopped (SIGSTOP) in a call is reported as stalled; nothing is concluded from
how long a call takes.
"""

import asyncio
from collections.abc import Callable, Iterator

from jobrun.daemon.book import Book
from jobrun.daemon.calls import Calls
from jobrun.daemon.crew import FAREWELL
from jobrun.daemon.inbox import Happened
from jobrun.daemon.policy import Policies
from jobrun.daemon.pools import Pools
from jobrun.daemon.strays import Strays
from jobrun.daemon.worker import Worker
from jobrun.domain.events import GraceOver, MemoryExceeded
from jobrun.domain.instants import Instant, seconds
from jobrun.domain.job import Job, PythonCall, is_warm
from jobrun.proc.identity import read_stat, resident_memory

_QUICK = 0.05
# A worker that has not said that it is ready after this long, in seconds, never will be.
_LONGEST_START = 600.0
# And that long is worth a line in the log.
_LONG_START = 10.0
_STOPPED = "Tt"


class PoolWatch:
    """Looks at the workers once a second, and at those in a call every 50 ms. Owns its one timer."""

    def __init__(
        self,
        pools: Pools,
        calls: Calls,
        policies: Policies,
        *,
        post: Callable[[Happened], None],
        book: Book,
        strays: Strays,
        now: Callable[[], Instant],
        log: Callable[..., None],
    ) -> None:
        self._pools = pools
        self._calls = calls
        self._post = post
        self._policies = policies
        self._book = book
        self._strays = strays
        self._now = now
        self._log = log
        self._timer: asyncio.TimerHandle | None = None

    def tick(self) -> None:
        """Once a second."""
        now = asyncio.get_running_loop().time()
        for worker in self._pools:
            self._weigh(worker)
            self._look_at_age(worker, now)
            self._look_for_stall(worker, now)
            self._look_for_end(self._pools, worker, now)
        for worker in self._policies:
            self._look_for_end(self._policies, worker, now)
        self._strays.look(now)
        self._ask_policies()
        self._pools.shrink(now)
        if any(pool.min or pool.autoscaler for pool in self._book.plan.pools.values()):
            for job in self._warm_jobs():
                self._pools.prestart(job)
        self.look_soon()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _warm_jobs(self) -> Iterator[Job]:
        return (job for job in self._book.plan.jobs.values() if is_warm(job) and job.enabled)

    def _ask_policies(self) -> None:
        """Once a second each `autoscaler` is asked, in a worker like those of its pool's first job."""
        plan = self._book.plan
        if not any(pool.autoscaler for pool in plan.pools.values()):
            return
        self._policies.forget(plan.pools)
        asked: set[str] = set()
        for job in self._warm_jobs():
            assert isinstance(job.body, PythonCall)
            pool = plan.pool(job.body.pool)
            kind = self._pools.kind_of(job) if pool.autoscaler and pool.name not in asked else None
            if kind is None:
                continue
            asked.add(pool.name)
            backlog = self._pools.backlog(pool.name) + self._book.waiting_for(pool.name)
            busy = sum(bool(worker.calls) for worker in self._pools if worker.pool.name == pool.name)
            self._policies.ask(pool, kind, backlog=backlog, busy=busy, most=self._pools.most(pool))

    def look_soon(self) -> None:
        """A call is under way: look at it in a moment."""
        if self._timer is None and len(self._calls):
            self._timer = asyncio.get_running_loop().call_later(_QUICK, self._look_quickly)

    def _look_quickly(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for worker in self._pools:
            call = worker.current
            if call is not None and call.begun is not None and now - call.begun >= _QUICK:
                self._calls.watch_closely(call)
                if worker.pool.hard_memory is not None:
                    self._weigh(worker)
        self._pools.unblock(now)
        self.look_soon()

    def _weigh(self, worker: Worker) -> None:
        pool, python = worker.pool, worker.python
        if python is None or (pool.max_memory is None and pool.hard_memory is None):
            return
        rss = resident_memory(python.pid)
        call = worker.current
        if call is not None and pool.hard_memory is not None and rss > pool.hard_memory:
            self._post(Happened(call.run.id, MemoryExceeded(self._now(), rss), call.fence))
            self._post(Happened(call.run.id, GraceOver(self._now()), call.fence))
        elif pool.max_memory is not None and rss > pool.max_memory:
            self._pools.retire(worker, f"it has {rss >> 20} MiB")

    def _look_at_age(self, worker: Worker, now: float) -> None:
        most = worker.pool.max_age
        if most is not None and now - worker.started > seconds(most):
            self._pools.retire(worker, "it is old")

    def _look_for_end(self, owner: Pools | Policies, worker: Worker, now: float) -> None:
        """One whose hooks do not come to an end would hold its place in the pool for ever."""
        if worker.calls:
            return
        if not worker.is_retiring:
            self._look_at_start(worker, now)
            if worker.python is None and now - worker.started > _LONGEST_START:
                owner.end(worker, f"it is not ready after {_LONGEST_START:g} s")
            return
        if worker.retiring_since is None:
            worker.retiring_since = now
        elif now - worker.retiring_since > FAREWELL:
            owner.end(worker, f"it has not ended after {FAREWELL:g} s")

    def _look_at_start(self, worker: Worker, now: float) -> None:
        """One that takes long to be ready is told of once: runs wait for it, their limits do not count."""
        if worker.python is None and not worker.is_late and now - worker.started > _LONG_START:
            worker.is_late = True
            self._log(
                "worker.late",
                level="warning",
                pool=worker.pool.name,
                worker=worker.number,
                pid=worker.identity.pid,
                on_worker_start=worker.pool.on_start,
                why=f"it is not ready after {_LONG_START:g} s; it is killed after {_LONGEST_START:g} s",
            )

    def _look_for_stall(self, worker: Worker, now: float) -> None:
        stat = read_stat(worker.python.pid) if worker.python is not None and worker.calls else None
        if stat is None or stat.state not in _STOPPED:
            if worker.is_stalled:
                self._log("worker.recovered", pool=worker.pool.name, worker=worker.number)
            worker.stopped_since, worker.is_stalled = None, False
            return
        if worker.stopped_since is None:
            worker.stopped_since = now
        if not worker.is_stalled and now - worker.stopped_since >= seconds(worker.pool.stalled_after):
            worker.is_stalled = True
            call = worker.current
            self._log(
                "worker.stalled",
                level="warning",
                pool=worker.pool.name,
                worker=worker.number,
                run=call.run.id if call is not None else None,
                job=call.job.name if call is not None else None,
                why="its process is stopped (SIGSTOP)",
            )
