"""The slots of every kind of schedule: next, counted, bounded by not_before and expires, moved by spread."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND, Instant, from_datetime
from jobrun.domain.job import After, At, Cron, Every, Reboot, Schedule, When
from jobrun.domain.schedules import Stretch, next_slot, slots_between, start_offset

START = from_datetime(datetime(2026, 5, 1, tzinfo=UTC))


def schedule(when: When, **more: object) -> Schedule:
    return Schedule(key="key", when=when, timezone="Europe/Berlin", **more)  # type: ignore[arg-type]


def next_of(what: Schedule, after: Instant, anchor: Instant = START, last_end: Instant | None = None):
    return next_slot(what, after, anchor=anchor, last_end=last_end)


def between(
    what: Schedule, after: Instant, until: Instant, newest: int = 100, last_end: Instant | None = None
):
    return slots_between(what, after, until, anchor=START, last_end=last_end, newest=newest)


def test_cron_is_read_in_the_schedules_own_zone() -> None:
    assert next_of(schedule(Cron("0 3 * * *")), START) == START + HOUR  # 03:00 summer time is 01:00 UTC


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (START - DAY, START + 30 * SECOND),
        (START, START + 30 * SECOND),
        (START + 1, START + 30 * SECOND),
        (START + 30 * SECOND - 1, START + 30 * SECOND),
        (START + 30 * SECOND, START + 60 * SECOND),
        (START + 365 * DAY + 1, START + 365 * DAY + 30 * SECOND),
    ],
)
def test_an_interval_counts_from_its_anchor_whoever_asks_when(after: Instant, expected: Instant) -> None:
    """TRAPS, Time: an interval re-added at every start never fires if the daemon restarts often."""
    assert next_of(schedule(Every(30 * SECOND)), after) == expected


def test_an_interval_of_a_day_does_not_move_with_the_clocks() -> None:
    """TRAPS, Time: `IntervalTrigger(days=1)` shifts by an hour at the spring change and stays there."""
    spring = from_datetime(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert next_of(schedule(Every(DAY)), spring, anchor=spring) == spring + DAY


def test_five_minutes_are_five_minutes() -> None:
    assert next_of(schedule(Every(5 * MINUTE)), START) == START + 300 * SECOND


def test_a_pause_counts_from_the_end_of_the_last_run_else_from_the_anchor() -> None:
    pause = schedule(After(30 * SECOND))
    assert next_of(pause, START) == START + 30 * SECOND
    assert next_of(pause, START, last_end=START + HOUR) == START + HOUR + 30 * SECOND
    # Its one slot is decided: nothing more comes until a run ends.
    assert next_of(pause, START + 30 * SECOND) is None
    assert between(pause, START, START + HOUR) == Stretch(
        START + 30 * SECOND, START + 30 * SECOND, 1, (START + 30 * SECOND,)
    )
    assert between(pause, START + 30 * SECOND, START + HOUR) is None
    assert between(pause, START, START + 29 * SECOND) is None


def test_a_pause_waits_for_not_before() -> None:
    pause = schedule(After(30 * SECOND), not_before=START + DAY)
    assert next_of(pause, START) == START + DAY
    assert next_of(pause, START, last_end=START + 2 * DAY) == START + 2 * DAY + 30 * SECOND


def test_a_one_off_is_a_slot_like_any_other() -> None:
    """TRAPS, Time: a one-off is deleted from a persistent store before it runs."""
    once = schedule(At(START + HOUR))
    assert next_of(once, START) == START + HOUR
    assert next_of(once, START + HOUR) is None
    assert between(once, START, START + DAY) == Stretch(START + HOUR, START + HOUR, 1, (START + HOUR,))
    assert between(once, START + HOUR, START + DAY) is None


def test_a_boot_is_no_date() -> None:
    boot = schedule(Reboot())
    assert next_of(boot, START) is None
    assert between(boot, START, START + DAY) is None


@pytest.mark.parametrize("when", [Cron("* * * * *"), Every(MINUTE)])
def test_not_before_is_the_first_moment_and_expires_the_first_one_after(when: When) -> None:
    bounded = schedule(when, not_before=START + HOUR, expires=START + 2 * HOUR)
    assert next_of(bounded, START) == START + HOUR
    assert next_of(bounded, START + HOUR) == START + HOUR + MINUTE
    assert next_of(bounded, START + 2 * HOUR - 1) is None
    found = between(bounded, START - DAY, START + DAY)
    assert found is not None
    assert (found.first, found.last, found.count) == (START + HOUR, START + 2 * HOUR - MINUTE, 60)


def test_a_bounded_one_off_outside_its_bounds_never_comes() -> None:
    assert next_of(schedule(At(START + HOUR), not_before=START + 2 * HOUR), START) is None
    assert next_of(schedule(At(START + HOUR), expires=START + HOUR), START) is None
    assert between(schedule(At(START + HOUR), not_before=START + 2 * HOUR), START, START + DAY) is None


@given(
    when=st.sampled_from(
        [Every(30 * SECOND), Every(MINUTE + 1), Cron("*/7 * * * *"), Cron("*/20 * * * * *")]
    ),
    after=st.integers(-2 * HOUR, 2 * HOUR),
    span=st.integers(0, 5 * HOUR),
    opens=st.none() | st.integers(-HOUR, HOUR),
    closes=st.none() | st.integers(-HOUR, 4 * HOUR),
    newest=st.integers(0, 400),
)
def test_the_slots_of_a_stretch_are_those_that_come_one_after_the_other(
    when: When, after: int, span: int, opens: int | None, closes: int | None, newest: int
) -> None:
    bounded = schedule(
        when,
        not_before=None if opens is None else START + opens,
        expires=None if closes is None else START + closes,
    )
    listed, at = [], START + after
    while (slot := next_of(bounded, at)) is not None and slot <= START + after + span:
        assert slot > at
        listed.append(slot)
        at = slot
    found = between(bounded, START + after, START + after + span, newest)
    if not listed:
        assert found is None
        return
    expected = tuple(listed[-newest:]) if newest else ()
    assert found == Stretch(listed[0], listed[-1], len(listed), expected)


def test_a_year_of_thirty_seconds_is_counted() -> None:
    """TRAPS, Time: Kubernetes refuses for ever after 100 missed slots (#42649)."""
    found = between(schedule(Every(30 * SECOND)), START, START + 365 * DAY, 3)
    assert found is not None
    end = START + 365 * DAY
    assert found == Stretch(START + 30 * SECOND, end, 1_051_200, (end - MINUTE, end - 30 * SECOND, end))


def offset(host: str = "host", job: str = "job", draw: float = 0.0, **more: int) -> int:
    return start_offset(schedule(Every(MINUTE), **more), host_id=host, job=job, draw=draw)


def test_spread_is_the_same_for_ever_and_different_between_jobs_and_hosts() -> None:
    # The number itself: another one would move every spread job of every host at an upgrade.
    assert offset(spread=600 * SECOND) == 551_748_331
    assert offset(spread=600 * SECOND, draw=0.9) == offset(spread=600 * SECOND)
    assert len({offset(job=f"job{n}", spread=600 * SECOND) // MINUTE for n in range(200)}) == 10
    assert len({offset(host=f"host{n}", spread=600 * SECOND) // MINUTE for n in range(200)}) == 10
    assert all(0 <= offset(job=f"job{n}", spread=7) < 7 for n in range(200))


def test_random_delay_takes_its_part_of_the_span() -> None:
    assert offset(random_delay=600 * SECOND, draw=0.0) == 0
    assert offset(random_delay=600 * SECOND, draw=0.5) == 300 * SECOND
    assert offset(random_delay=600 * SECOND, draw=0.9999999999) < 600 * SECOND
    assert offset() == 0
