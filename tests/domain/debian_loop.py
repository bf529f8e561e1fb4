"""Debian cron's main loop (3.0pl1, `cron.c`), played with a clock that is never late.

Written from the rules of that loop and from nothing in this project: it wakes
once a minute, compares the local clock with its own virtual one, and decides
from the difference which kinds of jobs run for which minutes. What it starts
for several minutes at one waking counts once here: a slot is one moment.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_THREE_HOURS = 180


def starts(fits: Callable[[int], bool], *, is_fixed: bool, zone: str, first: int, last: int) -> list[int]:
    """The minutes since 1970 (UTC) after `first`, up to `last`, at which the job is started.

    `fits` answers for a wall clock in seconds since 1970.
    """

    def due(wall_minute: int) -> bool:
        return fits(wall_minute * 60)

    started = []
    virtual = _local(zone, first)
    for minute in range(first + 1, last + 1):
        running = _local(zone, minute)
        difference = running - virtual
        run = False
        if difference == 1:
            virtual, run = running, due(running)
        elif 1 < difference <= 5:
            run = any(map(due, range(virtual + 1, running + 1)))
            virtual = running
        elif 5 < difference <= _THREE_HOURS:
            missed = range(virtual + 1, running + 1)
            run = any(map(due, missed)) if is_fixed else due(running)
            virtual = running
        elif -_THREE_HOURS < difference <= 0:
            run = not is_fixed and due(running)
        else:
            virtual, run = running, due(running)
        if run:
            started.append(minute)
    return started


@lru_cache(maxsize=1 << 17)
def _local(zone: str, minute: int) -> int:
    offset = datetime.fromtimestamp(minute * 60, ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return minute + int(offset.total_seconds()) // 60
