"""Moments and spans as people write them."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.cli.moments import iso, parse_future, parse_past, parse_span, relative_words, span_words
from jobrun.domain.errors import UsageError
from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND, from_datetime

NOON = from_datetime(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "iso_text"),
    [
        ("2h", "2026-03-01T10:00:00+00:00"),
        ("2h ago", "2026-03-01T10:00:00+00:00"),
        ("90", "2026-03-01T11:58:30+00:00"),
        ("1d12h", "2026-02-28T00:00:00+00:00"),
        ("now", "2026-03-01T12:00:00+00:00"),
        ("today", "2026-03-01T00:00:00+00:00"),
        ("yesterday", "2026-02-28T00:00:00+00:00"),
        ("Yesterday 03:30", "2026-02-28T03:30:00+00:00"),
        ("03:00", "2026-03-01T03:00:00+00:00"),
        ("23:00", "2026-03-01T23:00:00+00:00"),
        ("2026-02-01", "2026-02-01T00:00:00+00:00"),
        ("2026-02-01T04:05", "2026-02-01T04:05:00+00:00"),
        ("2026-02-01 04:05:06.5", "2026-02-01T04:05:06.500000+00:00"),
        ("2026-02-01T04:05+01:00", "2026-02-01T03:05:00+00:00"),
        ("2026-02-01T04:05Z", "2026-02-01T04:05:00+00:00"),
    ],
)
def test_past(text: str, iso_text: str) -> None:
    assert iso(parse_past(text, NOON, UTC), UTC) == iso_text


@pytest.mark.parametrize(
    ("text", "iso_text"),
    [
        ("2h", "2026-03-01T14:00:00+00:00"),
        ("in 10m", "2026-03-01T12:10:00+00:00"),
        ("03:00", "2026-03-02T03:00:00+00:00"),
        ("13:00", "2026-03-01T13:00:00+00:00"),
        ("tomorrow 03:00", "2026-03-02T03:00:00+00:00"),
    ],
)
def test_future(text: str, iso_text: str) -> None:
    assert iso(parse_future(text, NOON, UTC), UTC) == iso_text


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "2026-02-30", "2026-13-01", "1y", "tomorrow noon", "0000-01-01", "999999999d"],
)
def test_what_is_no_moment_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_past(text, NOON, UTC)
    assert "not a moment" in caught.value.sentence
    assert "yesterday" in caught.value.hint


@given(st.text(max_size=30))
def test_no_text_gives_another_error(text: str) -> None:
    try:
        parse_past(text, NOON, UTC)
        parse_future(text, NOON, None)
    except UsageError:
        pass


def test_a_time_without_offset_is_of_the_zone_of_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert iso(parse_past("2026-07-01T04:00", NOON, None), UTC) == "2026-07-01T02:00:00+00:00"
    assert iso(parse_past("2026-07-01T04:00", NOON, UTC), UTC) == "2026-07-01T04:00:00+00:00"
    assert iso(NOON, None) == "2026-03-01T13:00:00+01:00"


def test_spans_are_said_briefly() -> None:
    said = {
        0: "0 ms",
        400_000: "0.4 s",
        75 * SECOND: "1 min 15 s",
        59 * MINUTE: "59 min",
        2 * HOUR + 5 * MINUTE: "2 h 5 min",
        30 * HOUR: "1 d 6 h",
        40 * DAY: "40 d",
    }
    assert {span: span_words(span) for span in said} == said


def test_relative_words() -> None:
    assert relative_words(NOON + 4 * MINUTE + SECOND, NOON) == "in 4 min"
    assert relative_words(NOON - 2 * HOUR, NOON) == "2 h ago"
    assert relative_words(NOON, NOON) == "now"


def test_a_bad_span_names_its_option() -> None:
    with pytest.raises(UsageError, match="--in"):
        parse_span("soon", "--in")
