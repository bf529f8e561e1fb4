"""The workers there are: started, listened to, and parted with when they end.

The rule: what a worker said before it ended is heard before its end is. Who
makes which call is decided elsewhere (`pools`). A worker that has further calls
to make anyway is listened to a little later: what it says of several calls is
then heard at once, and nothing waits for it but more work.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobrun.conf.paths import Places
from jobrun.daemon.worker import Worker, start_worker
from jobrun.domain.instants import Instant
from jobrun.domain.job import Pool
from jobrun.domain.run import Exit
from jobrun.proc.cgroup import Delegated
from jobrun.proc.workerspec import WorkerKind

# A worker that was told to end and makes no call is given this long, in seconds.
FAREWELL = 10.0
# So long what a worker says of short calls is gathered, in seconds.
_GATHERED = 0.001


@dataclass(frozen=True, slots=True)
class CrewSetting:
    """Where workers live. `numbers` gives each its own: no two that can be alive at once have one,
    whichever daemon started them."""

    places: Places
    store_id: str
    cgroups: Delegated | None
    numbers: Iterator[int]
    now: Callable[[], Instant]
    log: Callable[..., None]


class Crew:
    """Worker processes of the daemon. Owns their readers in the loop."""

    def __init__(
        self,
        setting: CrewSetting,
        *,
        heard: Callable[[Worker, Mapping[str, Any]], None],
        listened: Callable[[Worker], None],
        ended: Callable[[Worker, Exit], None],
    ) -> None:
        self._setting = setting
        self._heard = heard
        self._listened = listened
        self._ended = ended
        self._workers: dict[int, Worker] = {}
        self._news = asyncio.Event()
        self._unheard: list[Worker] = []

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def of(self, pool: str) -> list[Worker]:
        """The workers of one pool, those about to end included; the oldest first."""
        return [worker for worker in self._workers.values() if worker.pool.name == pool]

    def start(self, kind: WorkerKind, pool: Pool) -> Worker:
        """Start one more. Raises SpawnRefused."""
        setting = self._setting
        worker = start_worker(
            next(setting.numbers),
            kind,
            pool,
            store_id=setting.store_id,
            attempts_dir=setting.places.attempts,
            logs_dir=setting.places.logs,
            opened_at=setting.now(),
            cgroups=setting.cgroups,
        )
        self._workers[worker.number] = worker
        loop = asyncio.get_running_loop()
        loop.add_reader(worker.fileno(), self._listen, worker)
        loop.add_reader(worker.child.fileno(), self._look_for_end, worker)
        self._tell("worker.started", worker, pid=worker.identity.pid)
        return worker

    def retire(self, worker: Worker, why: str) -> None:
        """Have one end once it has made the calls it has."""
        if not worker.is_retiring:
            self._tell("worker.retired", worker, why=why)
            worker.retire()

    def end(self, worker: Worker, why: str) -> None:
        """KILL one that does not end by itself; its end is seen as every other one."""
        self._tell("worker.killed", worker, level="warning", why=why)
        worker.kill(self._setting.store_id)

    def part_with(self, worker: Worker, exit: Exit, *, has_heirs: bool) -> None:
        """Its calls are seen to: say how it ended, if it was not told to, and leave nothing of it.

        `has_heirs`: a call ended with it, and takes its files along once that is durable.
        """
        if worker.is_retiring and exit.exit_code == 0:
            self._tell("worker.ended", worker)
        else:
            self._tell(
                "worker.died",
                worker,
                level="warning",
                exit_code=exit.exit_code,
                signal=exit.signal,
                said=worker.last_words(),
            )
        worker.bury(has_heirs=has_heirs)

    async def close(self, patience: float = FAREWELL) -> None:
        """Have every idle worker end; one that makes a call is left to make it."""
        loop = asyncio.get_running_loop()
        for worker in self:
            if worker.current is None:
                self.retire(worker, "the daemon is stopping")
        deadline = loop.time() + patience
        while any(worker.current is None for worker in self):
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), deadline - loop.time())
            except TimeoutError:
                break
        for worker in self:
            self._stop_listening(worker)
            if worker.current is None:
                worker.kill(self._setting.store_id)
                worker.bury()
            else:
                worker.close()
        self._workers.clear()

    def _listen(self, worker: Worker) -> None:
        has_spoken = self._hear(worker)
        self._listened(worker)
        # One that is silent is waited for, not asked again and again.
        if has_spoken and len(worker.calls) > 1 and worker.number in self._workers:
            loop = asyncio.get_running_loop()
            loop.remove_reader(worker.fileno())
            if not self._unheard:
                loop.call_later(_GATHERED, self._listen_again)
            self._unheard.append(worker)

    def _hear(self, worker: Worker) -> bool:
        """Hear what it has said. Returns whether it has said anything."""
        has_spoken = False
        for message in worker.messages():
            has_spoken = True
            self._heard(worker, message)
        if has_spoken:
            self._news.set()
        return has_spoken

    def _listen_again(self) -> None:
        """Hear those that were not listened to for a moment."""
        loop = asyncio.get_running_loop()
        unheard, self._unheard = self._unheard, []
        here = [worker for worker in unheard if worker.number in self._workers]
        for worker in here:
            loop.add_reader(worker.fileno(), self._listen, worker)
        for worker in here:
            self._listen(worker)

    def _look_for_end(self, worker: Worker) -> None:
        exit = worker.poll()
        if exit is None:
            return
        self._hear(worker)
        self._stop_listening(worker)
        del self._workers[worker.number]
        self._ended(worker, exit)
        self._news.set()

    def _stop_listening(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.fileno())
        loop.remove_reader(worker.child.fileno())

    def _tell(self, event: str, worker: Worker, *, level: str = "debug", **fields: Any) -> None:
        self._setting.log(event, level=level, pool=worker.pool.name, worker=worker.number, **fields)
