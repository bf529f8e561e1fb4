"""Where a run keeps its checkpoints, and from which one it goes on.

A run's directory lasts as long as its row: it is the same for all its
attempts, and a run that tries an earlier one again finds that one's. The index
in it is written by the job's side (`task/checkpoint`); here it is only read,
and anything odd in it counts as no checkpoint.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobrun.domain.job import Checkpoint, Job
from jobrun.domain.run import Run
from jobrun.proc.account import Account
from jobrun.proc.environment import expand
from jobrun.proc.refusal import refused
from jobrun.proc.regular import read_regular

LATEST = "latest"
INDEX = "index.json"
_PRIVATE = 0o700
_PASSABLE = 0o711
_LARGEST_INDEX = 1 << 20


def checkpoint_environment(
    job: Job,
    run: Run,
    state_dir: Path,
    *,
    env: Mapping[str, str],
    base: Mapping[str, str],
    who: Account,
) -> dict[str, str]:
    """The variables of a job with checkpoints; its directory is made. Empty for others.

    Raises SpawnRefused if the directory cannot be made.
    """
    wish = job.checkpoint
    if wish is None:
        return {"JOBRUN_RESUME_FROM": run.resume_from} if run.resume_from else {}
    root = _root(job, wish, state_dir, env, base)
    own = root if wish.dir is not None else root / str(run.id)
    _make(own, who, below=state_dir if wish.dir is None else None)
    found = {
        "JOBRUN_CHECKPOINT_DIR": str(own),
        "JOBRUN_CHECKPOINT_KEEP": str(wish.keep),
        "JOBRUN_CHECKPOINT_INTERVAL": str(wish.interval),
    }
    if not wish.resume:
        found["JOBRUN_CHECKPOINT_RESUME"] = "0"
    resume = _resume_from(run, wish, root, own)
    return {**found, "JOBRUN_RESUME_FROM": resume} if resume else found


def _resume_from(run: Run, wish: Checkpoint, root: Path, own: Path) -> str | None:
    """What was asked for; else, if the job resumes, the newest of this run or of the one it tries again."""
    if run.resume_from == LATEST:
        return newest([own, *_directories(root)])
    if run.resume_from is not None:
        return run.resume_from
    if not wish.resume:
        return None
    if run.attempt > 1 and (found := newest([own])) is not None:
        return found
    if run.retry_of is not None and wish.dir is None:
        return newest([root / str(run.retry_of)])
    return None


def newest(directories: Iterable[Path]) -> str | None:
    """The path of the checkpoint saved last in any of the directories; None if there is none."""
    found: tuple[str, str] | None = None
    for directory in dict.fromkeys(directories):
        for entry in read_index(directory):
            path = directory / entry["file"]
            # Unlike `Path.exists` it answers to a name that cannot be, too.
            is_there = os.path.exists(path)  # noqa: PTH110
            if is_there and (found is None or entry["at"] >= found[0]):
                found = (entry["at"], str(path))
    return found[1] if found is not None else None


def read_index(directory: Path) -> list[dict[str, Any]]:
    """The checkpoints registered in a directory, oldest first; each has at least `file`, `step` and `at`."""
    try:
        raw = json.loads(read_regular(directory / INDEX, _LARGEST_INDEX) or b"")
    except (ValueError, RecursionError):
        return []
    entries = raw.get("checkpoints") if isinstance(raw, dict) else None
    return [entry for entry in entries if _is_entry(entry)] if isinstance(entries, list) else []


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    name = entry.get("file")
    return (
        isinstance(name, str)
        and _is_inside(name)
        and isinstance(entry.get("at"), str)
        and isinstance(entry.get("step"), int)
    )


def _is_inside(name: str) -> bool:
    """Whether the index means a file of the directory, or of a folder in it."""
    path = Path(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def run_directory(job: str, run_id: int, state_dir: Path) -> Path:
    """Where a run keeps its checkpoints if its job names no directory."""
    return state_dir / "checkpoints" / job / str(run_id)


def _root(
    job: Job, wish: Checkpoint, state_dir: Path, env: Mapping[str, str], base: Mapping[str, str]
) -> Path:
    if wish.dir is None:
        return run_directory(job.name, 0, state_dir).parent
    return Path(env["HOME"] or "/", expand(wish.dir, env, base, "checkpoint.dir"))


def _directories(root: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in root.iterdir() if path.name.isdecimal()]
    return []


def _make(directory: Path, who: Account, below: Path | None) -> None:
    """Make it for the job's user. Below the state directory each step may be passed through by others."""
    try:
        if below is not None:
            step = below
            for part in directory.relative_to(below).parts[:-1]:
                step = step / part
                step.mkdir(mode=_PASSABLE, exist_ok=True)
        else:
            directory.parent.mkdir(parents=True, exist_ok=True)
        _make_last(directory, who)
    except OSError as error:
        raise refused(error, f"make the checkpoint directory {directory}") from error


def _make_last(directory: Path, who: Account) -> None:
    """Make it in its folder, and give it away there: the path may mean something else a moment later."""
    folder = os.open(directory.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.mkdir(directory.name, _PRIVATE, dir_fd=folder)
        if who.switch is not None:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            own = os.open(directory.name, flags, dir_fd=folder)
            try:
                os.fchown(own, who.switch[0], who.switch[1])
            finally:
                os.close(own)
    except FileExistsError:
        if not directory.is_dir():
            raise
    finally:
        os.close(folder)
