"""What a run waits for that has not begun, in words.

The daemon starts a queued run when its queue is not paused, no earlier run of
its job is in the way, its queue has a place, and so has its pool of workers; the
words here are about the first of these that does not hold.
"""

import json
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from jobrun.domain.instants import SECOND, Instant
from jobrun.domain.run import Run, Running, Starting, Stopping
from jobrun.store.reader import History
from jobrun.store.views import QueueRow, RunRow

# A call that is sent ahead of its turn begins sooner than that, or is given back.
_LONGEST_AHEAD = SECOND


class Waits:
    """Reads what it needs once, and only when it is asked about a run."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._definitions: dict[int, dict[str, Any]] = {}

    def words(self, run: Run) -> str:
        """Why this queued run has not started yet."""
        queue = self._queues.get(run.queue)
        if queue is not None and queue.paused is not None:
            return f"queue {run.queue} is paused"
        ahead = next((row.run for row in self._live if self._is_ahead(row.run, run)), None)
        if ahead is not None and not self._may_run_beside(run):
            return f"waits for run {ahead.id} of this job to end"
        most = None if queue is None else queue.concurrency
        taken = sum(row.run.has_process for row in self._live if row.run.queue == run.queue)
        pool = self._pool_of(run)
        if pool is not None and (most is None or taken < most):
            return f"waits for a worker of pool {pool} ({self._at_work(pool)} of {self._most(pool)} at work)"
        if most is None:
            return "waits to be started"
        return f"waits for a place in queue {run.queue} ({taken} of {most} taken)"

    def starting_words(self, run: Run, now: Instant) -> str:
        """Why this run, which a worker is to make, has not begun; empty if it will in a moment."""
        pool = self._pool_of(run)
        is_new = isinstance(run.status, Starting) and now - run.status.since < _LONGEST_AHEAD
        if pool is None or is_new:
            return ""
        at_work, most = self._at_work(pool), self._most(pool)
        if at_work < most:
            return f"waits for a worker of pool {pool} that is starting (imports, on_worker_start)"
        return f"waits for a worker of pool {pool} ({at_work} of {most} at work)"

    @staticmethod
    def _is_ahead(other: Run, run: Run) -> bool:
        return other.job == run.job and other.id != run.id and other.has_process

    def _may_run_beside(self, run: Run) -> bool:
        return self._definition_of(run).get("overlap") == "allow"

    def _pool_of(self, run: Run) -> str | None:
        """The pool whose workers make the run; None for one with a process of its own."""
        body = self._definition_of(run).get("body", {})
        is_call = body.get("kind") == "python" and body.get("isolation", "warm") == "warm"
        return body.get("pool", "default") if is_call else None

    def _definition_of(self, run: Run) -> dict[str, Any]:
        """Looked up in the stored text: decoding whole definitions is not for `status`."""
        known = self._definitions.get(run.definition_id)
        if known is None:
            row = self._history.definition(run.definition_id)
            known = self._definitions[run.definition_id] = {} if row is None else json.loads(row.body)
        return known

    def _at_work(self, pool: str) -> int:
        """How many of the pool's workers make a call."""
        return self._by_pool.get(pool, 0)

    def _most(self, pool: str) -> int:
        """How many workers the pool may have."""
        return self._pools.get(pool) or os.cpu_count() or 1

    @cached_property
    def _by_pool(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self._live:
            if isinstance(row.run.status, Running | Stopping):
                pool = self._pool_of(row.run)
                if pool is not None:
                    found[pool] = found.get(pool, 0) + 1
        return found

    @cached_property
    def _pools(self) -> dict[str, int | None]:
        return {row.name: row.max for row in self._history.pools()}

    @cached_property
    def _live(self) -> Sequence[RunRow]:
        return self._history.live_runs()

    @cached_property
    def _queues(self) -> dict[str, QueueRow]:
        return {row.name: row for row in self._history.queues()}
