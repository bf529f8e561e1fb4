"""Which dates a cron text means, far from any change of the clocks; and the library's door to it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrun.api import next_fires
from jobrun.domain.calendar import CronError, NeverComes, check_cron
from jobrun.domain.instants import from_datetime
from tests.domain.cron_strategies import Meaning, meanings


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [
        # Hourly, daily, weekly, monthly, as people write them.
        ("0 * * * *", "UTC", "2026-01-01T10:00", ["2026-01-01T11:00+00:00", "2026-01-01T12:00+00:00"]),
        (
            "0 9 * * *",
            "Europe/Paris",
            "2026-01-01T09:00",
            ["2026-01-02T09:00+01:00", "2026-01-03T09:00+01:00"],
        ),
        ("*/5 * * * *", "UTC", "2026-01-01T23:55", ["2026-01-02T00:00+00:00", "2026-01-02T00:05+00:00"]),
        ("0 0 * * 0", "UTC", "2026-01-01", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("0 0 * * 7", "UTC", "2026-01-01", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("0 0 * * sun", "UTC", "2026-01-01", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("@weekly", "UTC", "2026-01-01", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("0 6 1 * *", "UTC", "2026-01-01T06:00", ["2026-02-01T06:00+00:00", "2026-03-01T06:00+00:00"]),
        ("@yearly", "Asia/Tokyo", "2026-01-01", ["2027-01-01T00:00+09:00", "2028-01-01T00:00+09:00"]),
        ("0 0 * * 1-5", "UTC", "2026-01-02", ["2026-01-05T00:00+00:00", "2026-01-06T00:00+00:00"]),
        # Friday the 13th is both with a star, either without.
        ("0 0 13 * 5", "UTC", "2026-02-07", ["2026-02-13T00:00+00:00", "2026-02-20T00:00+00:00"]),
        ("0 0 13 * *", "UTC", "2026-02-07", ["2026-02-13T00:00+00:00", "2026-03-13T00:00+00:00"]),
        ("0 0 */2 * 1", "UTC", "2026-06-01", ["2026-06-15T00:00+00:00", "2026-06-29T00:00+00:00"]),
        ("0 0 13 * */5", "UTC", "2026-01-01", ["2026-02-13T00:00+00:00", "2026-03-13T00:00+00:00"]),
        ("0 0 13,*/31 * 5", "UTC", "2026-01-01", ["2026-01-02T00:00+00:00", "2026-01-09T00:00+00:00"]),
        # Rare dates.
        ("0 0 29 2 *", "UTC", "2096-03-01", ["2104-02-29T00:00+00:00", "2108-02-29T00:00+00:00"]),
        ("0 0 29 2 */7", "UTC", "2026-01-01", ["2032-02-29T00:00+00:00", "2060-02-29T00:00+00:00"]),
        ("0 0 31 * *", "UTC", "2026-01-31", ["2026-03-31T00:00+00:00", "2026-05-31T00:00+00:00"]),
        # Beyond Debian.
        ("0 0 L * *", "UTC", "2028-01-31", ["2028-02-29T00:00+00:00", "2028-03-31T00:00+00:00"]),
        ("0 0 LW * *", "UTC", "2026-05-01", ["2026-05-29T00:00+00:00", "2026-06-30T00:00+00:00"]),
        ("0 0 * * 5L", "UTC", "2026-01-01", ["2026-01-30T00:00+00:00", "2026-02-27T00:00+00:00"]),
        ("0 0 * * fril", "UTC", "2026-01-01", ["2026-01-30T00:00+00:00", "2026-02-27T00:00+00:00"]),
        ("0 0 * * 7L", "UTC", "2026-01-01", ["2026-01-25T00:00+00:00", "2026-02-22T00:00+00:00"]),
        ("0 0 * * mon#1,3#5", "UTC", "2026-04-01", ["2026-04-06T00:00+00:00", "2026-04-29T00:00+00:00"]),
        ("30 0 0 * * *", "UTC", "2026-01-01", ["2026-01-01T00:00:30+00:00", "2026-01-02T00:00:30+00:00"]),
        ("0 0 15,L * 0#1", "UTC", "2026-01-01", ["2026-01-04T00:00+00:00", "2026-01-15T00:00+00:00"]),
    ],
)
def test_next_dates(text: str, zone: str, start: str, expected: list[str]) -> None:
    assert next_fires(text, zone, start, 2) == [datetime.fromisoformat(moment) for moment in expected]


@given(meaning=meanings(), start=st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1)))
def test_every_date_fits_and_none_before_it_does(meaning: Meaning, start: datetime) -> None:
    """Against the meaning of the text itself, minute by minute back to the start, for three days at most."""
    try:
        check_cron(meaning.text)
    except NeverComes:
        return
    (found,) = next_fires(meaning.text, "UTC", start, 1)
    end = int(found.timestamp())
    assert meaning.fits(end)
    first = int(start.replace(tzinfo=UTC, second=0, microsecond=0).timestamp()) + 60
    assert not any(meaning.fits(wall) for wall in range(max(first, end - 3 * 86_400), end, 60))


@settings(deadline=None)
@given(
    # It reads a range of one value with a step as open-ended: no stepped ranges.
    meaning=meanings(seconds=True, stepped_ranges=False),
    start=st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1)).map(lambda at: at.replace(microsecond=0)),
)
def test_without_zones_it_is_cronsim(meaning: Meaning, start: datetime) -> None:
    """The library we build on, asked in its own way, in UTC."""
    try:
        found = next_fires(meaning.text, "UTC", start, 3)
    except NeverComes:
        return
    theirs = CronSim(meaning.text, start)
    assert [moment.replace(tzinfo=None) for moment in found] == [next(theirs) for _ in range(3)]


def test_a_start_is_a_date_time_a_text_or_microseconds() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 6, 1, 12, tzinfo=berlin)
    expected = [datetime(2026, 6, 2, 3, tzinfo=berlin)]
    for way in (
        start,
        start.replace(tzinfo=None),
        start.astimezone(UTC),
        "2026-06-01T12:00",
        "2026-06-01T10:00Z",
        from_datetime(start),
    ):
        assert next_fires("0 3 * * *", "Europe/Berlin", way, 1) == expected
    assert next_fires("0 3 * * *", "Europe/Berlin", start, 0) == []
    assert next_fires("@reboot", "Europe/Berlin", start, 3) == []
    assert next_fires("0 3 * * *", "Europe/Berlin", start, 1)[0].utcoffset() == timedelta(hours=2)


def test_what_is_wrong_is_an_error_with_a_sentence() -> None:
    with pytest.raises(CronError, match="out of bounds"):
        next_fires("61 * * * *", "UTC", 0, 1)
    with pytest.raises(CronError, match="never comes"):
        next_fires("0 0 30 2 *", "UTC", 0, 1)
    with pytest.raises(ValueError, match="not a known time zone"):
        next_fires("* * * * *", "Mars/Olympus", 0, 1)
    with pytest.raises(ValueError, match="yesterday"):
        next_fires("* * * * *", "UTC", "yesterday", 1)
