"""The alarm clock over the loop's real timers: never early, and each moment once."""

import asyncio
import time

from jobrun.daemon.alarm import Alarm
from jobrun.domain.instants import SECOND, Instant


def now() -> Instant:
    return time.time_ns() // 1000


def test_it_rings_when_the_moment_has_come_and_not_before():
    """The last millisecond is waited out awake, which must not be mistaken for the moment itself."""
    start = now()
    moments = [start + n * SECOND // 40 for n in range(1, 9)]
    rung: list[Instant] = []

    async def ring_all() -> None:
        over = asyncio.Event()

        def ring(_where: tuple[str, str]) -> None:
            rung.append(now())
            if len(rung) == len(moments):
                over.set()

        def next_at(_where: tuple[str, str], after: Instant) -> Instant | None:
            return next((moment for moment in moments if moment > after), None)

        alarm = Alarm(ring, next_at)
        alarm.start()
        alarm.arm(("job", "schedule"))
        await asyncio.wait_for(over.wait(), 30)
        alarm.stop()

    asyncio.run(ring_all())
    assert len(rung) == len(moments)
    assert all(moment <= at for moment, at in zip(moments, rung, strict=True))


def test_an_alarm_that_is_set_while_it_waits_awake_for_another():
    rung: list[str] = []

    async def ring_both() -> None:
        over = asyncio.Event()
        moment = {"far": now() + SECOND // 50, "near": 0}

        def ring(where: tuple[str, str]) -> None:
            rung.append(where[0])
            if where[0] == "far":
                over.set()
            moment[where[0]] = 0

        alarm = Alarm(ring, lambda where, after: at if (at := moment[where[0]]) > after else None)
        alarm.start()
        alarm.arm(("far", ""))
        loop, near = asyncio.get_running_loop(), asyncio.Event()

        def look() -> None:
            (near.set if now() >= moment["far"] - 1000 else lambda: loop.call_soon(look))()

        look()
        await near.wait()
        moment["near"] = now() + 200
        alarm.arm(("near", ""))
        await asyncio.wait_for(over.wait(), 30)
        alarm.stop()

    asyncio.run(ring_both())
    assert rung == ["near", "far"]
