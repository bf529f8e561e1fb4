"""Cron texts in words, what is beyond Debian, and dates explained where the clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from jobrun.domain.calendar import CronError
from jobrun.domain.describe import describe, remarks
from jobrun.domain.explain import explain
from jobrun.domain.instants import from_datetime, to_datetime
from tests.domain.cron_strategies import Meaning, meanings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("5-59/15 * * * *", "every 15 minutes, counted from minute 5"),
        ("*/7 * * * *", "every 7th minute from 0 through 56 of every hour"),
        ("0 * * * *", "every hour at minute 0"),
        ("@hourly", "every hour at minute 0"),
        ("15,45 * * * *", "at minutes 15 and 45 of every hour"),
        ("15,45 9-17 * * *", "at minutes 15 and 45, from 09:00 through 17:59"),
        ("10-20 * * * *", "every minute from 10 through 20 of every hour"),
        ("10-20 3 * * *", "every minute, from 03:10 through 03:20"),
        ("0 */2 * * *", "every 2 hours, from 00:00 through 22:00"),
        ("0 9-17 * * 1-5", "every hour, from 09:00 through 17:00, Monday to Friday"),
        ("5 */6 * * *", "at 00:05, 06:05, 12:05 and 18:05 every day"),
        ("*/15 9-17 * * 1-5", "every 15 minutes, from 09:00 through 17:59, Monday to Friday"),
        ("*/20 8-18/2 * * *", "every 20 minutes, in every 2nd hour from 08:00 through 18:59"),
        ("*/20 8,12,18 * * *", "every 20 minutes, in the hours of 08:00, 12:00 and 18:00"),
        ("0 3 * * *", "at 03:00 every day"),
        ("@daily", "at 00:00 every day"),
        ("0 9,12,18 * * mon,wed,fri", "at 09:00, 12:00 and 18:00 on Monday, Wednesday and Friday"),
        ("@weekly", "at 00:00 on Sunday"),
        ("30 3 * * 7", "at 03:30 on Sunday"),
        ("0 0 * * 6,0", "at 00:00 on Saturday and Sunday"),
        ("0 0 * * 5-7", "at 00:00, Friday to Sunday"),
        ("0 0 1 * *", "at 00:00 on the 1st of every month"),
        ("0 6 2,3,22 * *", "at 06:00 on the 2nd, 3rd and 22nd of every month"),
        ("@yearly", "at 00:00 on the 1st of January"),
        ("0 0 * 1,7 *", "at 00:00 every day in January and July"),
        ("0 0 * 4-6 1-5", "at 00:00, Monday to Friday, in April to June"),
        ("0 0 13 * 5", "at 00:00 on the 13th of every month, and also on Friday"),
        ("0 0 15 6 1", "at 00:00 on the 15th of June, and also on Monday in June"),
        ("30 4 1-7 * 6", "at 04:30, from the 1st through the 7th of every month, and also on Saturday"),
        (
            "0 0 */2 * 1",
            "at 00:00, every 2nd day from the 1st through the 31st of every month, if that is Monday",
        ),
        ("0 0 1-31 * 5", "at 00:00 every day"),
        ("0 0 L * *", "at 00:00 on the last day of every month"),
        ("0 0 LW 3,9 *", "at 00:00 on the last weekday (Monday to Friday) of March and September"),
        ("0 0 L,15 * *", "at 00:00 on the 15th and the last day of every month"),
        ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 0 * * mon#2,mon#4", "at 00:00 on the second Monday and the fourth Monday of the month"),
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("30 */15 * * * *", "every 15 minutes at second 30"),
        ("0 30 2 * * *", "at 02:30 every day"),
        ("5 30 2 * * *", "at 02:30:05 every day"),
        ("15 10 * * * *", "every hour at 10:15"),
        ("*/10 */15 * * * *", "every 10 seconds of every 15 minutes"),
        ("@reboot", "once at every boot of the host"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert describe(text) == words


@given(meanings() | meanings(seconds=True))
def test_every_text_has_words_that_read_as_one_phrase(meaning: Meaning) -> None:
    words = describe(meaning.text)
    assert words == " ".join(words.split())
    assert words[0].islower()
    assert not words.endswith((",", ".", " "))
    assert ", ," not in words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("*/15 9-17 * * mon-fri", []),
        ("@daily", []),
        ("@reboot", []),
        ("0 0 3 * * *", ["six fields"]),
        ("0 0 L * *", ["L, the last day"]),
        ("0 0 LW * *", ["LW, the last weekday"]),
        ("0 0 L,LW * *", ["LW,", "L, "]),
        ("0 0 * * 5L", ["with L"]),
        ("0 0 * * 5#2", ["with #"]),
        ("0 0 0 L * 5#2", ["six fields", "L, ", "with #"]),
    ],
)
def test_what_is_beyond_debian_is_said(text: str, says: list[str]) -> None:
    found = remarks(text)
    assert len(found) == len(says)
    for sentence, part in zip(found, says, strict=True):
        assert part in sentence
        assert sentence.endswith("beyond Debian's cron")
    assert set(found) <= set(explain(text, "UTC", 0, 1).remarks)


def dates(text: str, zone: str, start: str, n: int) -> list[tuple[str, str | None]]:
    loaded = ZoneInfo(zone)
    after = from_datetime(datetime.fromisoformat(start).replace(tzinfo=loaded))
    found = explain(text, zone, after, n).next
    return [(to_datetime(at, loaded).strftime("%m-%d %H:%M"), remark) for at, remark in found]


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            [
                (
                    "03-29 03:00",
                    "02:30 is skipped: the clocks go forward from 02:00 to 03:00; due right after the change",
                ),
                ("03-30 02:30", None),
            ],
        ),
        (
            "0,30 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00",
            [
                (
                    "03-29 03:00",
                    "02:00, 02:30 are skipped: the clocks go forward from 02:00 to 03:00; "
                    "due right after the change",
                ),
                ("03-29 03:30", None),
            ],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T02:10",
            [
                ("03-28 02:30", None),
                (
                    "03-30 02:00",
                    "before it, 02:00, 02:30 are left out: the clocks go forward from 02:00 to 03:00",
                ),
            ],
        ),
        (
            "* * * * *",
            "Europe/Berlin",
            "2026-03-29T01:59",
            [
                (
                    "03-29 03:00",
                    "before it, times from 02:00 on are left out: the clocks go forward from 02:00 to 03:00",
                ),
                ("03-29 03:01", None),
            ],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            [
                (
                    "10-25 02:30",
                    "02:30 comes twice: the clocks go back from 03:00 to 02:00; due at the first only",
                ),
                ("10-26 02:30", None),
            ],
        ),
        (
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:00",
            [
                ("10-25 01:30", None),
                (
                    "10-25 02:30",
                    "02:30 comes twice: the clocks go back from 03:00 to 02:00; this is the first",
                ),
                (
                    "10-25 02:30",
                    "02:30 comes twice: the clocks go back from 03:00 to 02:00; this is the second",
                ),
                ("10-25 03:30", None),
            ],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            [
                (
                    "04-05 01:45",
                    "01:45 comes twice: the clocks go back from 02:00 to 01:30; due at the first only",
                )
            ],
        ),
        (
            "30 1 * * *",
            "Antarctica/Casey",
            "2020-10-03T12:00",
            [("10-05 01:30", "before it, 01:30 is left out: the clocks go forward from 00:01 to 03:01")],
        ),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00",
            [("12-31 12:00", "before it, 12:00 is left out: the clocks go forward by 24 hours")],
        ),
        ("30 2 * * *", "Asia/Tokyo", "2026-03-28T12:00", [("03-29 02:30", None)]),
    ],
)
def test_a_date_in_a_change_of_the_clocks_is_remarked(
    text: str, zone: str, start: str, expected: list[tuple[str, str | None]]
) -> None:
    assert dates(text, zone, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 0 30 2 *", "it never comes: there is no day 30 in February"),
        ("0 0 LW * */6", "it never comes: no date fits both"),
    ],
)
def test_a_text_that_never_comes_is_explained_as_that(text: str, says: str) -> None:
    told = explain(text, "Europe/Berlin", 0, 3)
    assert told.words
    assert told.next == []
    assert any(remark.startswith(says) for remark in told.remarks)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 0 13 * 5", "either is enough"),
        ("0 0 */2 * 5", "must both fit"),
        ("0 0 29 2 *", "leap years only"),
        ("0 0 31 * *", "months without a day 31 are left out"),
        ("*/7 * * * *", "its last step is 4 minutes"),
        ("0 */5 * * *", "its last step is 4 hours"),
        ("*/90 * * * *", "means minute 0 only"),
        ("@reboot", "not known to the calendar"),
    ],
)
def test_what_surprises_people_is_said(text: str, says: str) -> None:
    assert any(says in remark for remark in explain(text, "UTC", 0, 1).remarks)


@pytest.mark.parametrize(
    "text", ["0 3 * * *", "*/15 * * * *", "0 0 1 * *", "0 0 28 * 1-7", "*/5 */2 * * 1-5"]
)
def test_what_surprises_nobody_has_no_remark(text: str) -> None:
    assert explain(text, "UTC", 0, 1).remarks == []


def test_a_text_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(CronError):
        explain("5/15 * * * *", "UTC", 0, 1)
    for text in ("* * * * *", "0 0 30 2 *"):
        with pytest.raises(ValueError, match="not a known time zone"):
            explain(text, "Nowhere", 0, 1)
