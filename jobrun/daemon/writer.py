"""The one writer thread: the only thread that touches the database file for writing."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from jobrun.domain.errors import StoreTrouble
from jobrun.domain.instants import Instant
from jobrun.domain.ledger import Fact
from jobrun.store.snapshot import Snapshot
from jobrun.store.writer import Ledger

T = TypeVar("T")
# Seconds to wait for another process's lock: shorter than any client waits for its answer.
_LONGEST_LOCK = 2.0


class Writer:
    """Runs the ledger's calls on its own thread, one after the other."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobrun-writer")
        try:
            open_ledger = partial(Ledger, path, busy_timeout=_LONGEST_LOCK)
            self.ledger: Ledger = self._thread.submit(open_ledger).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def load(self, definitions_from: Instant) -> Snapshot:
        """The present, as the store has it. Blocks; before the loop runs.

        Definitions that no run needs and that were last seen before
        `definitions_from` are dropped first: later, the engine holds their ids.
        """
        with suppress(StoreTrouble):
            # A full disk must not keep the daemon from adopting what runs; the next start tries again.
            self._thread.submit(self.ledger.drop_definitions, definitions_from).result()
        return self._thread.submit(self.ledger.load).result()

    async def commit(self, facts: Sequence[Fact]) -> None:
        """Write facts in one transaction. Raises StoreTrouble or StaleWrite."""
        await self.call(lambda: self.ledger.commit(facts))

    async def call(self, work: Callable[[], T]) -> T:
        """Run something on the writer thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Close the database and end the thread."""
        self._thread.submit(self.ledger.close).result()
        self._thread.shutdown()
