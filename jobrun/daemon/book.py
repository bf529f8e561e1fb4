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
from jobrun.domain.job import After, Job, Plan, Schedule
from jobrun.domain.records import Paused
from jobrun.domain.run import Done, Queued, Run

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
        self.ended: dict[str, Instant] = {}
        self.listed: dict[str, int] = {}
        self.last_run_id = 0
        self.last_definition_id = 0
        self.clock_pass = 0
        self.repeated_until: Instant = 0
        self._by_job: dict[str, set[int]] = {}
        self._busy: dict[str, set[int]] = {}
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        self._parked: dict[str, list[int]] = {}
        self._undo: list[Callable[[], None]] = []

    def put(self, run: Run) -> None:
        """Record a run's new status; a finished run leaves the book."""
        before = self.runs.get(run.id)
        self._undo.append(lambda: self._replace(run, before))
        self._replace(before, run)

    def set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Set a key of one of the book's mappings; None removes it."""
        before = mapping.get(key)
        self._undo.append(lambda: _assign(mapping, key, before))
        _assign(mapping, key, value)

    def set_value(self, name: str, value: Any) -> None:
        """Set one of the book's single values (`plan`, `clock_pass`, the last ids)."""
        before = getattr(self, name)
        self._undo.append(lambda: setattr(self, name, before))
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
            self._undo.pop()()
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

    def has_process_of(self, job: str) -> bool:
        """Whether a run of the job has a process."""
        return any(self.runs[run_id].has_process for run_id in self._by_job.get(job, ()))

    def queues_waiting(self) -> Iterable[str]:
        """The queues in which runs wait."""
        return [queue for queue, heap in self._waiting.items() if heap]

    def pop_waiting(self, queue: str) -> Run | None:
        """Take the next waiting run of a queue: lowest priority number first, then oldest.

        A run taken but not started must be parked or pushed back.
        """
        heap = self._waiting.get(queue, [])
        while heap:
            _, run_id = heapq.heappop(heap)
            run = self.runs.get(run_id)
            if run is not None and isinstance(run.status, Queued):
                return run
        return None

    def park(self, run: Run) -> None:
        """Set a waiting run aside until an attempt of its job ends."""
        self._parked.setdefault(run.job, []).append(run.id)

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
        """From when an `after` schedule counts: the last end or decision; None while a run is unfinished."""
        if self._by_job.get(job):
            return None
        cursor = self.cursors[job, key]
        return max(self.ended.get(job, cursor.anchor), cursor.decided_until)

    def has_after(self, job: str) -> list[str]:
        """The keys of the job's `after` schedules."""
        found = self.plan.jobs.get(job)
        return [s.key for s in found.schedules if isinstance(s.when, After)] if found else []

    def _replace(self, old: Run | None, new: Run | None) -> None:
        if old is not None:
            self.runs.pop(old.id, None)
            _discard(self._by_job, old.job, old.id)
            _discard(self._busy, old.queue, old.id)
            if old.has_process:
                self._unpark(old.job)
        if new is None or isinstance(new.status, Done):
            return
        self.runs[new.id] = new
        self._by_job.setdefault(new.job, set()).add(new.id)
        if new.has_process:
            self._busy.setdefault(new.queue, set()).add(new.id)
        self._enqueue(new)

    def _unpark(self, job: str) -> None:
        for run_id in self._parked.pop(job, ()):
            if run_id in self.runs:
                self._enqueue(self.runs[run_id])

    def _enqueue(self, run: Run) -> None:
        if isinstance(run.status, Queued):
            heapq.heappush(self._waiting.setdefault(run.queue, []), (run.priority, run.id))


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
