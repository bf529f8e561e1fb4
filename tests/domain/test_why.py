"""The slots of any time by the definition in force then; spans of definitions; stretches without a daemon."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND, from_datetime, to_iso
from jobrun.domain.job import Cron, Every, Job, Overlap, Schedule, ShellCommand
from jobrun.domain.outages import outages
from jobrun.domain.overlap import SkipSlot, decide_overlap, run_in_the_way
from jobrun.domain.records import HostEvent
from jobrun.domain.run import Queued, Run, Trigger
from jobrun.domain.schedules import next_slot
from jobrun.domain.timeline import Redefined, Span, redefinitions, span_at, spans_of
from jobrun.domain.why import Slots, phase_anchor

T = from_datetime(datetime(2026, 3, 1, tzinfo=UTC))


def job(*schedules: Schedule, enabled: bool = True) -> Job:
    return Job(name="j", body=ShellCommand("x"), schedules=schedules, enabled=enabled)


def cron(text: str, zone: str = "UTC") -> Schedule:
    return Schedule(key=text, when=Cron(text), timezone=zone)


HOURLY, NIGHTLY = cron("0 * * * *"), cron("0 3 * * *")


def slots(spans: list[Span], **jobs: Job) -> Slots:
    return Slots(spans, {int(name[1:]): value for name, value in jobs.items()}, lambda *_: None)


# Definitions over time


def test_spans_go_on_over_reverts_and_removals() -> None:
    changes = [
        Redefined(T, None, 1),
        Redefined(T + DAY, 1, 2),
        Redefined(T + 2 * DAY, 2, None),
        Redefined(T + 3 * DAY, None, 1),
    ]
    spans = spans_of(changes, {1: T, 2: T + DAY}, 1)
    assert [span.definition for span in spans] == [1, 2, None, 1]
    assert span_at(spans, T) is None  # what is due at the very moment of a change is decided before it
    assert span_at(spans, T + DAY) == spans[0]
    assert span_at(spans, T + DAY + 1) == spans[1]
    assert span_at(spans, T + 9 * DAY) == spans[3]


def test_what_was_in_force_before_the_first_change_that_is_kept() -> None:
    spans = spans_of([Redefined(T + DAY, 1, 2)], {1: T}, 2)
    assert spans == [Span(T, T + DAY, 1), Span(T + DAY, None, 2)]


def test_a_job_without_any_change_that_is_kept() -> None:
    assert spans_of([], {7: T}, 7) == [Span(T, None, 7)]
    assert spans_of([], {}, None) == []


def test_a_change_undone_by_a_clock_set_back_was_never_in_force() -> None:
    changes = [Redefined(T, None, 1), Redefined(T + DAY, 1, 2), Redefined(T + HOUR, 2, 3)]
    spans = spans_of(changes, {}, 3)
    assert [span.definition for span in spans] == [1, 3]


def test_other_jobs_and_other_events_are_passed_over() -> None:
    events = [
        HostEvent(T, "planned", {"versions": {"j": [None, 1], "k": [None, 2]}}),
        HostEvent(T, "reloaded", {"versions": {"k": [2, 3]}}),
        HostEvent(T, "reloaded", {}),
        HostEvent(T, "suspended", {"versions": {"j": [1, 5]}}),
    ]
    assert redefinitions("j", events) == [Redefined(T, None, 1)]


# Slots


def test_within_a_time_each_definition_gives_its_own_slots() -> None:
    spans = [Span(T - DAY, T + 4 * HOUR, 1), Span(T + 4 * HOUR, None, 2)]
    found, count = slots(spans, _1=job(HOURLY), _2=job(NIGHTLY)).within(T, T + 2 * DAY, 100)
    assert [slot.at for slot in found] == [T, *(T + n * HOUR for n in (1, 2, 3, 4)), T + DAY + 3 * HOUR]
    assert count == 6


def test_only_the_newest_are_listed_and_all_counted() -> None:
    found, count = slots([Span(T, None, 1)], _1=job(cron("* * * * *"))).within(T, T + 300 * DAY, 5)
    assert (len(found), count) == (5, 300 * 24 * 60 - 1)
    assert found[-1].at == T + 300 * DAY - MINUTE


def test_before_and_after_pass_over_times_out_of_force() -> None:
    spans = [Span(T, T + DAY, 1), Span(T + DAY, T + 2 * DAY, None), Span(T + 2 * DAY, None, 2)]
    it = slots(spans, _1=job(NIGHTLY), _2=job(NIGHTLY, enabled=False))
    assert it.before(T + 5 * DAY).at == T + 3 * HOUR
    assert it.after(T + DAY) is None
    assert it.before(T + 3 * HOUR) is None
    assert it.after(T + 3 * HOUR).at == T + 3 * HOUR


def test_a_leap_day_is_found_eight_years_back() -> None:
    spans = [Span(from_datetime(datetime(1890, 1, 1, tzinfo=UTC)), None, 1)]
    at = slots(spans, _1=job(cron("0 0 29 2 *"))).before(from_datetime(datetime(1904, 2, 29, tzinfo=UTC))).at
    assert to_iso(at) == "1896-02-29T00:00:00+00:00"


@given(some.integers(1, 3 * DAY), some.integers(0, 400 * DAY), some.integers(0, 400 * DAY))
def test_an_interval_known_by_one_of_its_slots(period: int, number: int, later: int) -> None:
    """Old intervals have no anchor any more; any slot of theirs will do."""
    schedule = Schedule(key="e", when=Every(period), timezone="UTC")
    slot = T + number // period * period
    moment = T + later
    anchor = phase_anchor(period, slot, moment)
    assert anchor < moment
    at = next_slot(schedule, moment, anchor=anchor, last_end=None)
    assert moment < at <= moment + period
    assert (at - slot) % period == 0


# Outages


def event(at: int, kind: str, **detail: object) -> HostEvent:
    return HostEvent(at, kind, detail)


def test_a_daemon_that_stopped_and_one_that_was_killed() -> None:
    told = outages(
        [
            event(T, "daemon_started", boot_id="a", last_seen=""),
            event(T + HOUR, "daemon_stopped", mode="drain"),
            event(T + 2 * HOUR, "daemon_started", boot_id="a", last_seen=to_iso(T + HOUR)),
            event(T + 9 * HOUR, "daemon_started", boot_id="b", last_seen=to_iso(T + 5 * HOUR)),
        ]
    )
    assert [(outage.since, outage.until, outage.how) for outage in told] == [
        (T + HOUR, T + 2 * HOUR, "it was stopped (drain)"),
        (T + 5 * HOUR, T + 9 * HOUR, "it ended without a word; the host was started anew"),
    ]


def test_a_daemon_that_is_down_now() -> None:
    started = event(T, "daemon_started", boot_id="a", last_seen="")
    (killed,) = outages([started], down_since=T + HOUR)
    assert (killed.since, killed.until, killed.how) == (T + HOUR, None, "it ended without a word")
    (stopped,) = outages([started, event(T + HOUR, "daemon_stopped", mode="kill")], down_since=T + 2 * HOUR)
    assert (stopped.since, stopped.how) == (T + HOUR, "it was stopped (kill)")


def test_sleep_and_steps_of_the_clock() -> None:
    told = outages(
        [
            event(T + HOUR, "suspended", since=to_iso(T), seconds=1800.0),
            event(T, "clock_stepped", **{"from": to_iso(T), "to": to_iso(T + HOUR)}),
            event(T, "clock_stepped", **{"from": to_iso(T + HOUR), "to": to_iso(T)}),
            event(T + HOUR, "store_recovered", since=to_iso(T), trouble="the disk is full"),
        ]
    )
    assert [(outage.kind, outage.since, outage.until) for outage in told] == [
        ("suspended", T, T + 1800 * SECOND),
        ("clock_forward", T, T + HOUR),
        ("clock_back", T, T + HOUR),
        ("store", T, T + HOUR),
    ]
    assert told[0].meets(T + 1800 * SECOND, T + DAY)
    assert not told[0].meets(T + 1800 * SECOND + 1, T + DAY)


def test_words_that_cannot_be_read_tell_of_no_outage() -> None:
    assert outages([event(T, "suspended", since="?"), event(T, "clock_stepped"), event(T, "new_kind")]) == []


# Overlap


def test_the_run_in_the_way_is_read_back_from_the_sentence_about_it() -> None:
    run = Run(
        id=41, job="j", queue="q", definition_id=1, trigger=Trigger.SCHEDULE, status=Queued(T), created_at=T
    )
    for rule in (Overlap.SKIP, Overlap.QUEUE_ONE):
        decision = decide_overlap(rule, [run])
        assert isinstance(decision, SkipSlot)
        assert run_in_the_way(decision.detail) == 41
    assert run_in_the_way("cancelled by alice") is None
