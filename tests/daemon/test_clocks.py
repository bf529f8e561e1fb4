"""The clock is set while the engine works: the recorded facts of Debian's cron, to the minute.

Thirty-eight cron texts at a time run through each recorded step, in the real
engine over a real store. The README of `tests/domain/debian_cron` says what is
smoothed; beyond that only this: cron wakes one second after the full minute,
so a step at the full minute itself is one just before it.
"""

import gzip
import json
import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from daemon.clockworld import cron_job, run_world, world_of

from jobrun.domain.calendar import is_fixed_time
from jobrun.domain.instants import HOUR, MINUTE, SECOND, Instant, from_datetime
from jobrun.domain.run import Cause
from jobrun.domain.zones import offset_at, shifts

FACTS = Path(__file__).parents[1] / "domain" / "debian_cron" / "clock_steps.jsonl.gz"
with gzip.open(FACTS, "rt", encoding="utf-8") as _lines:
    STEPS = [json.loads(line) for line in _lines]


def chosen(steps: list[dict]) -> list[dict]:
    """All steps in the long form; else every size once in each window, at moments that take turns."""
    if os.environ.get("JOBRUN_TORTURE") == "long":
        return steps
    found = []
    for window in dict.fromkeys((step["zone"], step["from"]) for step in steps):
        inside = [step for step in steps if (step["zone"], step["from"]) == window]
        moments = sorted({step["after"] for step in inside})
        for turn, by in enumerate(sorted({step["by"] for step in inside})):
            if window[1].startswith("2025-07") or turn % 4 == 0:
                after = moments[turn % len(moments)]
                found += [step for step in inside if (step["after"], step["by"]) == (after, by)]
    return found


def instant(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text))


def minute_meant(start: Instant, zone: str, clock: int, late: int) -> int:
    """The minute (since `start`) of the slot that cron made up for `late` minutes of wall clock after it.

    A wall time that a change of the zone left out is a slot at the change.
    """
    at = (start // SECOND + clock) // 60 * 60
    if late:
        wall = at + offset_at(zone, at) - late * 60
        for offset in (offset_at(zone, at), offset_at(zone, at - 86_400)):
            if wall - offset + offset_at(zone, wall - offset) == wall:
                at = wall - offset
                break
        else:
            (shift,) = shifts(zone, at - 86_400, at + 1)
            at = shift.at
    return (at - start // SECOND) // 60


def minutes_started(step: dict, starts: list[list[int]]) -> list[int]:
    """The minutes for which cron started a job; several at one moment for one minute are one."""
    found: list[tuple[int, int]] = []
    for real, clock, late, *rest in starts:
        distance, times = rest or (0, 1)
        for number in range(times):
            moved = number * distance
            minute = minute_meant(instant(step["from"]), step["zone"], clock + moved, late)
            if not found or found[-1] != (real + moved, minute):
                found.append((real + moved, minute))
    return [minute for _, minute in found]


def name(step: dict) -> str:
    return f"{step['zone']}-{step['from'][:10]}-{step['after']}{step['by']:+}"


@pytest.mark.torture
@pytest.mark.parametrize("step", chosen(STEPS), ids=name)
def test_a_step_of_the_clock_starts_what_debian_cron_starts(step, tmp_path):
    """TRAPS, Time: loops that ask whether this minute matches now; the repeated hour; a step back."""
    start = instant(step["from"])
    jobs = [cron_job(text, step["zone"]) for text, _ in step["cases"]]

    async def live() -> None:
        with world_of(tmp_path / "jobrun.db", start, jobs) as world:
            await world.pass_until(step["after"] * SECOND - (step["after"] % 60 == 0))
            await world.step(step["by"] * SECOND)
            await world.pass_until(step["length"] * SECOND - 1)
            ours = defaultdict(list)
            for _, _, run in world.starts:
                ours[run.job].append((run.slot.scheduled_at - start) // MINUTE)
            for text, starts in step["cases"]:
                assert ours[text] == minutes_started(step, starts), text
            (event,) = world.events
            assert event.kind == "clock_stepped"

    run_world(live())


def test_the_facts_tell_of_every_size_of_step():
    sizes = {abs(step["by"]) for step in chosen(STEPS)}
    assert {1, 300, 3_600, 10_740, 14_400, 86_400} <= sizes
    assert {is_fixed_time(text) for step in STEPS for text, _ in step["cases"]} == {True, False}
    assert len({step["zone"] for step in chosen(STEPS)}) > 1


@pytest.mark.parametrize("by", [-25 * HOUR, -HOUR, -MINUTE, -SECOND, SECOND, MINUTE, HOUR, 25 * HOUR])
def test_a_step_is_known_before_anything_is_decided_by_the_new_time(by, tmp_path):
    """The alarm may ring between the step and the tick that would have noticed it."""

    async def live() -> None:
        start = instant("2025-07-16T02:59:59.700Z")
        jobs = [cron_job("0 3 * * *"), cron_job("*/20 * * * *"), cron_job("30 3 * * *")]
        with world_of(tmp_path / "jobrun.db", start, jobs) as world:
            await world.pass_until(10_000)
            world.set += by
            world.alarms.ring()
            world.alarms.wake_at = world.real + 300_000
            await world.pass_until(400_000)
            await world.tick()
            assert [event.kind for event in world.events] == ["clock_stepped"]
            await world.pass_until(26 * HOUR)
            fixed = [run.slot.scheduled_at for _, _, run in world.starts if run.job == "0 3 * * *"]
            assert len(fixed) == len(set(fixed))
            assert (start + 300_000 in fixed) == (by < 3 * HOUR)

    run_world(live())


def test_up_to_three_hours_a_fixed_time_is_met_once_by_local_time(tmp_path):
    """Four hours back over the autumn change are three on the wall: no correction, so nothing again."""

    async def live() -> None:
        start = instant("2025-10-25T22:30:00Z")
        with world_of(tmp_path / "jobrun.db", start, [cron_job("30 2 * * *", "Europe/Berlin")]) as world:
            await world.pass_until(4 * HOUR)
            await world.step(-4 * HOUR)
            await world.pass_until(12 * HOUR)
            assert len(world.starts) == 1

    run_world(live())


def test_a_second_pass_is_marked_only_while_time_is_repeated(tmp_path):
    async def live() -> None:
        start = instant("2025-07-16T11:00:30Z")
        with world_of(tmp_path / "jobrun.db", start, [cron_job("*/10 * * * *")]) as world:
            await world.pass_until(35 * MINUTE)
            await world.step(-20 * MINUTE)
            await world.pass_until(80 * MINUTE)
            slots = [
                ((run.slot.scheduled_at - start) // MINUTE, run.slot.clock_pass) for _, _, run in world.starts
            ]
            assert slots == [(9, 0), (19, 0), (29, 0), (19, 1), (29, 1), (39, 0), (49, 0), (59, 0)]

    run_world(live())


def test_what_the_clock_jumped_over_is_recorded_with_the_step(tmp_path):
    async def live() -> None:
        start = instant("2025-07-16T11:00:30Z")
        with world_of(tmp_path / "jobrun.db", start, [cron_job("*/10 * * * *")]) as world:
            await world.pass_until(5 * MINUTE)
            await world.step(HOUR)
            (stretch,) = world.skips
            assert (stretch.status.cause, stretch.slot.count) == (Cause.MISSED, 6)
            before = datetime.fromtimestamp((start + 5 * MINUTE) / SECOND, UTC)
            assert f"set forward from {before:%Y-%m-%dT%H:%M}" in stretch.status.detail

    run_world(live())
