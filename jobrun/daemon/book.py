"""The book: everything the engine knows in memory, with a way back.

The book is a copy of what the store holds about the present (live runs,
cursors, pauses, definitions), plus the plan. Changes are made at once and
taken back (`rollback`) if the store could not make them durable. Counts are
never kept: which runs hold a place is an index of the live runs themselves.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.job import After, Job, Plan, PythonCall, Schedule, is_warm
from jobrun.domain.overlap import is_for_later
from jobrun.domain.records import Paused
from jobrun.domain.run import Queued, Run

ScheduleId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the deciding of a schedule's slots stands."""

    anchor: Instant
    decided_until: Instant


class Book:
    """The engine's memory. Only the engine writes in it."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.planned = False
        self.runs: dict[int, Run] = {}
        self.cursors: dict[ScheduleId, Cursor] = {}
        self.pauses: dict[tuple[str, str], Paused] = {}
        self.definitions: dict[tuple[str, str], int] = {}
        self.jobs_by_definition: dict[int, Job] = {}
        self.defined: dict[str, tuple[Job, int]] = {}
        self.ended: dict[str, Instant] = {}
        self.listed: dict[str, int] = {}
        self.planned_before: dict[str, str] = {}  # what the last daemon's plan said; until there is a plan
        self.last_run_id = 0
        self.last_definition_id = 0
        self.clock_pass = 0
        self.repeated_until: Instant = 0
        self.room_in: Callable[[str], int | None] = lambda _pool: None
        self._pools: dict[int, str] = {}
        self._by_job: dict[str, set[int]] = {}
        self._at_work: dict[str, set[int]] = {}
        self._busy: dict[str, set[int]] = {}
        self._in_pool: dict[str, set[int]] = {}
        self._waiting: dict[str, dict[str, list[tuple[int, int]]]] = {}
        self._parked: dict[str, list[tuple[int, int]]] = {}
        self._undo: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def put(self, run: Run) -> None:
        """Record a run's new status; a finished run leaves the book."""
        before = self.runs.get(run.id)
        self._undo.append((self._replace, (run, before)))
        self._replace(before, run)

    def set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Set a key of one of the book's mappings; None removes it."""
        before = mapping.get(key)
        self._undo.append((_assign, (mapping, key, before)))
        _assign(mapping, key, value)

    def set_value(self, name: str, value: Any) -> None:
        """Set one of the book's single values (`plan`, `clock_pass`, the last ids)."""
        before = getattr(self, name)
        self._undo.append((setattr, (self, name, before)))
        setattr(self, name, value)

    def next_run_id(self) -> int:
        """A run id that was never given out."""
        self.set_value("last_run_id", self.last_run_id + 1)
        return self.last_run_id

    def keep(self) -> None:
        """The changes since the last `keep` are durable."""
        self._undo.clear()

    def rollback(self) -> None:
        """Take back the changes since the last `keep`."""
        while self._undo:
            undo, args = self._undo.pop()
            undo(*args)
        # A definition's id may have been taken back with the rest, and comes again for another one.
        self._pools.clear()
        self._waiting.clear()
        self._parked.clear()
        for run in self.runs.values():
            self._enqueue(run)

    def live_of(self, job: str) -> list[Run]:
        """The unfinished runs of a job, oldest first."""
        return [self.runs[run_id] for run_id in sorted(self._by_job.get(job, ()))]

    def busy_in(self, queue: str) -> int:
        """How many runs of the queue hold a place, that is: have a process, or are about to."""
        return len(self._busy.get(queue, ()))

    @property
    def at_work(self) -> int:
        """How many runs have a process, or are about to."""
        return sum(map(len, self._at_work.values()))

    def busy_in_pool(self, pool: str) -> int:
        """How many runs have been handed to the pool's workers, those not yet begun included."""
        return len(self._in_pool.get(pool, ()))

    def has_process_of(self, job: str) -> bool:
        """Whether a run of the job has a process."""
        return job in self._at_work

    def queues_waiting(self) -> Iterable[str]:
        """The queues in which runs wait."""
        return [queue for queue, lanes in self._waiting.items() if any(lanes.values())]

    def pop_waiting(self, queue: str) -> Run | None:
        """Take the next waiting run of a queue: lowest priority number first, then oldest.

        Runs whose pool of workers has no room are passed over. A run taken but
        not started must be parked or pushed back.
        """
        first: list[tuple[int, int]] | None = None
        for pool, heap in self._waiting.get(queue, {}).items():
            if heap and self._has_room(pool) and self._is_any_waiting(heap):
                first = heap if first is None or heap[0] < first[0] else first
        return None if first is None else self.runs[heapq.heappop(first)[1]]

    def waiting_for(self, pool: str) -> int:
        """How many queued runs the pool's workers are to make."""
        return sum(
            run_id in self.runs and isinstance(self.runs[run_id].status, Queued)
            for lanes in self._waiting.values()
            for _, run_id in lanes.get(pool, ())
        )

    def push_back(self, run: Run) -> None:
        """A run that was taken is not started after all."""
        self._enqueue(run)

    def park(self, run: Run) -> None:
        """Set a waiting run aside until an attempt of its job ends."""
        heapq.heappush(self._parked.setdefault(run.job, []), (run.priority, run.id))

    def definition_of(self, job: Job) -> int | None:
        """The id of this very job's definition, if it was the last one of its name to be defined."""
        known = self.defined.get(job.name)
        return known[1] if known is not None and known[0] is job else None

    def job_of(self, run: Run) -> Job:
        """The definition the run was decided with."""
        return self.jobs_by_definition[run.definition_id]

    def schedule(self, job: str, key: str) -> tuple[Job, Schedule] | None:
        """A job of the plan and one of its schedules; None if it left the plan or is disabled."""
        found = self.plan.jobs.get(job)
        if found is None or not found.enabled:
            return None
        return next(((found, schedule) for schedule in found.schedules if schedule.key == key), None)

    def base_for_after(self, job: str, key: str) -> Instant | None:
        """From when an `after` schedule counts: the last end or decision; None while a run is unfinished.

        One that was asked for at a later moment is not there yet.
        """
        if any(not is_for_later(self.runs[run_id]) for run_id in self._by_job.get(job, ())):
            return None
        cursor = self.cursors[job, key]
        return max(self.ended.get(job, cursor.anchor), cursor.decided_until)

    def has_after(self, job: str) -> list[str]:
        """The keys of the job's `after` schedules."""
        found = self.plan.jobs.get(job)
        return [s.key for s in found.schedules if isinstance(s.when, After)] if found else []

    def _replace(self, old: Run | None, new: Run | None) -> None:
        had_process = old is not None and old.status.has_process
        has_process = new is not None and new.status.has_process
        if new is not None and new.status.is_live:
            if new.id not in self.runs:
                self._by_job.setdefault(new.job, set()).add(new.id)
            self.runs[new.id] = new
            if has_process and not had_process:
                self._take_places(new)
            elif type(new.status) is Queued:
                self._enqueue(new)
        elif old is not None:
            self.runs.pop(old.id, None)
            _discard(self._by_job, old.job, old.id)
        if old is not None and not has_process and (had_process or type(old.status) is Queued):
            if had_process:
                self._leave_places(old)
            if old.job in self._parked:
                self._unpark(old.job)

    def _take_places(self, run: Run) -> None:
        self._at_work.setdefault(run.job, set()).add(run.id)
        self._busy.setdefault(run.queue, set()).add(run.id)
        self._in_pool.setdefault(self._pool_of(run), set()).add(run.id)

    def _leave_places(self, run: Run) -> None:
        _discard(self._at_work, run.job, run.id)
        _discard(self._busy, run.queue, run.id)
        _discard(self._in_pool, self._pool_of(run), run.id)

    def _unpark(self, job: str) -> None:
        """Let the first of those that wait for their job's earlier run have its turn."""
        heap = self._parked[job]
        if self._is_any_waiting(heap):
            self._enqueue(self.runs[heapq.heappop(heap)[1]])
        if not heap:
            del self._parked[job]

    def _enqueue(self, run: Run) -> None:
        if isinstance(run.status, Queued):
            lanes = self._waiting.setdefault(run.queue, {})
            heapq.heappush(lanes.setdefault(self._pool_of(run), []), (run.priority, run.id))

    def _is_any_waiting(self, heap: list[tuple[int, int]]) -> bool:
        """Whether a run waits in the heap; what has gone elsewhere meanwhile is dropped from its top."""
        while heap:
            run = self.runs.get(heap[0][1])
            if run is not None and type(run.status) is Queued:
                return True
            heapq.heappop(heap)
        return False

    def _pool_of(self, run: Run) -> str:
        """The pool whose workers make the run's attempts; empty for a run with processes of its own."""
        known = self._pools.get(run.definition_id)
        if known is None:
            job = self.jobs_by_definition.get(run.definition_id)
            is_call = job is not None and isinstance(job.body, PythonCall) and is_warm(job)
            known = job.body.pool if job is not None and is_call else ""  # type: ignore[union-attr]
            if job is not None:
                self._pools[run.definition_id] = known
        return known

    def _has_room(self, pool: str) -> bool:
        room = self.room_in(pool) if pool else None
        return room is None or self.busy_in_pool(pool) < room


def _assign(mapping: dict[Any, Any], key: Any, value: Any) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def _discard(index: dict[str, set[int]], key: str, run_id: int) -> None:
    members = index.get(key)
    if members is not None:
        members.discard(run_id)
        if not members:
            del index[key]
