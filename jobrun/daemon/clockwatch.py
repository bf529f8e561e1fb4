"""Noticing that time did something: a clock step, a suspend, a stalled daemon.

Three clocks are compared once a second, and whenever the engine asks for the
time: so nothing is decided by a clock whose step is not known. CLOCK_REALTIME against CLOCK_BOOTTIME
shows that the wall clock was set; CLOCK_BOOTTIME against CLOCK_MONOTONIC shows
a suspend (monotonic time stands still in it); a late tick shows that the
daemon itself was stopped or starved.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobrun.domain.instants import SECOND, Duration, Instant

TICK = 1.0
# NTP slews by at most 500 ppm: half a millisecond between two ticks. Below this a step changes no decision.
STEP: Duration = SECOND * 9 // 10
STALL: Duration = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Reading:
    """The three clocks at one moment, in microseconds."""

    wall: Instant
    boot: Duration
    monotonic: Duration


def read_clocks() -> Reading:
    """The host's clocks."""
    return Reading(
        time.time_ns() // 1000,
        time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000,
        time.monotonic_ns() // 1000,
    )


class ClockWatch:
    """Ticks, compares, and calls back. Owns its one timer."""

    def __init__(
        self,
        *,
        stepped: Callable[[Instant, Instant], None],
        suspended: Callable[[Instant, Duration], None],
        stalled: Callable[[Instant, Duration], None],
        tick: Callable[[], None],
        read: Callable[[], Reading] = read_clocks,
    ) -> None:
        self._stepped = stepped
        self._suspended = suspended
        self._stalled = stalled
        self._tick = tick
        self._read = read
        self._last = read()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tick; inside a running loop."""
        self._timer = asyncio.get_running_loop().call_later(TICK, self._ring)

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._ring)
        self.compare()
        self._tick()

    def now(self) -> Instant:
        """The wall clock, after what happened to it since the last reading was told."""
        self.compare()
        return self._last.wall

    def compare(self) -> None:
        """Compare the clocks with the last reading and call back for what is found."""
        last, now = self._last, self._read()
        self._last = now
        boot, monotonic = now.boot - last.boot, now.monotonic - last.monotonic
        asleep = boot - monotonic
        expected = last.wall + boot
        if asleep >= STEP:
            self._suspended(last.wall, asleep)
        elif monotonic >= STALL:
            self._stalled(last.wall, monotonic)
        if abs(now.wall - expected) >= STEP:
            self._stepped(expected, now.wall)
