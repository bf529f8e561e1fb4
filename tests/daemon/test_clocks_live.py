"""The real daemon under libfaketime: its wall clock is set while it works, its monotonic clock is not.

The library is Debian's package `faketime`. The jobs do not inherit it: their
environment is an explicit list.
"""

import time
from datetime import datetime
from pathlib import Path

import pytest
from live import until

from jobrun.domain.instants import HOUR, MINUTE, SECOND, from_datetime
from jobrun.domain.run import Cause

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
NOON = from_datetime(datetime.fromisoformat("2025-07-16T12:00:00+00:00"))
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime (apt install faketime)")


class Clock:
    """The daemon's wall clock: ours plus an offset that is set at any time."""

    def __init__(self, daemon, directory: Path, job_file: str, begin: int | None = None) -> None:
        self.file = directory / "clock"
        self.offset = 0.0
        if begin is not None:
            self.offset = begin / SECOND - time.time()
        self._write()
        environ = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.live = daemon(job_file, environ=environ).start()

    @property
    def wall(self) -> int:
        return int((time.time() + self.offset) * SECOND)

    def step(self, by: int) -> None:
        self.offset += by / SECOND
        self._write()

    def _write(self) -> None:
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{self.offset:+.6f}\n")
        beside.rename(self.file)

    def slots(self, job: str, after: int = 0) -> list[int]:
        return [run.slot.scheduled_at for run in self.live.runs(job) if run.attempt and run.id > after]

    def stepped(self) -> list:
        return [event for event in self.live.history.host_events() if event.kind == "clock_stepped"]


def test_a_step_back_and_forward_by_an_hour(daemon, tmp_path):
    """TRAPS, Time: after a step of -1 h a 10-second job stopped for good, a forward step became a misfire."""
    clock = Clock(
        daemon,
        tmp_path,
        '[jobs.often]\nevery = "1s"\ncommand = "true"\noverlap = "queue_all"\n'
        '[jobs.pause]\nafter = "500ms"\ncommand = "true"\n'
        '[jobs.wild]\ncron = "* * * * *"\ncommand = "true"\n'
        '[jobs.fixed]\ncron = "*/1 0-23 * * *"\ncommand = "true"\n'
        '[jobs.noon]\ncron = "5 12 * * *"\ntimezone = "UTC"\ncommand = "true"\n',
        NOON + 3 * MINUTE + 40 * SECOND,
    )
    live = clock.live
    until(lambda: len(clock.slots("often")) >= 2 and clock.slots("pause"))
    for number, by in enumerate((-HOUR, HOUR), start=1):
        known = live.runs()[-1].id
        clock.step(by)
        noticed = time.monotonic()
        until(lambda number=number: len(clock.stepped()) == number, "the step to be in the history")
        assert time.monotonic() - noticed < 10
        until(lambda known=known: len(clock.slots("often", known)) >= 3, "the interval to go on")
        until(lambda known=known: len(clock.slots("pause", known)) >= 2, "the pause to go on")
        assert len(clock.slots("often", known)) <= 3 + (time.monotonic() - noticed) + 2
    skipped = [run for run in live.runs("wild") if getattr(run.status, "cause", None) is Cause.MISSED]
    assert sum(run.slot.count for run in skipped) >= 58
    assert "the clock was set forward" in skipped[0].status.detail
    clock.step(2 * HOUR)
    (noon,) = until(lambda: clock.slots("noon"), "the fixed time that the clock jumped over")
    assert noon == NOON + 5 * MINUTE
    clock.step(-2 * HOUR)
    until(lambda: len(clock.stepped()) == 4)
    clock.step(80 * SECOND)
    until(lambda: len(clock.stepped()) == 5)
    assert clock.slots("noon") == [noon]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # Spring: 02:00 and 02:30 do not exist; they run once, right after the change, as what is hourly does.
        ("2025-03-30T01:00:00+00:00", {"half_past_two", "two", "hourly"}),
        # Autumn: 02:00 comes twice on the wall. The first time everything runs …
        ("2025-10-26T00:00:00+00:00", {"two", "hourly"}),
        # … and the second time only the wildcard job.
        ("2025-10-26T01:00:00+00:00", {"hourly"}),
    ],
)
def test_the_nights_of_berlin(daemon, tmp_path, moment, expected):
    """TRAPS, Time: systemd skips a time in the spring gap (#5595); twice at the autumn fold (APScheduler)."""
    change = from_datetime(datetime.fromisoformat(moment))
    clock = Clock(
        daemon,
        tmp_path,
        '[jobrun]\ntimezone = "Europe/Berlin"\n'
        '[jobs.half_past_two]\ncron = "30 2 * * *"\ncommand = "true"\n'
        '[jobs.hourly]\ncron = "0 * * * *"\ncommand = "true"\n'
        '[jobs.two]\ncron = "0 2 * * *"\ncommand = "true"\n',
        change - 10 * MINUTE,
    )
    clock.step(change - 2 * SECOND - clock.wall)
    until(lambda: clock.slots("hourly"), "the hour to come")
    until(lambda: clock.wall > change + 2 * SECOND, "some seconds more")
    jobs = ("half_past_two", "two", "hourly")
    assert {job: clock.slots(job) for job in jobs if clock.slots(job)} == {job: [change] for job in expected}


def test_a_clock_set_back_while_no_daemon_lived(daemon, tmp_path):
    clock = Clock(daemon, tmp_path, '[jobs.often]\nevery = "1s"\ncommand = "true"\n')
    until(lambda: len(clock.slots("often")) >= 2)
    clock.live.kill()
    known = clock.live.runs()[-1].id
    clock.step(-30 * MINUTE)
    clock.live.start()
    until(lambda: len(clock.slots("often", known)) >= 2, "the interval to go on")
    (event,) = clock.stepped()
    assert event.detail["to"] < event.detail["from"]
