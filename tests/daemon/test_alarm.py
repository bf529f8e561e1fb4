"""The alarm clock over the loop's real timers: never early."""

import asyncio
import time

from jobrun.daemon.alarm import Alarm
from jobrun.domain.instants import SECOND, Instant


def now() -> Instant:
    return time.time_ns() // 1000


def test_it_rings_when_the_moment_has_come_and_not_before():
    """The last millisecond is waited out awake, which must not be mistaken for the moment itself."""
    start = now()
    moments = [start + n * SECOND // 20 for n in range(1, 9)]
    rung: list[Instant] = []

    async def ring_all() -> None:
        over = asyncio.Event()

        def ring(_where: tuple[str, str]) -> None:
            rung.append(now())
            if rung[-1] >= moments[-1]:
                over.set()

        def next_at(_where: tuple[str, str], after: Instant) -> Instant | None:
            return next((moment for moment in moments if moment > after), None)

        alarm = Alarm(ring, next_at)
        alarm.start()
        alarm.arm(("job", "schedule"))
        await asyncio.wait_for(over.wait(), 30)
        alarm.stop()

    asyncio.run(ring_all())
    # A host that is busy may ring once for several of them; never more often than moments have come.
    assert all(len(rung[:n]) <= sum(m <= at for m in moments) for n, at in enumerate(rung, 1))
