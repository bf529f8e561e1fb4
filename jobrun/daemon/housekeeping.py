"""Side tasks that are nobody else's: pruning old history, and watching the job files for changes."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from jobrun.conf.paths import Places
from jobrun.daemon.book import Book
from jobrun.daemon.writer import Writer
from jobrun.domain.errors import StoreTrouble
from jobrun.domain.instants import Instant
from jobrun.domain.job import Retention
from jobrun.store.prune import Pruned

_FIRST_PRUNE = 20.0
_PRUNE_EVERY = 600.0
_PRUNE_MORE = 1.0
# The writer is held for this long a piece: about a tenth of a second (bench/fill_store.py).
_PRUNE_AT_ONCE = 200


async def prune_for_ever(
    writer: Writer, book: Book, places: Places, now: Callable[[], Instant], log: Callable[..., None]
) -> None:
    """Drop finished runs beyond their jobs' retention, a bounded number at a time."""
    await asyncio.sleep(_FIRST_PRUNE)
    while True:
        try:
            pruned = await prune_once(writer, book, places, now(), log)
            log("history.pruned", level="debug", runs=pruned.runs, logs=len(pruned.logs))
            if pruned.more:
                await asyncio.sleep(_PRUNE_MORE)
                continue
        except StoreTrouble as trouble:
            log("history.not_pruned", level="warning", error=trouble.sentence)
        await asyncio.sleep(_PRUNE_EVERY)


async def prune_once(
    writer: Writer, book: Book, places: Places, now: Instant, log: Callable[..., None]
) -> Pruned:
    """One round of pruning, and the removal of the logs and checkpoints that went with it."""
    retention: Mapping[str, Retention] = {job.name: job.retention for job in book.plan.jobs.values()}
    pruned = await writer.call(lambda: writer.ledger.prune(now, retention, _PRUNE_AT_ONCE))
    for path in pruned.logs:
        _remove_log(places.state_dir / path, log)
    for directory in pruned.checkpoints:
        # Whatever is in it now was the run's; what cannot be removed is nobody's concern but the disk's.
        with suppress(RecursionError):
            shutil.rmtree(places.state_dir / directory, ignore_errors=True)
    return pruned


def _remove_log(path: Path, log: Callable[..., None]) -> None:
    """Remove a log, and its day's folder with the last one. What cannot be removed is told and left."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # Its row is gone, so this is the only time that it is tried.
        log("history.left", level="warning", path=str(path), error=(error.strerror or "").lower())
    with suppress(OSError):
        # Most often the folder still holds other logs.
        path.parent.rmdir()


class FileWatch:
    """Tells when the job files have changed and have been left alone since the last look."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._applied = self._signature()
        self._seen = self._applied

    def has_settled_change(self) -> bool:
        """Whether the files differ from those last applied, and did not change since the last call."""
        signature = self._signature()
        settled = signature == self._seen and signature != self._applied
        self._seen = signature
        if settled:
            self._applied = signature
        return settled

    def applied(self) -> None:
        """The files as they are now are being read."""
        self._applied = self._seen = self._signature()

    def forget(self) -> None:
        """What was read is not in force after all: the files count as changed."""
        self._applied = ()

    def _signature(self) -> tuple[tuple[str, int, int, int], ...]:
        directory = self._places.jobs_dir
        extra = sorted(directory.glob("*.toml")) if directory.is_dir() else []
        return tuple(_mark(path) for path in (self._places.config, *extra))


def _mark(path: Path) -> tuple[str, int, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), facts.st_mtime_ns, facts.st_size, facts.st_ino)
