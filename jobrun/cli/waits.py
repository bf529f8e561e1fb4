"""What a queued run waits for, in words.

The daemon starts a queued run when its queue is not paused, no earlier run of
its job is in the way, and its queue has a place; the words here are about the
first of these that does not hold.
"""

import json
from collections.abc import Sequence
from functools import cached_property

from jobrun.domain.run import Run
from jobrun.store.reader import History
from jobrun.store.views import QueueRow, RunRow


class Waits:
    """Reads what it needs once, and only when it is asked about a run."""

    def __init__(self, history: History) -> None:
        self._history = history

    def words(self, run: Run) -> str:
        """Why this queued run has not started yet."""
        queue = self._queues.get(run.queue)
        if queue is not None and queue.paused is not None:
            return f"queue {run.queue} is paused"
        ahead = next((row.run for row in self._live if self._is_ahead(row.run, run)), None)
        if ahead is not None and not self._may_run_beside(run):
            return f"waits for run {ahead.id} of this job to end"
        if queue is None or queue.concurrency is None:
            return "waits to be started"
        taken = sum(row.run.has_process for row in self._live if row.run.queue == run.queue)
        return f"waits for a place in queue {run.queue} ({taken} of {queue.concurrency} taken)"

    @staticmethod
    def _is_ahead(other: Run, run: Run) -> bool:
        return other.job == run.job and other.id != run.id and other.has_process

    def _may_run_beside(self, run: Run) -> bool:
        definition = self._history.definition(run.definition_id)
        # The rule is looked up in the stored text: decoding whole definitions is not for `status`.
        return definition is not None and json.loads(definition.body).get("overlap") == "allow"

    @cached_property
    def _live(self) -> Sequence[RunRow]:
        return self._history.live_runs()

    @cached_property
    def _queues(self) -> dict[str, QueueRow]:
        return {row.name: row for row in self._history.queues()}
