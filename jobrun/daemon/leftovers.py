"""At start: the files of attempts that are over, and what is left of runs of which the store knows nothing.

Such runs were made after the backup that the store was restored from. Their numbers will be given out
again, so nothing of them may stay where it would be taken for a new run's.

The rule: a name in a spool may be a job's own making. It counts only if one of our files could have it.
"""

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from jobrun.conf.paths import Places
from jobrun.domain.run import Fence, Run
from jobrun.proc.output import drop_paths
from jobrun.proc.regular import note_odd
from jobrun.proc.spawn import is_worker
from jobrun.proc.spec import Marker
from jobrun.proc.spool import leader_of, worker_of
from jobrun.proc.tree import kill_tree, sweep
from jobrun.store.reader import History

_NAME = re.compile(r"(\d{1,18})\.(\d{1,18})\..+", re.ASCII | re.DOTALL)
_STATUS = ".status"


def drop_leftovers(places: Places, history: History, live: Iterable[Run]) -> int:
    """Drop the working files of attempts that are not under way. Returns how many attempts that were."""
    runs = list(live)
    current = {run.fence for run in runs if run.has_process}
    attempts = {run.id: run.attempt for run in runs}
    last = history.last_run_id()

    def is_unknown(fence: Fence) -> bool:
        return fence.run_id > last or fence.attempt > attempts.get(fence.run_id, fence.attempt)

    spooled = _by_fence(places.attempts)
    at_work = {worker_of(str(path)) for fence in current for path in _statuses(spooled.get(fence, ()))}
    _end_unknown({fence: paths for fence, paths in spooled.items() if fence.run_id > last}, history)
    _set_aside(places, last, is_unknown)
    days = list(places.logs.glob("*/"))
    dropped = 0
    for fence, paths in spooled.items():
        if fence.run_id == 0:
            # A worker's own; of an earlier daemon all have ended, or will with the call they make.
            if fence.attempt not in at_work:
                drop_paths(map(str, paths))
        elif fence not in current:
            _drop(fence, [*_in_days(fence, days), *paths], places, history)
            dropped += 1
    return dropped


def _by_fence(attempts: Path) -> dict[Fence, list[Path]]:
    """The files of all spools; of each attempt the status file last."""
    others = [folder for folder in attempts.glob("u[0-9]*") if folder.is_dir() and not folder.is_symlink()]
    found: dict[Fence, list[Path]] = {}
    for folder in (attempts, *others):
        for name in _names(folder):
            fence = _fence_of(name)
            if fence is not None:
                found.setdefault(fence, []).append(folder / name)
    for paths in found.values():
        paths.sort(key=lambda path: path.suffix == _STATUS)
    return found


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208 - names
    return []


def _fence_of(name: str) -> Fence | None:
    """The attempt to which a file of that name belongs; of a worker's own it is (0, its number)."""
    match = _NAME.fullmatch(name)
    return Fence(int(match[1]), int(match[2])) if match is not None else None


def _statuses(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix == _STATUS]


def _drop(fence: Fence, paths: Iterable[Path], places: Places, history: History) -> None:
    """Remove what an attempt left, but for the output that the store says is in a file."""
    kept = {
        places.state_dir / output.path
        for output in history.outputs(fence.run_id)
        if output.fence == fence and output.path is not None
    }
    drop_paths(str(path) for path in paths if path not in kept)


def _in_days(fence: Fence, days: Iterable[Path]) -> list[Path]:
    """Where an output that was kept in a row may have its file still."""
    return [day / f"{fence}.{end}" for day in days for end in ("out", "err")]


def _end_unknown(spooled: dict[Fence, list[Path]], history: History) -> None:
    """End what still runs of runs that are not in the store: their worker, or all that carries their mark."""
    if not spooled:
        return
    store_id = history.meta()["store_id"]
    for paths in spooled.values():
        for path in _statuses(paths):
            leader = leader_of(str(path))
            if leader is not None and is_worker(leader, store_id, path.parent.stat().st_uid):
                kill_tree(leader, Marker(0, store_id))
    for run_id in {fence.run_id for fence, paths in spooled.items() if _statuses(paths)}:
        sweep(None, Marker(run_id, store_id))


def _set_aside(places: Places, last: int, is_unknown: Callable[[Fence], bool]) -> None:
    """Move the logs and checkpoints of runs that are not in the store to where nobody takes them for a new
    run's; whoever restored the store may want them."""
    found: list[Path] = []
    for day in _names(places.logs):
        for name in _names(places.logs / day):
            fence = _fence_of(name)
            if fence is not None and is_unknown(fence):
                found.append(places.logs / day / name)
    checkpoints = places.state_dir / "checkpoints"
    for job in _names(checkpoints):
        numbers = [name for name in _names(checkpoints / job) if re.fullmatch(r"\d{1,18}", name, re.ASCII)]
        found += [checkpoints / job / number for number in numbers if int(number) > last]
    if not found:
        return
    aside = places.state_dir / "set-aside" / str(time.time_ns())
    with suppress(OSError):
        aside.parent.mkdir(mode=0o700)
    for path in found:
        to = aside / path.relative_to(places.state_dir)
        with suppress(OSError):
            to.parent.mkdir(parents=True, exist_ok=True)
            path.rename(to)
    note_odd(f"logs and checkpoints of runs that the store does not know (after run {last}) are in {aside}")
