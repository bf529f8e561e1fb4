"""Every question of `history` has the right answer, and walks an index to it."""

import random
import re
from dataclasses import replace
from itertools import product

import pytest
from store.lives import AT, EVERY, a_ledger, admitted, done, finished, queued

from jobrun.domain.instants import DAY, HOUR, MINUTE, SECOND
from jobrun.domain.ledger import JobListed, RunCreated, RunMoved
from jobrun.domain.records import DefinitionSeen, Paused
from jobrun.domain.run import Cause, Done, Outcome, Queued, Slot, Starting
from jobrun.store import prune, reader, snapshot
from jobrun.store.moments import PROBE, TURN, id_bounds
from jobrun.store.open import open_for_writing
from jobrun.store.reader import History
from jobrun.store.selection import runs_query
from jobrun.store.views import RunFilter
from jobrun.store.writer import Ledger

JOBS = ("backup", "poll", "report")
QUEUES = ("default", "gpu")
ENDS = (
    (Outcome.SUCCEEDED, None),
    (Outcome.FAILED, Cause.EXIT_CODE),
    (Outcome.TIMED_OUT, Cause.TIMEOUT),
    (Outcome.SKIPPED, Cause.OVERLAP),
)


def random_runs(draw, count):
    """Runs in the order of their ids, while the clock is set back now and then."""
    at, runs = AT, []
    for number in range(1, count + 1):
        at += draw.randrange(2 * MINUTE)
        if draw.random() < 0.02:
            at -= draw.choice([5 * SECOND, 50 * SECOND, 2 * HOUR, DAY])
        run = queued(number, draw.choice(JOBS), at=at, has_slot=False, queue=draw.choice(QUEUES))
        if draw.random() < 0.9:
            outcome, cause = draw.choice(ENDS)
            run = done(run, outcome, cause)
        runs.append(run)
    return runs


def passes(run, wanted):
    status = run.status
    return (
        (wanted.job is None or run.job == wanted.job)
        and (not wanted.outcomes or (isinstance(status, Done) and status.outcome in wanted.outcomes))
        and (wanted.cause is None or (isinstance(status, Done) and status.cause == wanted.cause))
        and (wanted.queue is None or run.queue == wanted.queue)
        and (wanted.state is None or run.state == wanted.state or (wanted.state == "live" and run.is_live))
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
    )


@pytest.mark.parametrize("seed", range(3))
def test_filters_answer_like_a_plain_scan(tmp_path, seed):
    """TRAPS, Time: clocks step back; a filter by time still misses nothing and adds nothing."""
    draw = random.Random(seed)
    runs = random_runs(draw, 400)
    ledger = a_ledger(tmp_path, *JOBS)
    for first in range(0, len(runs), 50):  # with restarts in between
        ledger.commit([RunCreated(run) for run in runs[first : first + 50]])
        ledger.close()
        ledger = Ledger(tmp_path / "jobrun.db")
    assert ledger._connection.execute("SELECT count(*) FROM clock_turns").fetchone()[0] > 0
    moments = [None, *(draw.choice(runs).created_at + draw.choice([-1, 0, 1]) for _ in range(3))]
    choices = product(
        (None, "poll"),
        ((), (Outcome.FAILED,), (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST), (Outcome.SUCCEEDED,)),
        (None, "overlap"),
        (None, "gpu"),
        (None, "queued", "live", "done"),
        moments,
        moments,
    )
    with History(tmp_path / "jobrun.db") as history:
        for choice in draw.sample(list(choices), 150):
            wanted = RunFilter(*choice)
            expected = [run for run in reversed(runs) if passes(run, wanted)]
            assert [row.run for row in history.runs(wanted, limit=1000)] == expected, wanted
            page, pages = [], []
            while page := [
                row.run for row in history.runs(wanted, limit=43, before=(page and page[-1].id) or None)
            ]:
                pages += page
            assert pages == expected, wanted
    ledger.close()


@pytest.mark.parametrize("seed", range(20))
def test_the_turns_of_a_batch_are_those_of_its_runs_one_by_one(tmp_path, seed):
    draw = random.Random(seed)
    step = TURN // draw.choice([1, 1, 3])
    moments = [AT + draw.randrange(4) * step + draw.choice([0, 1]) for _ in range(12)]
    runs = [queued(number, at=at, has_slot=False) for number, at in enumerate(moments, start=1)]
    turns = []
    for name, size in (("alone", 1), ("together", 4)):
        (tmp_path / name).mkdir()
        ledger = a_ledger(tmp_path / name)
        for first in range(0, len(runs), size):
            ledger.commit([RunCreated(run) for run in runs[first : first + size]])
        turns.append(ledger._connection.execute("SELECT run_id FROM clock_turns").fetchall())
        ledger.close()
    assert turns[0] == turns[1]


@pytest.mark.parametrize("seed", range(3))
def test_id_bounds_are_close(tmp_path, seed):
    """Bisection pays only if its bounds are near the truth while the clock behaves."""
    draw = random.Random(seed)
    runs = [queued(number, at=AT + number * MINUTE, has_slot=False) for number in range(1, 2000)]
    kept = [run for run in runs if draw.random() < 0.3]
    ledger = a_ledger(tmp_path)
    ledger.commit([RunCreated(run) for run in kept])
    for _ in range(50):
        since, until = sorted(AT + draw.randrange(2000 * MINUTE) for _ in range(2))
        low, high = id_bounds(ledger._connection, since, until)
        inside = [run.id for run in kept if since <= run.created_at < until]
        around = [run.id for run in kept if low <= run.id <= high]
        assert set(inside) <= set(around)
        assert len(around) <= len(inside) + 2 * TURN // MINUTE + 1
    ledger.close()


SCAN = re.compile(r"^SCAN (?!jobs|queues|pauses|schedules|meta|clock_turns|definitions|sqlite_sequence)")


def plan_of(connection, query, values):
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]


def filters():
    for job, outcomes, cause, queue, state, since in product(
        (None, "backup"),
        ((), (Outcome.FAILED,), (Outcome.SUCCEEDED,)),
        (None, "overlap"),
        (None, "gpu"),
        (None, "queued", "live", "done"),
        (None, AT),
    ):
        yield RunFilter(job, outcomes, cause, queue, state, since, since and since + DAY)


def test_no_question_reads_the_whole_history(tmp_path):
    """A million runs cost a question nothing: EXPLAIN shows an index for each, and no sorting of answers."""
    connection = open_for_writing(tmp_path / "jobrun.db")
    for wanted in filters():
        for outcome in wanted.outcomes or (None,):
            query, values = runs_query(connection, wanted, outcome, (1, 100), 50)
            plan = plan_of(connection, query, values)
            is_live = wanted.state not in (None, "done")
            whole_live = [line for line in plan if line == "SCAN runs USING INDEX runs_live"]
            searches = [line for line in plan if line.startswith("SEARCH runs")]
            assert len(searches or whole_live) == 1, (wanted, plan)
            assert any("TEMP B-TREE" in line for line in plan) <= is_live, (wanted, plan)
            assert any("runs_live" in line for line in plan) == is_live, (wanted, plan)
            narrowed = wanted.job or outcome or wanted.cause or wanted.queue
            if narrowed and not is_live:
                assert re.search(r"USING INDEX runs_\w+ \(.*=\?", plan[0]), (wanted, plan)
    others = {
        reader.LAST_RUNS: (),
        reader.LAST_SLOT: ("backup", "0 3 * * *"),
        reader.JOBS: (),
        reader.ATTEMPTS: (1,),
        reader.VERSIONS: ("backup",),
        snapshot.LAST_ENDED: ("backup",),
        snapshot.BODIES: (),
        prune.NEXT_JOB: ("",),
        prune.NEWEST: ("backup", "failed", 5),
        prune.OLDEST: ("backup", "failed"),
        prune.PATHS: (1,),
        prune.CHECKPOINTED: (1,),
        prune.RESUMED_FROM: (),
        reader.REPORTS: (1,),
        reader.RESULT: (1,),
        prune.FORGET_EVENTS: (AT, 5),
        PROBE: (1, 5),
    }
    for query, values in others.items():
        plan = plan_of(connection, query, values)
        unbounded = [line for line in plan if SCAN.match(line) and "runs_live" not in line]
        assert not unbounded, (query, plan)
    for query in (snapshot.LIVE, reader.LIVE_COUNTS):
        assert plan_of(connection, query, ()) == [
            line for line in plan_of(connection, query, ()) if "runs_live" in line
        ]
    connection.close()


def test_deleting_a_run_walks_indexes_in_the_tables_that_refer_to_it(tmp_path):
    """Foreign keys: attempts, outputs, reports of a run, runs of a definition, are found without a scan."""
    connection = open_for_writing(tmp_path / "jobrun.db")
    for query in (
        "SELECT 1 FROM attempts WHERE run_id = ?",
        "SELECT 1 FROM outputs WHERE run_id = ? AND attempt = 1",
        "SELECT 1 FROM reports WHERE run_id = ? AND attempt = 1",
        "SELECT 1 FROM runs WHERE definition_id = ?",
        "SELECT 1 FROM jobs WHERE definition_id = ?",
    ):
        (line,) = plan_of(connection, query, (1,))
        assert line.startswith("SEARCH"), line
    connection.close()


def test_a_million_runs_would_cost_under_400_bytes_each(tmp_path):
    """Measured over runs that went through the ledger state by state, as the daemon writes them."""
    ledger = a_ledger(tmp_path)
    path = tmp_path / "jobrun.db"
    ledger._connection.execute("PRAGMA synchronous = OFF")
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    empty = path.stat().st_size
    count = 3000
    for first in range(1, count, 10):
        runs = [queued(number) for number in range(first, first + 10)]
        for batch in zip(*(finished(run) for run in runs), strict=True):
            ledger.commit(list(batch))
    ledger.close()
    assert (path.stat().st_size - empty) / count < 400


def test_jobs_come_with_their_newest_run_and_their_pause(tmp_path):
    ledger = a_ledger(tmp_path, "b", "a")
    for number, job in ((1, "a"), (2, "b"), (3, "a")):
        ledger.commit(finished(queued(number, job)))
    ledger.commit(
        [RunCreated(queued(4, "b")), Paused("job", "a", AT, "uid 0"), Paused("queue", "a", AT, "x")]
    )
    with History(tmp_path / "jobrun.db") as history:
        jobs = history.jobs()
        assert [(job.name, job.last.run.id, job.last.run.state) for job in jobs] == [
            ("a", 3, "done"),
            ("b", 4, "queued"),
        ]
        assert jobs[0].paused == Paused("job", "a", AT, "uid 0")
        assert jobs[0].schedules[0].schedule == EVERY
        assert history.job("a") == jobs[0]
        assert history.job("nobody") is None
        assert history.job_names() == ["a", "b"]
        assert history.last_run("b").run.id == 4
        assert history.last_run("b", has_started=True).run.id == 2
        assert history.last_run("nobody") is None
        assert history.run(99) is None
    ledger.close()


def test_queues_count_their_live_runs(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger.commit([RunCreated(queued(number, queue="gpu")) for number in range(1, 4)])
    run = queued(4)
    ledger.commit([RunCreated(run), RunMoved(run, admitted(run)), *finished(queued(5))])
    with History(tmp_path / "jobrun.db") as history:
        default, gpu = history.queues()
        assert (default.concurrency, default.live["starting"], default.live["queued"]) == (4, 1, 0)
        assert (gpu.concurrency, gpu.live["queued"], sum(gpu.live.values())) == (None, 3, 3)
        assert [row.run.id for row in history.live_runs()] == [1, 2, 3, 4]
        assert isinstance(history.live_runs()[-1].run.status, Starting)
    ledger.close()


def test_a_slot_is_found_whether_it_has_its_own_row_or_lies_in_a_stretch(tmp_path):
    """TRAPS, Operation: "nobody could say why"; what `why` needs is found by the slot."""
    skipped = Done(Outcome.SKIPPED, Cause.MISSED, AT + DAY, "no daemon was there")
    stretch = queued(1, status=skipped, slot=Slot(EVERY, AT, last=AT + 60 * SECOND, count=61))
    single = queued(2, slot=Slot(EVERY, AT + 70 * SECOND))
    again = replace(single, id=3, slot=Slot(EVERY, AT + 70 * SECOND, clock_pass=1))
    ledger = a_ledger(tmp_path)
    ledger.commit([RunCreated(stretch), RunCreated(single), RunCreated(again)])
    with History(tmp_path / "jobrun.db") as history:

        def ids(at):
            return [row.run.id for row in history.slot("backup", EVERY, at)]

        assert ids(AT) == ids(AT + 30 * SECOND) == ids(AT + 60 * SECOND) == [1]
        assert ids(AT + 61 * SECOND) == ids(AT - 1) == ids(AT + 71 * SECOND) == []
        assert ids(AT + 70 * SECOND) == [3, 2]
        assert history.slot("backup", "another", AT) == []
        between = history.slots("backup", EVERY, AT, AT + DAY)
        assert [row.run.id for row in between] == [1, 2, 3]
        assert [row.run.id for row in history.slots("backup", EVERY, AT + 1, AT + DAY, limit=1)] == [2]
    ledger.close()


def test_versions_name_the_runs_decided_under_them(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger.commit([RunCreated(queued(1)), RunCreated(queued(2))])
    ledger.commit([DefinitionSeen(2, "backup", "b" * 12, '{"v":2}', AT + 9)])
    ledger.commit([JobListed("backup", 2, "jobs.toml:1", enabled=True)])
    with History(tmp_path / "jobrun.db") as history:
        versions = history.versions("backup")
        assert [(version.id, version.first_run, version.last_run) for version in versions] == [
            (1, 1, 2),
            (2, None, None),
        ]
        assert history.definition(2).body == '{"v":2}'
        assert history.definition(3) is None
    ledger.close()


def test_an_empty_history_answers(tmp_path):
    ledger = Ledger(tmp_path / "jobrun.db")
    ledger.close()
    with History(tmp_path / "jobrun.db") as history:
        assert history.runs(RunFilter(since=AT, until=AT + 1)) == []
        assert history.jobs() == history.queues() == history.pauses() == history.live_runs() == []
        assert history.meta().keys() == {"store_id", "created_at"}


def test_a_run_of_the_future_is_no_obstacle(tmp_path):
    """A clock that was years ahead and set right again: newest is still what happened last."""
    ledger = a_ledger(tmp_path)
    ahead = queued(1, at=AT + 40 * 365 * DAY, has_slot=False)
    now = queued(2, at=AT, has_slot=False)
    ledger.commit([RunCreated(ahead), RunCreated(now)])
    with History(tmp_path / "jobrun.db") as history:
        assert [row.run.id for row in history.runs()] == [2, 1]
        assert [row.run.id for row in history.runs(RunFilter(until=AT + DAY))] == [2]
        assert [row.run.id for row in history.runs(RunFilter(since=AT + DAY))] == [1]
        assert isinstance(history.last_run("backup").run.status, Queued)
    ledger.close()
