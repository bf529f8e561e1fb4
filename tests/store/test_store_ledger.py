"""Facts go in, and the same facts come out; what contradicts the store is refused whole."""

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.lives import (
    AT,
    EVERY,
    PROCESS,
    a_ledger,
    admitted,
    an_end,
    done,
    finished,
    queued,
    running,
    whole_life,
)

from jobrun.domain.events import (
    Admitted,
    DelayOver,
    Exited,
    GraceOver,
    HardLimit,
    SoftLimit,
    Spawned,
    SpawnFailed,
    StopRequested,
    Vanished,
)
from jobrun.domain.instants import DAY, SECOND
from jobrun.domain.job import Job, OnLost, RetryPolicy, ShellCommand
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    JobListed,
    JobUnlisted,
    PoolListed,
    PoolUnlisted,
    QueueListed,
    QueueUnlisted,
    Reported,
    Resumed,
    RunCreated,
    RunMoved,
    ScheduleGone,
    ScheduleNext,
    ScheduleSeen,
    SlotsDecided,
    StaleWrite,
)
from jobrun.domain.lifecycle import TABLE, step
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept, Paused
from jobrun.domain.report import Progress, Raised, Report
from jobrun.domain.run import (
    Cause,
    Delayed,
    DelayReason,
    Done,
    Exit,
    Fence,
    Outcome,
    Queued,
    Running,
    Slot,
    Starting,
    Stopping,
    Trigger,
)
from jobrun.store.reader import History
from jobrun.store.snapshot import Cursor
from jobrun.store.writer import Ledger

STATUSES = [
    Delayed(AT + 5, DelayReason.RETRY),
    Queued(AT + 5),
    Starting(AT + 5),
    Running(PROCESS, AT + 5),
    Running(PROCESS, AT + 5, soft_sent_at=AT + 6),
    Stopping(PROCESS, AT + 5, AT + 7, Cause.TIMEOUT),
    Stopping(PROCESS, AT + 5, AT + 7, Cause.USER, killed_at=AT + 8),
    Done(Outcome.SUCCEEDED, None, AT + 9, "", 0),
    Done(Outcome.FAILED, Cause.SIGNAL, AT + 9, "killed by SIGSEGV", None, 11),
    Done(Outcome.SKIPPED, Cause.OVERLAP, AT + 9, "run 7 of this job is unfinished (running)"),
]


@pytest.fixture
def ledger(tmp_path):
    ledger = a_ledger(tmp_path)
    yield ledger
    ledger.close()


def history_of(ledger):
    return History(ledger._path)


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: type(status).__name__)
def test_a_status_comes_back_as_it_went_in(ledger, status):
    run = queued(1, attempt=1, charged=1)
    after = replace(run, status=status, attempt=2, charged=2, lost=1, priority=-3)
    ledger.commit([RunCreated(run), RunMoved(run, after)])
    with history_of(ledger) as history:
        assert history.run(1).run == after
    assert ledger.load().live == ([] if isinstance(status, Done) else [after])


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: type(status).__name__)
def test_a_run_can_be_created_in_any_status(ledger, status):
    slot = Slot(EVERY, AT, clock_pass=1, last=AT + DAY, count=1440)
    given = {"data": '{"limit":3}', "resume_from": "/srv/epoch_7.bin"}
    run = queued(1, status=status, slot=slot, retry_of=17, requested_by="uid 1000", max_attempts=4, **given)
    ledger.commit([RunCreated(run)])
    with history_of(ledger) as history:
        assert history.run(1).run == run


def test_every_pair_of_states_can_be_written(ledger):
    """Whatever the table of transitions allows or will allow, the store has a statement for it."""
    number = 0
    for before in STATUSES[:-3]:
        for after in STATUSES:
            number += 1
            run = queued(number, status=before)
            moved = replace(run, status=after)
            ledger.commit([RunCreated(run), RunMoved(run, moved)])
            with history_of(ledger) as history:
                assert history.run(number).run == moved


def random_event(run, at, draw):
    """Some event that the table allows for the run's status."""
    process = replace(PROCESS, pid=draw.randrange(2, 99999))
    exit = Exit(ended_at=at, exit_code=draw.choice([0, 1, 75]), user_time=5, max_rss=10, left_behind=2)
    events = [
        DelayOver(at),
        Admitted(at),
        Spawned(at, process),
        SpawnFailed(at, "no such file", 0.5),
        SoftLimit(at),
        HardLimit(at),
        StopRequested(at, draw.choice([Cause.USER, Cause.SHUTDOWN, Cause.SUPERSEDED]), "uid 0"),
        GraceOver(at),
        Exited(at, exit, 0.5),
        Vanished(at, Cause.HOST_CRASH, "the host went down"),
    ]
    return draw.choice([event for event in events if (type(run.status), type(event)) in TABLE])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_the_store_follows_any_life_the_state_machine_allows(tmp_path_factory, seed):
    """Random lives of several runs, in random batches: the rows always equal the engine's memory."""
    draw = random.Random(seed)
    job = Job(name="backup", body=ShellCommand("true"), retry=RetryPolicy(attempts=3), on_lost=OnLost.RETRY)
    ledger = a_ledger(tmp_path_factory.mktemp("life"))
    runs = {number: queued(number, max_attempts=3) for number in range(1, 5)}
    ledger.commit([RunCreated(run) for run in runs.values()])
    at = AT + 100 * SECOND
    attempts = dict.fromkeys(runs, 0)
    for _ in range(12):
        facts = []
        for _ in range(draw.randrange(1, 6)):
            live = [run for run in runs.values() if run.is_live]
            if not live:
                break
            run = draw.choice(live)
            at += draw.randrange(SECOND)
            result = step(run, random_event(run, at, draw), job)
            facts += [RunMoved(run, result.after), *result.facts]
            attempts[run.id] += any(isinstance(fact, AttemptOpened) for fact in result.facts)
            runs[run.id] = result.after
        ledger.commit(facts)
        assert ledger.load().live == [run for run in runs.values() if run.is_live]
    with history_of(ledger) as history:
        for run in runs.values():
            assert history.run(run.id).run == run
            rows = history.attempts(run.id)
            assert [row.fence.attempt for row in rows] == list(range(1, attempts[run.id] + 1))
            assert sum(row.end is None for row in rows) == (1 if run.has_process else 0)
    ledger.close()


def test_an_attempt_is_kept_with_all_its_facts(ledger):
    run = queued(1)
    *batches, last = whole_life(run, Outcome.FAILED, Cause.EXIT_CODE)
    end = replace(
        last[1].end,
        detail="exit code 3",
        exit_code=3,
        user_time=12,
        system_time=34,
        max_rss=5 << 20,
        left_behind=2,
        killed=True,
    )
    for batch in batches:
        ledger.commit(batch)
    ledger.commit([last[0], AttemptClosed(Fence(1, 1), end)])
    with history_of(ledger) as history:
        (row,) = history.attempts(1)
        shown = history.run(1)
    assert row.end == end
    assert (row.pid, row.opened_at, row.started_at) == (PROCESS.pid, run.created_at + 10, run.created_at + 20)
    assert shown.duration == 10


def test_output_is_kept_byte_for_byte(ledger):
    """TRAPS, Output: bytes are bytes - invalid UTF-8, NUL and escapes come back as they were."""
    small = OutputKept(Fence(1, 1), "err", 7, 0, b"\xff\x00\x1b[2J\n\n")
    large = OutputKept(Fence(1, 1), "out", 1 << 40, 1 << 39, None, "logs/2026-01-01/1.1.out")
    ledger.commit([*finished(queued(1)), small, large])
    with history_of(ledger) as history:
        assert history.outputs(1) == [large, small]


def test_what_attempts_reported_is_kept_by_attempt(ledger):
    error = Raised("app.Busy", ("Busy", "app.Busy", "Exception"), "try later", "Traceback ...", 60 * SECOND)
    first = Report(error=error, progress=Progress(AT, 40.0, "copying", {"table": "ü"}), retry_in=SECOND)
    ledger.commit([*finished(queued(1)), Reported(Fence(1, 1), first)])
    ledger.commit([*finished(queued(2)), Reported(Fence(2, 1), Report(result='{"rows":3}'))])
    ledger.commit([*finished(queued(3)), Reported(Fence(3, 1), Report())])
    with history_of(ledger) as history:
        # When the next try was to be is in the run.
        assert history.reports(1) == [(1, replace(first, retry_in=None))]
        assert history.result(1) is None
        assert history.reports(2) == [(1, Report(result='{"rows":3}'))]
        assert history.result(2) == '{"rows":3}'
        assert history.reports(3) == history.reports(4) == []
    rows = ledger._connection.execute("SELECT count(*) FROM reports").fetchone()
    assert rows == (2,)


def test_a_runs_result_is_that_of_its_newest_attempt_that_gave_one(ledger):
    *_, begun, _, ended, closed = finished(queued(1, max_attempts=2))
    back = replace(ended.after, status=Queued(AT + 40))
    again = admitted(back)
    ledger.commit(finished(queued(1, max_attempts=2))[:-2])
    ledger.commit([RunMoved(begun.after, back), closed, Reported(Fence(1, 1), Report(result="1"))])
    ledger.commit([RunMoved(back, again), AttemptOpened(again.fence, AT + 50)])
    with history_of(ledger) as history:
        assert history.result(1) == "1"
    ledger.commit([Reported(Fence(1, 2), Report(result="2"))])
    with history_of(ledger) as history:
        assert history.result(1) == "2"
        assert [attempt for attempt, _ in history.reports(1)] == [1, 2]


def test_a_slot_is_unique_and_the_refusal_names_it(ledger):
    ledger.commit([RunCreated(queued(1))])
    twin = queued(2, at=AT + SECOND)
    with pytest.raises(StaleWrite, match=rf"slot {AT + SECOND} .*backup.*{EVERY}.*run 1"):
        ledger.commit([RunCreated(twin)])
    with pytest.raises(StaleWrite, match="has its row already: run 1"):
        ledger.commit([RunCreated(queued(3)), RunCreated(twin), RunCreated(queued(4))])
    with pytest.raises(StaleWrite, match="has its row already: run 5"):
        ledger.commit([RunCreated(queued(5)), RunCreated(replace(queued(5), id=6))])
    with history_of(ledger) as history:
        assert [row.run.id for row in history.runs()] == [1]
    second_pass = replace(twin, slot=Slot(EVERY, AT + SECOND, clock_pass=1))
    ledger.commit([RunCreated(second_pass)])


def test_runs_without_a_slot_never_clash(ledger):
    ledger.commit([RunCreated(queued(number, has_slot=False, at=AT)) for number in range(1, 6)])
    assert len(ledger.load().live) == 5


def test_a_stale_move_is_refused_and_the_whole_batch_with_it(ledger):
    """TRAPS, Processes: a stale worker that comes back must not free its slot a second time."""
    run = queued(1)
    ledger.commit([RunCreated(run)])
    starting = admitted(run)
    ledger.commit([RunMoved(run, starting), AttemptOpened(starting.fence, AT)])
    with pytest.raises(StaleWrite, match="run 1 is starting in attempt 1, not queued in attempt 0"):
        ledger.commit(
            [RunCreated(queued(2)), SlotsDecided("backup", EVERY, AT + DAY), RunMoved(run, starting)]
        )
    assert ledger.load().live == [starting]
    assert ledger.load().cursors[("backup", EVERY)].decided_until == AT
    with pytest.raises(StaleWrite, match="run 9 does not exist"):
        ledger.commit([RunMoved(queued(9), admitted(queued(9)))])


def test_a_fact_about_an_old_attempt_is_refused(ledger):
    """TRAPS, Processes: fence every write."""
    run = queued(1)
    first = admitted(run)
    started = running(first)
    back = replace(started, status=Queued(AT + 40))
    second = admitted(back)
    late_end = AttemptClosed(Fence(1, 1), an_end(done(started)))
    ledger.commit([RunCreated(run), RunMoved(run, first), AttemptOpened(first.fence, AT)])
    ledger.commit([RunMoved(first, started), AttemptStarted(first.fence, PROCESS, AT + 20)])
    ledger.commit([RunMoved(started, back), late_end])
    ledger.commit([RunMoved(back, second), AttemptOpened(second.fence, AT + 50)])
    for stale in (
        late_end,
        AttemptStarted(Fence(1, 1), PROCESS, AT),
        AttemptStarted(Fence(1, 3), PROCESS, AT),
    ):
        with pytest.raises(StaleWrite, match="nothing there to write this to"):
            ledger.commit([stale])
    with pytest.raises(StaleWrite, match="UNIQUE"):
        ledger.commit([AttemptOpened(Fence(1, 2), AT)])


def test_facts_that_refer_to_nothing_are_refused(ledger):
    for lone in (
        RunCreated(queued(1, definition_id=99)),
        AttemptOpened(Fence(8, 1), AT),
        OutputKept(Fence(8, 1), "out", 0),
        Reported(Fence(8, 1), Report(result="1")),
        JobListed("ghost", 99, "jobs.toml:1", enabled=True),
        SlotsDecided("ghost", EVERY, AT),
        DefinitionSeen(2, "backup", f"{1:012x}", "{}", AT),
    ):
        with pytest.raises(StaleWrite):
            ledger.commit([lone])


def test_the_plan_is_kept_as_it_changes(ledger):
    ledger.commit(
        [
            DefinitionSeen(2, "backup", "b" * 12, '{"v":2}', AT + 1),
            JobListed("backup", 2, "jobs.toml:9", enabled=False),
            QueueListed("default", None),
            QueueListed("gpu", 1),
            QueueListed("old", 1),
            QueueUnlisted("old"),
            PoolListed("default", 0, None),
            PoolListed("models", 1, 2),
            PoolListed("old", 1, 1),
            PoolListed("models", 2, 4),
            PoolUnlisted("old"),
            Paused("job", "backup", AT, "uid 0", "maintenance"),
            Paused("queue", "gpu", AT, "uid 0"),
            Paused("job", "backup", AT + 5, "uid 7", "still"),
            SlotsDecided("backup", EVERY, AT + 7 * SECOND),
            ScheduleNext("backup", EVERY, AT + 8 * SECOND),
            ScheduleNext("backup", "gone already", AT),
            ScheduleSeen("backup", "0 3 * * *", AT, AT, AT + DAY),
        ]
    )
    snapshot = ledger.load()
    assert snapshot.definitions == {("backup", f"{1:012x}"): 1, ("backup", "b" * 12): 2}
    assert snapshot.last_definition_id == 2
    assert snapshot.cursors[("backup", EVERY)] == Cursor(AT, AT + 7 * SECOND)
    assert Paused("job", "backup", AT + 5, "uid 7", "still") in snapshot.pauses
    with history_of(ledger) as history:
        (job,) = history.jobs()
        assert (job.source, job.enabled, job.digest, job.next_at) == (
            "jobs.toml:9",
            False,
            "b" * 12,
            AT + 8 * SECOND,
        )
        assert job.paused == Paused("job", "backup", AT + 5, "uid 7", "still")
        assert [(queue.name, queue.concurrency) for queue in history.queues()] == [
            ("default", None),
            ("gpu", 1),
        ]
        assert [tuple(pool) for pool in history.pools()] == [("default", 0, None), ("models", 2, 4)]
    ledger.commit(
        [
            Resumed("job", "backup", AT),
            JobUnlisted("backup"),
            ScheduleGone("backup", EVERY),
            JobUnlisted("nobody"),
        ]
    )
    assert [pause.name for pause in ledger.load().pauses] == ["gpu"]
    assert list(ledger.load().cursors) == [("backup", "0 3 * * *")]
    with history_of(ledger) as history:
        assert history.jobs() == []
        assert [version.digest for version in history.versions("backup")] == [f"{1:012x}", "b" * 12]


def test_host_events_come_back_newest_first(ledger):
    events = [
        HostEvent(AT + number, kind, {"n": number, "words": "ü"})
        for number, kind in enumerate(["started", "clock_stepped", "reloaded", "stopped"])
    ]
    ledger.commit(events)
    with history_of(ledger) as history:
        assert history.host_events() == events[::-1]
        assert history.host_events(since=AT + 1, until=AT + 3) == [events[2], events[1]]
        assert history.host_events(kinds=["started", "stopped"], limit=1) == [events[3]]


def test_a_snapshot_has_what_a_start_needs(tmp_path):
    ledger = a_ledger(tmp_path, "backup", "chain", "other")
    ledger.commit([DefinitionSeen(9, "chain", "c" * 12, '{"schedules":[{"when":{"kind":"after"}}]}', AT)])
    ledger.commit([JobListed("chain", 9, "jobs.toml:2", enabled=True)])
    for number, job in ((1, "chain"), (2, "chain"), (3, "other")):
        ledger.commit(finished(queued(number, job)))
    ledger.commit([RunCreated(queued(4, "chain")), RunCreated(queued(5, "other", definition_id=3))])
    ledger.close()
    ledger = Ledger(tmp_path / "jobrun.db")
    snapshot = ledger.load()
    assert [run.id for run in snapshot.live] == [4, 5]
    assert sorted(snapshot.bodies) == [1, 3]
    assert snapshot.last_run_id == 5
    assert snapshot.last_definition_id == 9
    assert snapshot.last_ended == {"chain": AT + 2 * SECOND + 30}
    assert ledger.last_ended(["other", "nobody"]) == {"other": AT + 3 * SECOND + 30}
    assert len(snapshot.store_id) == 16
    ledger.close()


def test_run_ids_are_never_used_again(ledger):
    """The newest runs may be pruned; log files and fences carry their ids."""
    ledger.commit(finished(queued(7)))
    assert ledger.prune(AT + 400 * DAY, {}).runs == 1
    assert ledger.load().last_run_id == 7


def test_an_empty_batch_is_no_transaction(ledger):
    before = ledger._connection.total_changes
    ledger.commit([])
    assert ledger._connection.total_changes == before


def test_a_batch_is_one_transaction_and_synced(ledger):
    """TRAPS, State: WAL with synchronous=NORMAL survives SIGKILL but not power loss."""
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    statements = []
    ledger._connection.set_trace_callback(statements.append)
    ledger.commit([*finished(queued(1)), HostEvent(AT, "started")])
    ledger._connection.set_trace_callback(None)
    assert [text for text in statements if text.split()[0] in ("BEGIN", "COMMIT")] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_words_that_utf_8_cannot_say_are_kept_as_escapes(ledger):
    """TRAPS, Output: bytes are bytes - a file name of any bytes in a sentence must not stop the ledger."""
    odd = "no such file: /tmp/\udcff ü"
    run = queued(1, requested_by=odd)
    ended = replace(run, status=Done(Outcome.FAILED, Cause.SPAWN, AT, odd))
    ledger.commit([RunCreated(run), RunMoved(run, ended), Paused("job", "backup", AT, odd, odd)])
    ledger.commit([HostEvent(AT, "reloaded", {"file": odd}), JobListed("backup", 1, odd, enabled=True)])
    with history_of(ledger) as history:
        shown = history.run(1).run
        assert shown.requested_by == shown.status.detail == "no such file: /tmp/\\udcff ü"
        assert history.host_events()[0].detail == {"file": odd}


def test_a_manual_run_needs_no_schedule(ledger):
    run = queued(1, has_slot=False, requested_by="uid 1000")
    ledger.commit(finished(run))
    with history_of(ledger) as history:
        shown = history.run(1).run
    assert shown.trigger is Trigger.MANUAL
    assert shown.slot is None
