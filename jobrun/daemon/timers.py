"""When delayed runs come due: one heap, one timer, read against the wall clock.

The timer sleeps at most a minute at a time and is looked at again when the
wall clock moves, so a delayed run starts at its moment whatever the clock did.
"""

import asyncio
import heapq
from collections.abc import Callable

from jobrun.domain.instants import SECOND, Instant

_LONGEST_SLEEP = 60.0


class DelayTimers:
    """Calls `due` with a run's id once its moment has come. The engine ignores one that came too late."""

    def __init__(self, due: Callable[[int], None], now: Callable[[], Instant]) -> None:
        self._due = due
        self._now = now
        self._heap: list[tuple[Instant, int]] = []
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, run_id: int, moment: Instant) -> None:
        """Remember a run's moment."""
        heapq.heappush(self._heap, (moment, run_id))
        if self._heap[0] == (moment, run_id):
            self.look_again()

    def look_again(self) -> None:
        """Report what is due by now and sleep until the next moment."""
        self.stop()
        now = self._now()
        while self._heap and self._heap[0][0] <= now:
            _, run_id = heapq.heappop(self._heap)
            self._due(run_id)
        if self._heap:
            sleep = min((self._heap[0][0] - now) / SECOND, _LONGEST_SLEEP)
            self._timer = asyncio.get_running_loop().call_later(sleep, self.look_again)

    def stop(self) -> None:
        """Sleep no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
