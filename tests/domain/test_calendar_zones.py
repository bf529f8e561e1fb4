"""How the wall clock of a zone runs: every change of every zone is found, and windows tile the time line."""

import struct
import zoneinfo
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.zones import (
    BLOCK,
    DAY,
    FIRST_AT,
    LAST_AT,
    block_end,
    block_of,
    block_windows,
    offset_at,
    shifts,
)

ZONES = [
    "Africa/Casablanca",
    "Africa/Freetown",
    "Africa/Monrovia",
    "America/Havana",
    "America/Noronha",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Gaza",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "UTC",
]
# 1900 and 2037 in seconds: what the files list change by change.
SINCE, UNTIL = -2_208_988_800, 2_114_380_800


@cache
def listed_changes(zone: str) -> list[tuple[int, int, int]]:
    """(at, offset before, offset after) as the zone's own file lists them (RFC 8536, second block)."""
    data = _zone_file(zone)
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    start = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    _, _, _, times, types, _ = struct.unpack(">6l", data[start + 20 : start + 44])
    start += 44
    moments = struct.unpack(f">{times}q", data[start : start + 8 * times])
    kinds = data[start + 8 * times : start + 9 * times]
    start += 9 * times
    offsets = [struct.unpack(">lbb", data[start + 6 * n : start + 6 * n + 6])[0] for n in range(types)]
    found, before = [], offsets[0]
    for at, kind in zip(moments, kinds, strict=True):
        if offsets[kind] != before and SINCE <= at < UNTIL:
            found.append((at, before, offsets[kind]))
        before = offsets[kind]
    return found


def _zone_file(zone: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = Path(folder, zone)
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_a_zone_is_found(zone: str) -> None:
    listed = listed_changes(zone)
    end = listed[-1][0] + 1 if listed else UNTIL
    assert [(shift.at, shift.before, shift.after) for shift in shifts(zone, SINCE, end)] == listed


def test_no_zone_changes_twice_within_two_days() -> None:
    """What finding the changes by looking once a day rests on."""
    for zone in zoneinfo.available_timezones():
        moments = [at for at, _, _ in listed_changes(zone)]
        for earlier, later in pairwise(moments):
            assert later - earlier > 2 * DAY, zone


def seconds_of(zone: str, first: int, end: int, *, fixed: bool) -> Iterator[tuple[int, int]]:
    """(at, wall) of the windows' firsts and lasts within blocks that touch [first, end)."""
    for number in range(block_of(first), block_of(end - 1) + 1):
        for window in block_windows(zone, number, fixed):
            assert window.first < window.end
            if window.collapsed_at is None:
                yield window.first - window.offset, window.first
                yield window.end - 1 - window.offset, window.end - 1


@given(zone=st.sampled_from(ZONES), at=st.integers(SINCE, UNTIL))
def test_windows_tile_the_time_line_as_the_wall_shows_it(zone: str, at: int) -> None:
    number = block_of(at)
    windows = block_windows(zone, number, False)
    assert all(window.collapsed_at is None for window in windows)
    assert windows[0].first - windows[0].offset == number * BLOCK
    assert windows[-1].end - windows[-1].offset == block_end(number)
    for window, after in pairwise(windows):
        assert window.end - window.offset == after.first - after.offset
        assert window.offset != after.offset
    for moment, wall in seconds_of(zone, at, at + 1, fixed=False):
        assert wall - moment == offset_at(zone, moment)


@given(zone=st.sampled_from(ZONES), at=st.integers(SINCE, UNTIL))
def test_fixed_times_see_every_wall_second_at_most_once(zone: str, at: int) -> None:
    """But for corrections of more than three hours back, which are lived through again."""
    number = block_of(at)
    before = None
    for window in (*block_windows(zone, number, True), *block_windows(zone, number + 1, True)):
        if before is not None:
            back = before - window.first
            assert back <= 0 or back > 3 * 3600
        before = window.end


def test_the_ends_of_the_calendar_can_be_asked() -> None:
    for zone in ZONES:
        assert block_windows(zone, block_of(-(10**20)), True) == block_windows(zone, block_of(FIRST_AT), True)
        assert block_windows(zone, block_of(LAST_AT), False)
        assert abs(offset_at(zone, 10**18)) <= DAY
