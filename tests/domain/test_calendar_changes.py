"""Cron times where the clocks change: fixed times once, wildcards by the wall, for every kind of change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrun.domain.calendar import iter_cron, next_cron
from jobrun.domain.instants import HOUR, MINUTE, SECOND, from_datetime, to_datetime
from tests.domain.cron_strategies import Meaning, meanings
from tests.domain.debian_loop import starts

# A zone and the UTC day of one of its changes.
CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-03"),  # forward by half an hour
    ("Australia/Lord_Howe", "2026-04-04"),  # back by half an hour
    ("America/Sao_Paulo", "2018-11-04"),  # midnight does not exist
    ("America/Havana", "2026-11-01"),  # midnight comes twice
    ("Africa/Casablanca", "2026-02-15"),  # summer time ends for Ramadan
    ("Europe/Dublin", "2026-03-29"),  # winter is the time that is saved
    ("Antarctica/Troll", "2026-03-29"),  # two hours
    ("Antarctica/Casey", "2020-10-03"),  # three hours forward: a correction
    ("Antarctica/Casey", "2021-03-13"),  # three hours back: not yet a correction
    ("America/Danmarkshavn", "1996-01-01"),  # three hours, at 00:00 local time
    ("Antarctica/Vostok", "1994-01-31"),  # seven hours back
    ("Asia/Kathmandu", "1985-12-31"),  # a quarter of an hour
    ("Asia/Pyongyang", "2018-05-04"),  # half an hour, once
    ("Pacific/Apia", "2011-12-30"),  # a whole day left out
    ("Pacific/Kwajalein", "1993-08-21"),  # a whole day left out
    ("Africa/Cairo", "1988-10-01"),  # on the border of what the calendar looks at in one go
    ("Antarctica/Troll", "2012-03-25"),  # an hour after such a border
    ("Africa/Cairo", "1995-04-27"),  # two hours before one
    ("Asia/Tokyo", "2026-03-29"),  # nothing
    ("UTC", "2026-03-29"),  # nothing
]


def wall_times(text: str, zone: str, start: str, n: int) -> list[str]:
    """The next moments, as the wall shows them with the offset; `start` is a wall time of the zone."""
    loaded = ZoneInfo(zone)
    after = from_datetime(datetime.fromisoformat(start).replace(tzinfo=loaded))
    moments = iter_cron(text, zone, after)
    return [to_datetime(next(moments), loaded).strftime("%m-%d %H:%M%z") for _ in range(n)]


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [
        # Spring: what the clock jumps over runs right after, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:30+0200"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:00+0200"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:00+0200"]),
        ("30 2 29 3 *", "Europe/Berlin", "2026-01-01T00:00", ["03-29 03:00+0200", "03-29 02:30+0200"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["10-04 02:30+1100", "10-05 02:15+1100"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04 01:00-0200", "11-05 00:00-0200"]),
        # Autumn: once, at the first of the two.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 02:30+0200", "10-26 02:30+0100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["04-05 01:45+1100", "04-06 01:45+1030"]),
        ("0 0 * * *", "America/Havana", "2026-10-31T12:00", ["11-01 00:00-0400", "11-02 00:00-0500"]),
        # Wildcards follow the wall, the repeated hour included.
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:45",
            [
                "10-25 02:00+0200",
                "10-25 02:30+0200",
                "10-25 02:00+0100",
                "10-25 02:30+0100",
                "10-25 03:00+0100",
            ],
        ),
        ("30 * * * *", "Europe/Berlin", "2026-03-29T01:00", ["03-29 01:30+0100", "03-29 03:30+0200"]),
        ("0 */2 * * *", "Europe/Berlin", "2026-03-29T00:30", ["03-29 04:00+0200", "03-29 06:00+0200"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-30 02:00+0200", "03-30 02:30+0200"]),
        (
            "45 * * * *",
            "Australia/Lord_Howe",
            "2026-04-05T00:50",
            ["04-05 01:45+1100", "04-05 01:45+1030", "04-05 02:45+1030"],
        ),
        ("0 * * * *", "Australia/Lord_Howe", "2026-10-04T00:30", ["10-04 01:00+1030", "10-04 03:00+1100"]),
        # Three hours forward are a correction; three hours back are not.
        ("30 1 * * *", "Antarctica/Casey", "2020-10-03T12:00", ["10-05 01:30+1100", "10-06 01:30+1100"]),
        ("30 22 * * *", "Antarctica/Casey", "2021-03-13T12:00", ["03-13 22:30+1100", "03-14 22:30+0800"]),
        # More than three hours back are: the clock went from 00:00 to 17:00 of the day before.
        ("0 20 * * *", "Antarctica/Vostok", "1994-01-31T12:00", ["01-31 20:00+0700", "01-31 20:00+0000"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00", ["12-29 12:00-1000", "12-31 12:00+1400"]),
        # Six fields follow the same rule as five.
        ("0 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:30+0200"]),
        ("0 30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 02:30+0200", "10-26 02:30+0100"]),
        # An offset of odd seconds: the clock of Monrovia went forward by 44:30.
        ("15 0 * * *", "Africa/Monrovia", "1972-01-06T12:00", ["01-07 00:44+0000", "01-08 00:15+0000"]),
    ],
)
def test_a_change_of_the_clocks(text: str, zone: str, start: str, expected: list[str]) -> None:
    """TRAPS, Time: `30 2 * * *` twice in autumn and at no time in spring (APScheduler), skipped in the
    spring gap (systemd #5595), a minutely timer stopped for the repeated hour (systemd #8647), 01:00-01:59
    never run on the autumn night (cronie #124)."""
    assert wall_times(text, zone, start, len(expected)) == expected


def test_a_minutely_job_runs_every_minute_of_both_nights() -> None:
    """TRAPS, Time: systemd #8647; supercronic #86 wrote 40 GB of log in the lost hour."""
    for night in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        start = from_datetime(night)
        moments = iter_cron("* * * * *", "Europe/Berlin", start)
        assert [next(moments) for _ in range(300)] == [start + n * MINUTE for n in range(1, 301)]


@pytest.mark.parametrize("text", ["50 2 * * *", "50 * * * *", "50 2 25 10 *", "*/10 2 * * *"])
def test_a_start_inside_the_repeated_hour_gives_a_time_after_it(text: str) -> None:
    """cronsim gives 00:50Z for a start at 01:45Z, in the second 02:45 of the night."""
    start = from_datetime(datetime(2026, 10, 25, 1, 45, tzinfo=UTC))
    for second in range(0, 3600, 60):
        at = start + second * SECOND
        found = next_cron(text, "Europe/Berlin", at)
        assert found is not None
        assert found > at


@settings(max_examples=400, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    meaning=meanings(every_day=True) | meanings(),
    before=st.integers(5, 30),
    data=st.data(),
)
def test_the_calendar_is_debian_crons_loop(
    change: tuple[str, str], meaning: Meaning, before: int, data: st.DataObject
) -> None:
    """Around every kind of change, for any five fields, from any start."""
    zone, day = change
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    first = int((noon - timedelta(hours=before)).timestamp()) // 60
    last = first + 45 * 60
    expected = starts(meaning.fits, is_fixed=meaning.is_fixed_time, zone=zone, first=first - 1440, last=last)
    after = data.draw(st.integers(first, last), label="after") * MINUTE
    expected = [minute * MINUTE for minute in expected if minute * MINUTE > after]
    found = []
    for at in iter_cron(meaning.text, zone, after):
        if at > last * MINUTE:
            break
        found.append(at)
    assert found == expected


@settings(deadline=None)
@given(
    meaning=meanings(seconds=True),
    change=st.sampled_from(CHANGES),
    after=st.integers(-30 * 3600, 30 * 3600),
    part=st.integers(0, SECOND - 1),
)
def test_times_rise_strictly_and_do_not_depend_on_where_one_starts(
    meaning: Meaning, change: tuple[str, str], after: int, part: int
) -> None:
    """TRAPS, Time: a repeat that fires early and computes the same slot again stops for ever (bull #747)."""
    zone, day = change
    start = from_datetime(datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)) + after * SECOND + part
    times = []
    at = start
    for _ in range(5):
        found = next_cron(meaning.text, zone, at)
        if found is None:
            break
        assert found > at
        times.append(found)
        at = found
    for position, moment in enumerate(times):
        since = times[position - 1] if position else start
        # From any start between two times, the next is the second of them.
        for between in (since, (since + moment) // 2, moment - 1):
            assert next_cron(meaning.text, zone, between) == moment


@given(meaning=meanings(), after=st.integers(0, 4_000_000_000))
def test_five_fields_are_six_with_second_0(meaning: Meaning, after: int) -> None:
    at = after * SECOND
    for zone in ("Europe/Berlin", "Australia/Lord_Howe"):
        assert next_cron(meaning.text, zone, at) == next_cron(f"0 {meaning.text}", zone, at)


def test_the_hour_between_is_never_lost_at_the_ends_of_the_calendar() -> None:
    """Starts before the year 2 and after 9998 give a time or None, never an error."""
    far = 10**6 * 366 * 24 * HOUR
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "Europe/Berlin"):
        assert next_cron("0 3 * * *", zone, far) is None
        assert next_cron("0 3 29 2 *", zone, -far) is not None
        assert next_cron("0 3 29 2 *", zone, from_datetime(datetime(9998, 1, 1, tzinfo=UTC))) is None
