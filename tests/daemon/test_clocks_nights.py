"""The nights on which a zone's clocks change, through the real engine, as Debian's cron saw them.

No clock is set here: time passes, and the local time makes its jump. The
recorded facts are `moments.jsonl.gz` in `tests/domain/debian_cron`.
"""

import gzip
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest
from daemon.clockworld import cron_job, run_world, world_of

from jobrun.api import next_fires
from jobrun.domain.instants import HOUR, MINUTE, from_datetime
from jobrun.domain.run import Cause

FACTS = Path(__file__).parents[1] / "domain" / "debian_cron" / "moments.jsonl.gz"
# All of the windows around a change; of the ordinary week, two days.
LONGEST = 52 * HOUR
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
with gzip.open(FACTS, "rt", encoding="utf-8") as _lines:
    WINDOWS = [
        window
        for window in map(json.loads, _lines)
        if (window["zone"] in ZONES and window["kind"] == "change" and window["from"] > "2025")
        or (window["zone"] == "Asia/Kolkata" and window["from"].startswith("2024-02"))
    ]


def minutes_of(distances: str) -> tuple[list[int], bool]:
    """The minutes since the window's start, and whether more follow."""
    minutes, at = [], 0
    for part in distances.removesuffix("+").split():
        distance, _, times = part.partition("*")
        for _ in range(int(times or 1)):
            at += int(distance)
            minutes.append(at)
    return minutes, distances.endswith("+")


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window['zone']}-{window['from'][:10]}")
def test_a_night_starts_what_debian_cron_starts(window, tmp_path):
    """TRAPS, Time: `30 2 * * *` twice in autumn and at a time that is none in spring (APScheduler);
    the spring gap skipped and the repeated hour without a minutely job (systemd #5595, #8647);
    01:00-01:59 never run on the autumn night (cronie #124); 40 GB of log in the lost hour (supercronic #86).
    """
    start = from_datetime(datetime.fromisoformat(window["from"]))
    until = min(from_datetime(datetime.fromisoformat(window["until"])), start + LONGEST)
    cases = [(text, minutes_of(distances)) for text, distances, *_ in window["cases"]]
    jobs = [cron_job(text, window["zone"]) for text, _ in cases]

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", start, jobs) as world:
            await world.pass_until(until - start)
            ours = defaultdict(list)
            for _, _, run in world.starts:
                ours[run.job].append((run.slot.scheduled_at - start) // MINUTE)
            for text, (minutes, is_cut) in cases:
                seen = ours[text][: len(minutes)] if is_cut else ours[text]
                assert seen == [minute for minute in minutes if minute * MINUTE <= until - start], text
            assert not world.skips
            assert not world.events

    run_world(live())


@pytest.mark.parametrize("text", ["30 2 * * *", "*/30 * * * *", "0 1-3 * * *", "15 2 * * *"])
@pytest.mark.parametrize("begin", ["2025-03-29T20:00Z", "2025-10-25T20:00Z"])
def test_the_preview_is_what_is_started(text, begin, tmp_path):
    """TRAPS, Time: cronie's own `cronnext` disagrees with its crond (#218)."""
    start = from_datetime(datetime.fromisoformat(begin))

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", start, [cron_job(text, "Europe/Berlin")]) as world:
            await world.pass_until(26 * HOUR)
            slots = [run.slot.scheduled_at for _, _, run in world.starts]
            preview = next_fires(text, "Europe/Berlin", start, len(slots))
            assert slots
            assert slots == [from_datetime(moment) for moment in preview]

    run_world(live())


def test_the_nights_are_both_of_every_zone():
    assert len(WINDOWS) == 4 * len(ZONES) + 1


@pytest.mark.parametrize(
    ("zone", "text", "down", "up", "expected"),
    [
        # Down over the spring change: 02:30 is skipped by the clock and due once, at the change.
        ("Europe/Berlin", "30 2 * * *", "2025-03-29T23:00Z", "2025-03-30T05:00Z", 1),
        # Down over the autumn change: 02:30 comes twice on the wall and is due once.
        ("Europe/Berlin", "30 2 * * *", "2025-10-25T23:00Z", "2025-10-26T05:00Z", 1),
        # A wildcard job follows the wall clock: 23 or 25 hours of a day.
        ("Europe/Berlin", "15 * * * *", "2025-03-29T23:00Z", "2025-03-30T22:00Z", 23),
        ("Europe/Berlin", "15 * * * *", "2025-10-25T22:00Z", "2025-10-26T23:00Z", 25),
        ("Australia/Lord_Howe", "0 * * * *", "2025-04-05T12:59Z", "2025-04-06T12:59Z", 24),
    ],
)
def test_a_night_without_a_daemon_is_made_up_for_to_the_slot(zone, text, down, up, expected, tmp_path):
    start, later = (from_datetime(datetime.fromisoformat(at)) for at in (down, up))

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", start, [cron_job(text, zone)]) as world:
            await world.settle()
            world.real = later - start + HOUR // 60
            world.boot()
            await world.settle()
            (missed,) = world.skips
            assert (missed.status.cause, missed.slot.count) == (Cause.MISSED, expected)

    run_world(live())
