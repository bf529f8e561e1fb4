"""Somebody else's rule for the number of workers: a pool's `autoscaler`.

The function runs in a worker of its own, never in the daemon: it is asked once
a second, with backlog, busy, min and max, and its last answer holds, between
`min` and `max`, until the next one. While it has given none, raises, or does
not answer, the built-in rule holds.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobrun.conf.paths import Places
from jobrun.daemon.crew import Crew, CrewSetting
from jobrun.daemon.worker import Worker
from jobrun.domain.job import Pool
from jobrun.domain.run import Exit
from jobrun.proc.output import drop_paths
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.spec import Marker
from jobrun.proc.tree import kill_tree
from jobrun.proc.workerspec import WorkerKind, calls_text, function_text

# A policy that has not answered after this long, in seconds, is ended and asked anew.
_PATIENCE = 10.0


@dataclass(slots=True)
class _Asked:
    """A pool whose function is asked. `since` is by the loop's clock; 0 while no answer is due."""

    function: str
    worker: Worker
    since: float = 0.0
    answer: int | None = None
    has_failed: bool = False


class Policies:
    """Asks, and remembers the last answers. Lives in the loop's thread."""

    def __init__(self, setting: CrewSetting) -> None:
        self._places: Places = setting.places
        self._store_id = setting.store_id
        self._log = setting.log
        self._crew = Crew(setting, heard=self._hear, listened=lambda _worker: None, ended=self._ended)
        self._asked: dict[str, _Asked] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._crew)

    def end(self, worker: Worker, why: str) -> None:
        """KILL one that was dismissed and does not come to its end."""
        self._crew.end(worker, why)

    def wanted(self, pool: Pool) -> int | None:
        """How many workers the pool's function wants; None where the built-in rule holds."""
        asked = self._asked.get(pool.name)
        if pool.autoscaler is None or asked is None or asked.function != pool.autoscaler:
            return None
        return asked.answer

    def ask(self, pool: Pool, kind: WorkerKind, *, backlog: int, busy: int, most: int) -> None:
        """Ask the pool's function, unless it still thinks about the last question."""
        now = asyncio.get_running_loop().time()
        asked = self._asked.get(pool.name)
        if asked is not None and asked.function != pool.autoscaler:
            self._dismiss(pool.name)
            asked = None
        if asked is None:
            asked = self._employ(pool, kind)
        if asked is None:
            return
        if asked.since:
            if now - asked.since > _PATIENCE:
                self._fails(pool.name, asked, f"it has not answered for {_PATIENCE:g} s")
                kill_tree(asked.worker.identity, Marker(0, self._store_id))
            return
        if all(map(asked.worker.send, self._question(asked, [backlog, busy, pool.min, most]))):
            asked.since = now

    def forget(self, still: Mapping[str, Pool]) -> None:
        """Dismiss those of pools that are gone or have no function any more."""
        for name in list(self._asked):
            pool = still.get(name)
            if pool is None or pool.autoscaler != self._asked[name].function:
                self._dismiss(name)

    def recycle(self) -> None:
        """Have the functions loaded anew."""
        for name in list(self._asked):
            self._dismiss(name)

    async def close(self) -> None:
        """End them."""
        await self._crew.close()

    def _employ(self, pool: Pool, kind: WorkerKind) -> _Asked | None:
        assert pool.autoscaler is not None
        try:
            worker = self._crew.start(kind, Pool(name=f"{pool.name} (autoscaler)"))
        except SpawnRefused as refusal:
            self._log("autoscaler.failed", level="warning", pool=pool.name, error=refusal.sentence)
            return None
        asked = self._asked[pool.name] = _Asked(pool.autoscaler, worker)
        return asked

    def _dismiss(self, name: str) -> None:
        self._crew.retire(self._asked.pop(name).worker, "its pool has no such function any more")

    def _prefix(self, worker: Worker) -> str:
        return f"{worker.child.files.spool}/{_name(worker)}"

    def _question(self, asked: _Asked, args: list[int]) -> tuple[bytes, bytes]:
        return function_text(0, asked.function, args), calls_text(0, [f'"{_name(asked.worker)}"'])

    def _hear(self, worker: Worker, message: Mapping[str, Any]) -> None:
        operation = message.get("op")
        if operation == "ready":
            worker.note_ready(message)
        found = next(((n, a) for n, a in self._asked.items() if a.worker is worker), None)
        if found is None or operation not in ("ended", "stale", "refused", "failed"):
            return
        name, asked = found
        prefix = self._prefix(worker)
        drop_paths([f"{prefix}.status", f"{prefix}.out"])
        asked.since = 0.0
        if operation != "ended" or message.get("retire"):
            self._dismiss(name)
        report = message.get("report")
        told = report if isinstance(report, dict) else {}
        if operation == "ended" and isinstance(told.get("result"), int):
            asked.answer, asked.has_failed = told["result"], False
        elif operation != "stale":
            error = told.get("error") or message.get("error") or {}
            self._fails(name, asked, f"{error.get('type')}: {error.get('message')}" if error else "no number")

    def _fails(self, name: str, asked: _Asked, why: str) -> None:
        """Say it once, until it works again."""
        asked.answer = None
        if not asked.has_failed:
            asked.has_failed = True
            self._log("autoscaler.failed", level="warning", pool=name, function=asked.function, error=why)

    def _ended(self, worker: Worker, exit: Exit) -> None:
        for name in [name for name, asked in self._asked.items() if asked.worker is worker]:
            self._fails(name, self._asked.pop(name), "its process ended")
        prefix = self._prefix(worker)
        drop_paths([f"{prefix}.status", f"{prefix}.out"])
        self._crew.part_with(worker, exit, has_heirs=False)


def _name(worker: Worker) -> str:
    """What stands in place of a run's fence in a question: the files for it are the worker's own."""
    return f"0.{worker.number}.asked"
