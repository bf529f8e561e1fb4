"""The moment asked about is as long as it is written, in the job's zone, also where the clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from jobrun.cli.whymoment import read_moment
from jobrun.domain.errors import UsageError
from jobrun.domain.instants import from_datetime, to_iso

BERLIN = ZoneInfo("Europe/Berlin")
NOW = from_datetime(datetime(2026, 3, 29, 10, 0, tzinfo=UTC))  # noon in Berlin, the day of the change


def stretches(text: str, now: int = NOW, zone: ZoneInfo = BERLIN) -> list[tuple[str, str]]:
    return [(to_iso(first, zone), to_iso(end, zone)) for first, end in read_moment(text, now, zone).stretches]


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("11:30", "2026-03-29T11:30:00+02:00", "2026-03-29T11:31:00+02:00"),
        ("12:00", "2026-03-29T12:00:00+02:00", "2026-03-29T12:01:00+02:00"),
        ("12:01", "2026-03-28T12:01:00+01:00", "2026-03-28T12:02:00+01:00"),
        ("9:05:07", "2026-03-29T09:05:07+02:00", "2026-03-29T09:05:08+02:00"),
        ("yesterday", "2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00"),
        ("today", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        ("2026-03-01", "2026-03-01T00:00:00+01:00", "2026-03-02T00:00:00+01:00"),
        ("tomorrow 03:00", "2026-03-30T03:00:00+02:00", "2026-03-30T03:01:00+02:00"),
        ("2026-03-01T03:00Z", "2026-03-01T04:00:00+01:00", "2026-03-01T04:01:00+01:00"),
        (
            "2026-03-01T03:00:01.5+01:00",
            "2026-03-01T03:00:01.500000+01:00",
            "2026-03-01T03:00:01.500001+01:00",
        ),
        ("in 2h", "2026-03-29T14:00:00+02:00", "2026-03-29T14:00:00.000001+02:00"),
        ("2h", "2026-03-29T10:00:00+02:00", "2026-03-29T10:00:00.000001+02:00"),
    ],
)
def test_what_is_meant(text: str, first: str, end: str) -> None:
    assert stretches(text) == [(first, end)]


def test_a_time_that_did_not_exist_is_the_moment_of_the_change() -> None:
    assert stretches("02:30") == [("2026-03-29T03:00:00+02:00", "2026-03-29T03:01:00+02:00")]
    assert "did not exist on 2026-03-29 in Europe/Berlin" in read_moment("02:30", NOW, BERLIN).remark
    assert read_moment("03:00", NOW, BERLIN).remark == ""


def test_a_half_hour_that_did_not_exist() -> None:
    howe = ZoneInfo("Australia/Lord_Howe")
    assert stretches("2026-10-04 02:10", zone=howe) == [
        ("2026-10-04T02:30:00+11:00", "2026-10-04T02:31:00+11:00")
    ]


def test_a_time_that_came_twice_is_both() -> None:
    asked = read_moment("2026-10-25 02:30", NOW, BERLIN)
    assert [to_iso(first, BERLIN) for first, _ in asked.stretches] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]
    assert "came twice" in asked.remark
    assert len(read_moment("2026-10-25 02:30+01:00", NOW, BERLIN).stretches) == 1


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(UsageError):
        read_moment("three", NOW, BERLIN)
