"""Counting due moments without listing them: equal to enumeration, and bounded in work."""

import time
from datetime import UTC, datetime
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrun.domain.calendar import cron_between, iter_cron, next_cron
from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND, Instant, from_datetime
from tests.domain.cron_strategies import Meaning, meanings

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Africa/Monrovia",
]


def instant(*parts: int) -> Instant:
    return from_datetime(datetime(*parts, tzinfo=UTC))


# Moments near which something changes in one of the zones, and one before time was counted.
NIGHTS = [
    instant(2026, 3, 29, 1),
    instant(2026, 10, 25, 1),
    instant(2026, 3, 8, 7),
    instant(2026, 10, 3, 15, 30),
    instant(2026, 4, 4, 15),
    instant(2020, 10, 3, 16),
    instant(2021, 3, 13, 13),
    instant(2011, 12, 30, 10),
    instant(1972, 1, 7, 0, 44),
    instant(1960, 2, 28),
]


@settings(max_examples=300, deadline=None)
@given(
    meaning=meanings(every_day=True) | meanings() | meanings(seconds=True),
    zone=st.sampled_from(ZONES),
    night=st.sampled_from(NIGHTS),
    after=st.integers(-4 * HOUR, 4 * HOUR),
    span=st.integers(0, 4 * HOUR) | st.integers(0, 60 * DAY),
    newest=st.integers(0, 5),
)
def test_counting_is_enumerating(
    meaning: Meaning, zone: str, night: Instant, after: int, span: int, newest: int
) -> None:
    start, until = night + after, night + after + span
    listed = []
    for at in iter_cron(meaning.text, zone, start):
        if at > until:
            break
        listed.append(at)
        if len(listed) > 5000:
            until = at
            break
    found = cron_between(meaning.text, zone, start, until, newest)
    if not listed:
        assert found is None
        return
    expected = tuple(listed[-newest:]) if newest else ()
    assert found == (listed[0], listed[-1], len(listed), expected)


def test_stretches_add_up_wherever_they_are_cut() -> None:
    """Deciding up to now, then on from there, neither loses nor doubles a moment of the change nights."""
    start, end = instant(2026, 10, 24, 20), instant(2026, 10, 25, 6)
    for text in ("*/7 * * * *", "0,30 1,2,3 * * *", "*/20 2 * * *"):
        whole = cron_between(text, "Europe/Berlin", start, end, 1000)
        assert whole is not None
        joined: list[Instant] = []
        cut = start
        while cut < end:
            part = cron_between(text, "Europe/Berlin", cut, min(cut + 11 * MINUTE, end), 1000)
            joined += part[3] if part else ()
            cut += 11 * MINUTE
        assert tuple(joined) == whole[3]


@pytest.mark.parametrize(
    ("text", "zone", "change"),
    [
        ("0 2,3 * * *", "Europe/Berlin", instant(2026, 3, 29, 1)),  # skipped, and due at the very change
        ("30 2 * * *", "Europe/Berlin", instant(2026, 3, 29, 1)),
        ("30 2,3 * * *", "Europe/Berlin", instant(2026, 3, 29, 1)),
        ("0 * * * *", "Europe/Berlin", instant(2026, 3, 29, 1)),
        ("0,30 1,2 * * *", "Europe/Berlin", instant(2026, 10, 25, 1)),
        ("0,30 * * * *", "Europe/Berlin", instant(2026, 10, 25, 1)),
        ("0,15,30 2 * * *", "Australia/Lord_Howe", instant(2026, 10, 3, 15, 30)),
        ("0,30 1,2 * * *", "Australia/Lord_Howe", instant(2026, 4, 4, 15)),
        ("0,30 2 * * *", "Europe/Berlin", instant(2012, 3, 25, 1)),
    ],
)
def test_every_start_and_end_beside_a_change_agrees(text: str, zone: str, change: Instant) -> None:
    """Just before, at and just after the change and every moment around it."""
    listed = list(takewhile(lambda at: at < change + 6 * HOUR, iter_cron(text, zone, change - 30 * HOUR)))
    near = sorted({at + by for at in (*listed, change) for by in (-SECOND, -1, 0, 1, SECOND)})
    for after in near:
        for until in near:
            expected = tuple(at for at in listed if after < at <= until)
            found = cron_between(text, zone, after, until, 100)
            assert (found[2], found[3]) == (len(expected), expected) if found else expected == ()
        later = [at for at in listed if at > after]
        if later:
            assert next_cron(text, zone, after) == later[0]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("text", "years", "count"),
    [("* * * * *", 1, 525_600), ("* * * * * *", 10, 315_532_800), ("*/10 * 1,15 * 1", 30, None)],
)
def test_a_long_stretch_is_counted_in_bounded_work(
    zone: str, text: str, years: int, count: int | None
) -> None:
    """TRAPS, Time: catch-up that enumerates every instant (APScheduler: 2.6 million in 7.4 s)."""
    start, end = instant(2020, 12, 31, 23, 59, 59), instant(2020 + years, 12, 31, 23, 59, 59)
    begun = time.process_time()
    found = cron_between(text, zone, start, end, 100)
    taken = time.process_time() - begun
    assert found is not None
    assert count is None or found[2] == count
    assert len(found[3]) == 100
    assert found[3][-1] == found[1]
    # Milliseconds in truth; enumerating takes a hundred times this allowance and more.
    assert taken < 0.5


def test_thousands_of_next_times_a_second() -> None:
    start = instant(2026, 1, 1)
    begun = time.process_time()
    moments = list(takewhile(lambda at: at < start + DAY, iter_cron("* * * * *", "Europe/Berlin", start)))
    taken = time.process_time() - begun
    assert len(moments) == 1439
    assert moments[:2] == [start + MINUTE, start + 2 * MINUTE]
    assert taken < 0.5


def test_a_stretch_without_length_or_of_no_moment_is_none() -> None:
    start = instant(2026, 1, 1)
    assert cron_between("* * * * *", "UTC", start, start, 5) is None
    assert cron_between("* * * * *", "UTC", start + HOUR, start, 5) is None
    assert cron_between("* * * * *", "UTC", start, start + MINUTE - 1, 5) is None
    assert cron_between("* * * * *", "UTC", start - 1, start, 5) == (start, start, 1, (start,))
    assert cron_between("0 0 30 2 *", "UTC", start, start + 4000 * DAY, 5) is None
    assert cron_between("@reboot", "UTC", start, start + 4000 * DAY, 5) is None
    assert cron_between("* * * * *", "UTC", -(10**18), -(10**18) + SECOND, 5) is None
