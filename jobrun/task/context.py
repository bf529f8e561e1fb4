"""What job code can learn about the run it belongs to, read from the environment when it is asked."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any


class Context:
    """The facts of one run. Outside jobrun each of them is None."""

    __slots__ = (
        "_data_path",
        "_scheduled_at",
        "attempt",
        "checkpoint_dir",
        "job",
        "max_attempts",
        "queue",
        "resume_from",
        "run_id",
    )

    def __init__(self) -> None:
        ask = os.environ.get
        self.run_id: int | None = _number(ask("JOBRUN_RUN_ID"))
        """The run's number, as in `jobrun show`."""
        self.attempt: int | None = _number(ask("JOBRUN_ATTEMPT"))
        """Which try this is, from 1; one that was lost to the host or given back is not counted."""
        self.max_attempts: int | None = _number(ask("JOBRUN_MAX_ATTEMPTS"))
        """How many tries the job has."""
        self.job: str | None = ask("JOBRUN_JOB")
        """The job's name."""
        self.queue: str | None = ask("JOBRUN_QUEUE")
        """The queue it runs in."""
        self.checkpoint_dir: str | None = ask("JOBRUN_CHECKPOINT_DIR")
        """Where checkpoints are kept, see `jobrun.task.checkpoint`."""
        self.resume_from: str | None = ask("JOBRUN_RESUME_FROM")
        """The checkpoint that this run was asked to go on from."""
        self._scheduled_at = ask("JOBRUN_SCHEDULED_AT")
        self._data_path = ask("JOBRUN_DATA")

    @property
    def scheduled_at(self) -> datetime | None:
        """The moment this run was due, with its offset; None for a run that no schedule asked for."""
        if not self._scheduled_at:
            return None
        from datetime import datetime

        # Before Python 3.11 fromisoformat knows no Z, and fractions of three or six digits only.
        moment, dot, fraction = self._scheduled_at.replace("Z", "+00:00").partition(".")
        if dot:
            digits, offset = fraction[:-6], fraction[-6:]
            moment = f"{moment}.{digits:0<6}{offset}"
        return datetime.fromisoformat(moment)

    @property
    def data(self) -> Any:
        """The job's `data`, or the data this run was submitted with; None if there is none.

        Raises OSError or ValueError if the file that $JOBRUN_DATA names cannot be read.
        """
        if not self._data_path:
            return None
        import json

        with open(self._data_path, encoding="utf-8") as file:
            return json.load(file)

    def __repr__(self) -> str:
        facts = ("run_id", "attempt", "max_attempts", "job", "queue", "scheduled_at")
        return f"Context({', '.join(f'{name}={getattr(self, name)!r}' for name in facts)})"


def context() -> Context:
    """The run this code belongs to: run_id, attempt, job, scheduled_at, data and more."""
    return Context()


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
