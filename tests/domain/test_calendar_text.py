"""Reading cron text: what Debian's cron takes is taken, what nobody means is refused with a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.calendar import CronError, NeverComes, check_cron, is_fixed_time, load_zone, next_cron
from jobrun.domain.cron_text import REBOOT, WORDS, read_cron
from tests.domain.cron_strategies import Meaning, meanings


@given(meanings())
def test_every_field_stands_for_the_values_that_debian_cron_gives_it(meaning: Meaning) -> None:
    cron = read_cron(meaning.text)
    assert set(cron.second.values) == {0}
    assert set(cron.minute.values) == meaning.minutes
    assert set(cron.hour.values) == meaning.hours
    assert set(cron.day_of_month.values) == meaning.days
    assert set(cron.month.values) == meaning.months
    assert set(cron.day_of_week.values) == meaning.weekdays
    assert cron.is_fixed_time == meaning.is_fixed_time
    assert cron.needs_both_days == bool(meaning.starred & {"day", "weekday"})
    assert not cron.has_seconds


@given(meanings(seconds=True))
def test_six_fields_begin_with_seconds(meaning: Meaning) -> None:
    cron = read_cron(meaning.text)
    assert set(cron.second.values) == meaning.seconds
    assert set(cron.minute.values) == meaning.minutes
    assert set(cron.day_of_week.values) == meaning.weekdays
    assert cron.has_seconds
    assert cron.is_fixed_time == meaning.is_fixed_time


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0 0 * * 0", {0}),
        ("0 0 * * 7", {0}),
        ("0 0 * * sun", {0}),
        ("0 0 * * SUN", {0}),
        ("0 0 * * 5-7", {5, 6, 0}),
        ("0 0 * * fri-sat,sun", {5, 6, 0}),
        ("0 0 * * 1-5", {1, 2, 3, 4, 5}),
        ("0 0 * * */2", {0, 2, 4, 6}),
        ("0 0 * * */7", {0}),
        ("0 0 * * 1-7/3", {1, 4, 0}),
    ],
)
def test_sunday_is_0_and_7_and_a_week_of_numbers_begins_with_it(text: str, values: set[int]) -> None:
    """TRAPS, Time: `from_crontab` takes 0 for Monday, reads 1-5 as Tue-Sat and refuses 7."""
    assert set(read_cron(text).day_of_week.values) == values


def test_a_step_over_one_value_is_that_value() -> None:
    """cronsim reads `5-5/15` as `5/15`; Debian's loop from 5 to 5 sets 5 alone."""
    assert read_cron("5-5/15 * * * *").minute.values == (5,)


@pytest.mark.parametrize(("word", "spelled"), WORDS.items())
def test_at_words_mean_their_five_fields(word: str, spelled: str) -> None:
    """TRAPS, Time: `from_crontab` refuses `@daily`."""
    said, meant = read_cron(word), read_cron(spelled)
    for field in ("minute", "hour", "day_of_month", "month", "day_of_week"):
        assert getattr(said, field) == getattr(meant, field)
    assert is_fixed_time(word) == (word != "@hourly")
    check_cron(word)


def test_reboot_is_known_but_has_no_date() -> None:
    check_cron(REBOOT)
    assert not is_fixed_time(REBOOT)
    assert next_cron(REBOOT, "UTC", 0) is None


REFUSED = [
    # text, field, what the reason or hint says, what the caret shows
    ("5/15 * * * *", "minute", 'write "5-59/15"', "5/15"),
    ("0 3/2 * * *", "hour", 'write "3-23/2"', "3/2"),
    ("0 0 1/7 * *", "day-of-month", 'write "1-31/7"', "1/7"),
    ("0 0 * * 1/2", "day-of-week", 'write "1-6/2"', "1/2"),
    ("0 22-2 * * *", "hour", 'write "22-23,0-2"', "22-2"),
    ("0 22-2/2 * * *", "hour", 'write "22,0,2"', "22-2/2"),
    ("50-10 * * * *", "minute", 'write "50-59,0-10"', "50-10"),
    ("0 0 * nov-feb *", "month", 'write "11-12,1-2"', "nov-feb"),
    ("0 0 * * fri-sun", "day-of-week", 'write "5-7"', "fri-sun"),
    ("0 0 * * sat-mon", "day-of-week", 'write "6,0-1"', "sat-mon"),
    ("60 * * * *", "minute", "0 to 59", "60"),
    ("0 24 * * *", "hour", "midnight is hour 0", "24"),
    ("0 0 0 * *", "day-of-month", "1 to 31", "0"),
    ("0 0 32 * *", "day-of-month", "1 to 31", "32"),
    ("0 0 * 13 *", "month", "1 to 12", "13"),
    ("0 0 * * 8", "day-of-week", "0 to 7", "8"),
    ("1,2,77 * * * *", "minute", "0 to 59", "77"),
    ("5-64/30 * * * *", "minute", "0 to 59", "64"),
    ("99999999999999999999 * * * *", "minute", "0 to 59", "99999999999999999999"),
    ("*/0 * * * *", "minute", "step of zero", "*/0"),
    ("*/x * * * *", "minute", "not a number", "*/x"),
    ("*/ * * * *", "minute", "not a number", "*/"),
    ("1,,2 * * * *", "minute", "empty item", "1,,2"),
    ("1, * * * *", "minute", "empty item", "1,"),
    ("-1 * * * *", "minute", "negative", "-1"),
    ("*5 * * * *", "minute", '"*/5"', "*5"),
    ("1-5-7 * * * *", "minute", "not a minute", "1-5-7"),
    ("H * * * *", "minute", "spread", "H"),
    ("mon * * * *", "minute", "not a minute", "mon"),
    ("0 0 * january *", "month", "write jan", "january"),
    ("0 0 * * monday", "day-of-week", "write mon", "monday"),
    ("0 0 * * tus", "day-of-week", "did you mean", "tus"),
    ("0 0 ? * *", "day-of-month", "write *", "?"),
    ("0 0 L-3 * *", "day-of-month", "L alone", "L"),
    ("0 0 15W * *", "day-of-month", "LW", "15W"),
    ("0 0 5L * *", "day-of-month", "day-of-week field", "5L"),
    ("0 0 * * L", "day-of-week", "6L", "L"),
    ("0 0 * * LW", "day-of-week", "day-of-month field", "LW"),
    ("0 0 * * 1#6", "day-of-week", "1 to 5", "1#6"),
    ("0 0 * * 1#0", "day-of-week", "1 to 5", "1#0"),
    ("0 0 * * 9#1", "day-of-week", "0 to 7", "9"),
    ("٣ * * * *", "minute", "not a minute", "٣"),
    ("* * * *", "", "day-of-week missing", "* * * *"),
    ("5", "", "hour, day-of-month, month, day-of-week missing", "5"),
    ("0 0 1 1 * 2030 x", "", "not_before", "x"),
    ("0 0 * * * *\n", "day-of-week", "not a day-of-week", "*\n"),
    ("0\xa00 * * *", "", "4 fields", "0\xa00 * * *"),
    ("@Daily", "", "write @daily, in lower case", "@Daily"),
    ("@dialy", "", "did you mean @daily?", "@dialy"),
    ("@daily x", "", "write @daily alone", "@daily x"),
    ("@every 5m", "", 'every = "5m"', "@every 5m"),
    ("  @  ", "", "@reboot", "@"),
]


@pytest.mark.parametrize(("text", "field", "says", "shown"), REFUSED)
def test_a_bad_text_is_refused_with_its_field_a_hint_and_its_place(
    text: str, field: str, says: str, shown: str
) -> None:
    with pytest.raises(CronError) as caught:
        check_cron(text)
    error = caught.value
    assert error.field == field
    assert says in f"{error.reason} {error.hint}"
    assert text[error.start : error.end] == shown
    assert field in str(error)


def test_an_empty_text_is_refused() -> None:
    for text in ("", "   "):
        with pytest.raises(CronError, match="empty"):
            check_cron(text)


@pytest.mark.parametrize(
    ("text", "says", "shown"),
    [
        ("0 0 30 2 *", "no day 30 in February", "30"),
        ("0 0 31 4,6,9,11 *", "no day 31 in April, June, September or November", "31"),
        ("0 0 30-31 feb *", "no day 30 in February", "30-31"),
        ("0 0 31 2 */2", "no day 31 in February", "31"),
        ("0 0 LW * */6", "no date fits both", "*/6"),
    ],
)
def test_a_date_that_never_comes_is_refused(text: str, says: str, shown: str) -> None:
    """TRAPS, Time: supercronic #96 wrote 10 GB of log a minute for an impossible date."""
    with pytest.raises(NeverComes, match=says) as caught:
        check_cron(text)
    assert text[caught.value.start : caught.value.end] == shown
    assert next_cron(text, "Europe/Berlin", 0) is None


@pytest.mark.parametrize("text", ["0 0 30 2 1", "0 0 29 2 *", "0 0 29 2 */7", "0 0 31 2,3 *", "0 0 L 2 *"])
def test_a_rare_date_is_not_an_impossible_one(text: str) -> None:
    check_cron(text)
    assert next_cron(text, "UTC", 0) is not None


@given(st.text(alphabet="0123456789*/-,#@LWlwh ?monsuf\t\n\0é", max_size=30) | st.text(max_size=30))
def test_no_text_does_more_than_be_refused_with_a_place_in_it(text: str) -> None:
    try:
        check_cron(text)
    except CronError as error:
        assert 0 <= error.start <= error.end <= len(text)
        assert error.reason
    else:
        assert next_cron(text, "UTC", 0) is not None or text.strip(" \t") == REBOOT


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Europe/Berlni", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("right/UTC", "UTC"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_one(name: str, suggestion: str) -> None:
    with pytest.raises(ValueError, match=f'did you mean "{suggestion}"'):
        load_zone(name)


@pytest.mark.parametrize("name", ["", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000, "é", "."])
def test_no_zone_name_does_more_than_be_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a known time zone"):
        load_zone(name)
    with pytest.raises(ValueError, match="is not a known time zone"):
        next_cron("* * * * *", name, 0)
