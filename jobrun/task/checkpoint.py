"""Checkpoints: files from which a later attempt, or another run, can go on.

They lie in the job's checkpoint directory ($JOBRUN_CHECKPOINT_DIR), which all
attempts share. `index.json` there names them, oldest first; only the newest
$JOBRUN_CHECKPOINT_KEEP are kept. What is in the index is whole: a file is
written in full and flushed to disk before it is named.

Outside jobrun, and in a job that keeps no checkpoints, `save` does nothing
and `latest` is None.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from jobrun.task.results import write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

INDEX = "index.json"
INTERVAL = 10


def directory() -> Path | None:
    """Where this job's checkpoints are kept; None if it keeps none. It exists."""
    path = os.environ.get("JOBRUN_CHECKPOINT_DIR")
    if not path:
        return None
    found = Path(path)
    found.mkdir(parents=True, exist_ok=True)
    return found


def due(step: int) -> bool:
    """Whether the job's `interval` says to save one at this step: every tenth, if it says nothing."""
    text = os.environ.get("JOBRUN_CHECKPOINT_INTERVAL", "")
    interval = int(text) if text.isdigit() and int(text) else INTERVAL
    return step > 0 and step % interval == 0


def save(path: str | os.PathLike[str], step: int, **meta: Any) -> Path:
    """Register a file (or a directory) as the checkpoint of a step, and return where it is kept.

    One that lies outside the checkpoint directory is copied into it, as
    NAME_step_N: the original may be written over afterwards. One that was
    written inside is kept under its name. Older ones than the newest KEEP are
    removed. `meta` are JSON values to find again in `all()`.

    Raises OSError if the file is missing or cannot be kept, ValueError if
    `meta` is not JSON.
    """
    source = Path(path)
    home = directory()
    if home is None:
        return source
    json.dumps(meta, allow_nan=False)
    with _locked(home):
        name = _name_inside(source, home)
        if name is None:
            name = _copied(source, home, step)
        else:
            _flush(source)
        entry = {
            "step": int(step),
            "file": name,
            "at": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "run": _number("JOBRUN_RUN_ID"),
            "attempt": _number("JOBRUN_ATTEMPT"),
            "meta": meta,
        }
        entries = [each for each in _entries(home) if each["file"] != name]
        entries.append(entry)
        kept = entries[-_keep(len(entries)) :]
        write_whole(str(home / INDEX), json.dumps({"checkpoints": kept}, indent=1) + "\n", 0o666)
        _flush_one(home)
        # After the index: what it names is always there.
        for old in entries[: len(entries) - len(kept)]:
            _remove(home / old["file"])
    return home / name


def latest() -> Path | None:
    """The checkpoint to go on from, or None to begin at the beginning.

    The newest one this very run has saved (in an earlier attempt); else the
    one it was asked to resume from ($JOBRUN_RESUME_FROM); else the newest of
    the job's. In a job with `resume = false` ($JOBRUN_CHECKPOINT_RESUME is 0)
    each attempt begins anew: only what it has saved itself counts, and what it
    was asked to resume from.
    """
    home = directory()
    found = [] if home is None else _existing(home)
    asked = os.environ.get("JOBRUN_RESUME_FROM")
    is_anew = os.environ.get("JOBRUN_CHECKPOINT_RESUME") == "0"
    if asked or is_anew:
        run, attempt = _number("JOBRUN_RUN_ID"), _number("JOBRUN_ATTEMPT")
        found = [(entry, path) for entry, path in found if run is not None and entry["run"] == run]
        if is_anew:
            found = [(entry, path) for entry, path in found if entry["attempt"] == attempt]
    if found:
        return found[-1][1]
    return Path(asked) if asked else None


def all() -> list[dict[str, Any]]:
    """The kept checkpoints, oldest first: step, path, at, run, attempt, meta of each."""
    home = directory()
    if home is None:
        return []
    facts = ("step", "at", "run", "attempt", "meta")
    return [{"path": path, **{name: entry[name] for name in facts}} for entry, path in _existing(home)]


def _existing(home: Path) -> list[tuple[dict[str, Any], Path]]:
    found = [(entry, home / entry["file"]) for entry in _entries(home)]
    return [(entry, path) for entry, path in found if path.exists()]


def _entries(home: Path) -> list[dict[str, Any]]:
    """What the index says; an index that is missing or no such thing says nothing."""
    try:
        read = json.loads((home / INDEX).read_text("utf-8"))
        entries = list(read["checkpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    blank: dict[str, Any] = {"at": None, "run": None, "attempt": None, "meta": {}}
    return [
        {**blank, **entry}
        for entry in entries
        if isinstance(entry, dict) and _is_name(entry.get("file")) and isinstance(entry.get("step"), int)
    ]


def _is_name(file: object) -> bool:
    """Whether it names something inside the directory: the index must not make us remove anything else."""
    return isinstance(file, str) and bool(file) and not os.path.isabs(file) and ".." not in Path(file).parts


def _name_inside(source: Path, home: Path) -> str | None:
    try:
        name = source.resolve(strict=True).relative_to(home.resolve()).as_posix()
    except ValueError:
        return None
    return None if name == "." else name


def _copied(source: Path, home: Path, step: int) -> str:
    """Copy a file or a directory in, and give the name it got there.

    Never by a hard link: a job that writes the same file at every step would
    write over its checkpoints.
    """
    name = f"{source.stem}_step_{int(step)}{source.suffix}"
    beside = home / f".{name}.{os.getpid()}.new"
    try:
        if source.is_dir():
            shutil.copytree(source, beside)
        else:
            shutil.copyfile(source, beside)
        _flush(beside)
        _remove_tree_in_the_way(home / name)
        os.replace(beside, home / name)
    except BaseException:
        _remove(beside)
        raise
    return name


def _remove_tree_in_the_way(path: Path) -> None:
    # A file is replaced by the rename; a directory that is not empty cannot be.
    if path.is_dir():
        shutil.rmtree(path)


def _flush(path: Path) -> None:
    """To the disk, with all that is below it."""
    if path.is_dir():
        for below in path.iterdir():
            _flush(below)
    _flush_one(path)


def _flush_one(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink()
    except OSError:
        return


def _keep(count: int) -> int:
    text = os.environ.get("JOBRUN_CHECKPOINT_KEEP", "")
    return int(text) if text.isdigit() and int(text) else count


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else None


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time: the ranks of a distributed training save at the same moment."""
    fd = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
