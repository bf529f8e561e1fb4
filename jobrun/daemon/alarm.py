"""The alarm clock: APScheduler, reduced to ringing.

One APScheduler job per schedule, with a trigger that asks our calendar and an
executor that posts to the engine's inbox instead of running anything. What a
late ring means is decided and recorded by the engine.

The trigger always answers with the first slot after *now*, so APScheduler
never enumerates a gap (a year of minutely instants took it 15 s), and
`misfire_grace_time=None` with `coalesce=False` keeps it from judging lateness.
APScheduler's own sleeps run on the monotonic clock: whoever notices that the
wall clock moved calls `look_again`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.base import BaseExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from jobrun.daemon.book import ScheduleId
from jobrun.domain.instants import Instant, from_datetime, to_datetime

# The last of a sleep, in seconds, that is not slept: processor time that each moment costs at most.
_AWAKE = 0.0012

NextAt = Callable[[ScheduleId, Instant], Instant | None]


class _CalendarTrigger(BaseTrigger):  # type: ignore[misc]
    """Asks the calendar for the first slot after now."""

    __slots__ = ("next_at", "where")

    def __init__(self, where: ScheduleId, next_at: NextAt) -> None:
        self.where = where
        self.next_at = next_at

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The next slot after `now`, and after the one that just rang."""
        after = from_datetime(now)
        if previous is not None:
            after = max(after, from_datetime(previous))
        moment = self.next_at(self.where, after)
        return None if moment is None else to_datetime(moment)


class _PostingExecutor(BaseExecutor):  # type: ignore[misc]
    """Receives all run times of a due job and posts; it runs nothing."""

    def __init__(self, ring: Callable[[ScheduleId], None]) -> None:
        super().__init__()
        self._ring = ring

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._ring(job.trigger.where)
        self._run_job_success(job.id, [])


class _Scheduler(AsyncIOScheduler):  # type: ignore[misc]
    """Looks once after many changes.

    APScheduler asks the loop for a look after each of them, as from another
    thread: thousands at a start or a reload, and a byte for each in the loop's pipe.
    """

    _is_asked = False
    _due = 0.0

    def _start_timer(self, wait_seconds: float | None) -> None:
        """Sleep until just before the moment: the loop sleeps whole milliseconds, and rounds up."""
        self._stop_timer()
        if wait_seconds is not None:
            self._due = self._eventloop.time() + wait_seconds
            self._timeout = self._eventloop.call_later(max(0.0, wait_seconds - _AWAKE), self._wait_awake)

    def _wait_awake(self) -> None:
        """Let everything else in the loop have its turns until the moment has come."""
        if self._eventloop.time() < self._due:
            self._timeout = self._eventloop.call_soon(self._wait_awake)
        else:
            self.wakeup()

    def wakeup(self) -> None:
        """Compare all alarms with the clock as soon as the loop comes to it."""
        if not self._is_asked:
            self._is_asked = True
            self._eventloop.call_soon(self._look)

    def _look(self) -> None:
        self._is_asked = False
        if self.running:
            self._stop_timer()
            self._start_timer(self._process_jobs())


class Alarm:
    """Rings when a schedule's next slot comes. Used from the loop's thread only."""

    def __init__(self, ring: Callable[[ScheduleId], None], next_at: NextAt) -> None:
        self._next_at = next_at
        self._scheduler = _Scheduler(
            timezone=UTC,
            job_defaults={"coalesce": False, "misfire_grace_time": None, "max_instances": 1 << 30},
        )
        self._scheduler.add_executor(_PostingExecutor(ring), "default")
        # Its log lines speak of jobs and misfires in its own sense; ours are the ones that count.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def start(self) -> None:
        """Begin to ring; inside a running loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def arm(self, where: ScheduleId) -> None:
        """(Re)arm the alarm of a schedule for its first undecided slot; without one it is disarmed.

        That slot may have passed while the batch was committed: then it rings at once. A schedule
        with one slot at a time (`at`, `after`) would otherwise never be looked at again.
        """
        if asyncio.get_event_loop().is_closed():
            return
        moment = self._next_at(where, 0)
        if moment is None:
            self.disarm(where)
            return
        self._scheduler.add_job(
            _nothing,
            trigger=_CalendarTrigger(where, self._next_at),
            id=_job_id(where),
            replace_existing=True,
            next_run_time=to_datetime(moment),
        )

    def disarm(self, where: ScheduleId) -> None:
        """Forget the alarm of a schedule."""
        try:
            self._scheduler.remove_job(_job_id(where))
        except JobLookupError:
            pass

    def look_again(self) -> None:
        """The wall clock moved: compare all alarms with it now instead of at the end of the sleep."""
        if self._scheduler.running:
            self._scheduler.wakeup()


def _job_id(where: ScheduleId) -> str:
    return "\0".join(where)


def _nothing() -> None:
    """What APScheduler would call; the executor posts instead."""
