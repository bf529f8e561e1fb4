"""The checkpoints that a run has kept, seen from inside its job or from anywhere else."""

import os
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from jobrun.cli.cells import Look
from jobrun.cli.findrun import find_run
from jobrun.cli.moments import iso
from jobrun.cli.reach import Reach
from jobrun.cli.render import Table
from jobrun.cli.words import meta_words
from jobrun.domain.errors import JobrunError, NotFound, UsageError
from jobrun.domain.instants import Instant, from_datetime
from jobrun.domain.job import Job
from jobrun.domain.run import Run

Entry = dict[str, Any]


def kept_here() -> list[Entry]:
    """The checkpoints of the job that asks, oldest first. Raises UsageError outside a job."""
    from jobrun.task.checkpoint import all as all_kept

    if not os.environ.get("JOBRUN_RUN_ID"):
        raise UsageError("Name a run: this is not inside one.", "Write: jobrun checkpoint list RUN")
    return all_kept()


def kept_by(reach: Reach, run_id: int) -> list[Entry]:
    """The checkpoints of a run, oldest first. Raises NotFound for no such run, or one that keeps none."""
    from jobrun.domain.definition import decode
    from jobrun.proc.checkpoints import read_index

    row = find_run(reach, run_id)
    definition = reach.history.definition(row.run.definition_id)
    job = decode(definition.body) if definition is not None else None
    if job is None or job.checkpoint is None:
        raise NotFound(
            f"Run {run_id} of {row.run.job} keeps no checkpoints.",
            "Write checkpoint = true in the job file.",
        )
    directory = _directory(job, row.run, reach.places.state_dir)
    # A directory that the job file names is shared by all runs of the job.
    is_own = job.checkpoint.dir is None
    entries = [entry for entry in read_index(directory) if is_own or entry.get("run") == run_id]
    found = [{**entry, "path": directory / entry["file"]} for entry in entries]
    return [entry for entry in found if entry["path"].exists()]


def newest_of(reach: Reach, run_id: int) -> str | None:
    """The path of the checkpoint that a run saved last; None if it has none. Raises NotFound."""
    kept = kept_by(reach, run_id)
    return str(kept[-1]["path"]) if kept else None


def _directory(job: Job, run: Run, state_dir: Path) -> Path:
    """Where the run's checkpoints are. Raises JobrunError if that cannot be told from here."""
    from jobrun.proc.account import account
    from jobrun.proc.checkpoints import run_directory
    from jobrun.proc.environment import expand, job_environment
    from jobrun.proc.refusal import SpawnRefused

    assert job.checkpoint is not None
    if job.checkpoint.dir is None:
        return run_directory(run.job, run.id, state_dir)
    try:
        env = job_environment(job, base=os.environ, account=account(job.user, job.group))
        env |= {"JOBRUN_JOB": run.job, "JOBRUN_QUEUE": run.queue, "JOBRUN_RUN_ID": str(run.id)}
        return Path(env["HOME"] or "/", expand(job.checkpoint.dir, env, os.environ, "checkpoint.dir"))
    except SpawnRefused as refused:
        raise JobrunError(f"The checkpoints of run {run.id} cannot be found: {refused.sentence}.") from None


def checkpoint_shape(entry: Entry, zone: tzinfo | None) -> dict[str, Any]:
    """One checkpoint."""
    meta = entry.get("meta")
    return {
        "step": entry["step"],
        "path": str(entry["path"]),
        "at": iso(_saved_at(entry), zone),
        "run": entry.get("run"),
        "attempt": entry.get("attempt"),
        "meta": meta if isinstance(meta, dict) else {},
    }


def checkpoints_table(entries: list[Entry], look: Look) -> Table:
    """The checkpoints, oldest first."""
    table = Table(("step", "saved", "run", "attempt", "meta", "path"), right=("step", "run", "attempt"))
    for entry in entries:
        run, attempt = entry.get("run"), entry.get("attempt")
        table.rows.append(
            (
                str(entry["step"]),
                look.moment(_saved_at(entry)),
                "-" if run is None else str(run),
                "-" if attempt is None else str(attempt),
                meta_words(entry.get("meta")),
                str(entry["path"]),
            )
        )
    return table


def _saved_at(entry: Entry) -> Instant | None:
    """When it was saved; None if the index, which jobs write, says nothing that is a moment."""
    try:
        return from_datetime(datetime.fromisoformat(str(entry.get("at"))))
    except (ValueError, OverflowError):
        return None
