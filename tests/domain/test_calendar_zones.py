"""How the wall clock of a zone runs: every change of every zone is found, and windows tile the time line."""

import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain import zones
from jobrun.domain.calendar import cron_between, iter_cron, next_cron
from jobrun.domain.instants import SECOND
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


class OneChange(tzinfo):
    """A zone whose offset changes once, by whole hours, at a second of the time line."""

    def __init__(self, at: int, before: int, after: int) -> None:
        self._at, self._before, self._after = datetime.fromtimestamp(at, UTC), before, after

    def fromutc(self, moment: datetime) -> datetime:
        is_after = moment.replace(tzinfo=UTC) >= self._at
        shown = moment + timedelta(hours=self._after if is_after else self._before)
        return shown.replace(fold=int(is_after))

    def utcoffset(self, moment: datetime | None) -> timedelta:
        assert moment is not None
        return timedelta(hours=self._after if moment.fold else self._before)


@pytest.mark.parametrize("distance", [-3 * 3600, -5400, -1800, -1, 0, 1, 1800, 5400])
@pytest.mark.parametrize("hours", [1, 2, -1, -3])
def test_a_change_near_the_border_of_two_blocks(
    monkeypatch: pytest.MonkeyPatch, distance: int, hours: int
) -> None:
    """No zone up to 2037 repeats its hour across a border; one day one may."""
    name = f"Test/{distance}/{hours}"
    border = 700 * BLOCK
    zone = OneChange(border + distance, 0, hours)
    first = (border - 6 * 3600) * SECOND
    last = first + 14 * 3600 * SECOND
    # The same night, told about a change in the middle of a block, moved to the border.
    middle = border - BLOCK // 2 // DAY * DAY
    away = (border - middle) * SECOND
    told = f"Test/middle/{distance}/{hours}"
    known = {name: zone, told: OneChange(middle + distance, 0, hours)}
    monkeypatch.setattr(zones, "load_zone", known.__getitem__)
    expected: dict[str, list[int]] = {}
    for text in ("*/20 * * * *", "5,35 20-23,0-5 * * *", "0 0-23 * * *"):
        moments = iter_cron(text, told, first - away)
        expected[text] = [at + away for at in takewhile(lambda at: at <= last - away, moments)]
    for text, listed in expected.items():
        assert list(takewhile(lambda at: at <= last, iter_cron(text, name, first))) == listed
        found = cron_between(text, name, first, last, 1000)
        assert found is not None
        assert (found[2], list(found[3])) == (len(listed), listed)
        for since, moment in pairwise(listed):
            assert next_cron(text, name, since) == next_cron(text, name, moment - 1) == moment
            assert cron_between(text, name, since, moment, 9) == (moment, moment, 1, (moment,))


def test_the_ends_of_the_calendar_can_be_asked() -> None:
    for zone in ZONES:
        assert block_windows(zone, block_of(-(10**20)), True) == block_windows(zone, block_of(FIRST_AT), True)
        assert block_windows(zone, block_of(LAST_AT), False)
        assert abs(offset_at(zone, 10**18)) <= DAY
