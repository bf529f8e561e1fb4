"""Which kind of worker the calls of each definition need, worked out once for all of its runs.

Each gets a number, under which a worker is told what those calls share. If
another environment file has made another kind of it, it has another number.
"""

import itertools
from collections.abc import Mapping

from jobrun.domain.job import Job
from jobrun.domain.run import Run
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.workerspec import WorkerKind, env_file_marks, worker_kind

_Marks = tuple[tuple[str, int, int], ...] | None


class Kinds:
    """The kinds that are known, by definition."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: dict[int, tuple[_Marks, WorkerKind, int]] = {}
        self._numbers = itertools.count(1)

    def of_run(self, run: Run, job: Job) -> tuple[WorkerKind, int]:
        """The kind for the run's calls, and its number. Raises SpawnRefused."""
        marks = env_file_marks(job)
        known = self._known.get(run.definition_id)
        if known is not None and marks is not None and known[0] == marks:
            return known[1:]
        kind = worker_kind(job, self._environ)
        is_same = known is not None and known[1].key == kind.key
        number = known[2] if known is not None and is_same else next(self._numbers)
        self._known[run.definition_id] = (marks, kind, number)
        return kind, number

    def of_job(self, job: Job) -> WorkerKind | None:
        """The kind that a job's calls need now; None if there cannot be one."""
        try:
            return worker_kind(job, self._environ)
        except SpawnRefused:
            return None

    def forget(self) -> None:
        """Work them out anew."""
        self._known.clear()
