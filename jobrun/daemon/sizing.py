"""How many workers a pool has: more for what waits, fewer when nothing does.

The rules: never more than `max`, whatever kinds of workers that are; never
fewer than `min`; in between as many as calls wait, until they have been idle
for `idle`. A pool with an `autoscaler` has as many as that says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from jobrun.daemon.crew import Crew
from jobrun.daemon.policy import Policies
from jobrun.daemon.worker import Worker
from jobrun.domain.instants import seconds
from jobrun.domain.job import Job, Pool
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.workerspec import WorkerKind, worker_kind

# Seconds.
_FIRST_HOLD = 2.0
_LONGEST_HOLD = 60.0


class Sizing:
    """Starts workers and has them end. `cpus` is the `max` of a pool that names none."""

    def __init__(
        self,
        crew: Crew,
        policies: Policies,
        *,
        pool_of: Callable[[str], Pool],
        cpus: int,
        environ: Mapping[str, str],
        log: Callable[..., None],
    ) -> None:
        self._crew = crew
        self._policies = policies
        self._pool_of = pool_of
        self._cpus = cpus
        self._environ = environ
        self._log = log
        self._held: dict[str, tuple[float, float]] = {}

    def most(self, pool: Pool) -> int:
        """How many workers the pool may have."""
        return pool.most(self._cpus)

    def grow(self, pool: Pool, waiting: Iterable[WorkerKind]) -> tuple[WorkerKind, SpawnRefused] | None:
        """Start workers for the calls that wait, as many as may be. The refusal, if one cannot start."""
        target = self._target(pool)
        # Whatever a policy says: what waits will not wait for ever.
        limit = self.most(pool) if target is None else max(target, 1)
        kinds: dict[str, WorkerKind] = {}
        wanted: Counter[str] = Counter()
        for kind in waiting:
            kinds[kind.key] = kind
            wanted[kind.key] += 1
        for worker in self._crew.of(pool.name):
            if worker.python is None and not worker.has_failed:
                wanted[worker.kind.key] -= 1
        for key, count in wanted.items():
            for _ in range(count):
                if len(self._crew.of(pool.name)) >= limit:
                    self._make_way(pool, key)
                    return None
                try:
                    self._crew.start(kinds[key], pool)
                except SpawnRefused as refusal:
                    return kinds[key], refusal
        return None

    def prestart(self, job: Job, pool: Pool) -> None:
        """Start a worker that can take this job's calls, if the pool has fewer than are to be there."""
        staying = sum(not worker.is_retiring for worker in self._crew.of(pool.name))
        if staying >= (self._target(pool) or pool.min) or self._is_held(pool.name):
            return
        try:
            self._crew.start(worker_kind(job, self._environ), pool)
        except SpawnRefused as refusal:
            self._log("worker.not_started", level="warning", pool=pool.name, error=refusal.sentence)

    def starts_fail(self, pool: str) -> None:
        """A worker of the pool could not begin: none is started ahead for a while, ever longer."""
        wait = min(2 * self._held.get(pool, (0.0, _FIRST_HOLD / 2))[1], _LONGEST_HOLD)
        self._held[pool] = (asyncio.get_running_loop().time() + wait, wait)

    def starts_work(self, pool: str) -> None:
        """A worker of the pool is ready."""
        self._held.pop(pool, None)

    def _is_held(self, pool: str) -> bool:
        until, _ = self._held.get(pool, (0.0, 0.0))
        return asyncio.get_running_loop().time() < until

    def shrink(self, now: float) -> None:
        """End what has been idle for too long, down to the least number; at once what a policy wants gone."""
        for worker in sorted(self._crew, key=_idle_since):
            pool = self._pool_of(worker.pool.name)
            if not worker.is_idle:
                continue
            staying = sum(not other.is_retiring for other in self._crew.of(pool.name))
            target = self._target(pool)
            if target is not None:
                if staying > target:
                    self._crew.retire(worker, "the autoscaler wants fewer")
            elif staying > pool.min and now - worker.idle_since >= seconds(pool.idle):
                self._crew.retire(worker, "it is idle")

    def _target(self, pool: Pool) -> int | None:
        """How many workers somebody else's rule wants; None where the built-in rule holds."""
        wanted = self._policies.wanted(pool)
        return None if wanted is None else min(max(wanted, pool.min), self.most(pool))

    def _make_way(self, pool: Pool, key: str) -> None:
        """The pool is full: an idle worker of another kind ends, the one that was idle longest."""
        workers = self._crew.of(pool.name)
        if any(worker.is_retiring and not worker.calls for worker in workers):
            return
        idle = [worker for worker in workers if worker.is_idle and worker.kind.key != key]
        if idle:
            self._crew.retire(min(idle, key=_idle_since), "it makes way for another kind")


def _idle_since(worker: Worker) -> float:
    return worker.idle_since
