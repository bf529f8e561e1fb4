"""What is pruned is what may go, in bounded pieces, and nothing that is live."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from store.lives import AT, a_ledger, done, finished, queued

from jobrun.domain.definition import encode
from jobrun.domain.instants import DAY, SECOND
from jobrun.domain.job import Checkpoint, Job, Retention, ShellCommand
from jobrun.domain.ledger import JobListed, Reported, RunCreated, RunMoved
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Cause, Fence, Outcome
from jobrun.store import prune
from jobrun.store.prune import EVENTS_KEPT, checkpoints_of
from jobrun.store.reader import History

FOREVER = Retention(keep_for=100 * 366 * DAY)


@pytest.fixture
def ledger(tmp_path):
    ledger = a_ledger(tmp_path, "backup", "poll")
    yield ledger
    ledger.close()


def kept(ledger):
    with History(ledger._path) as history:
        return sorted(row.run.id for row in history.runs(limit=100_000))


def fill(ledger, outcomes, job="backup", first=1):
    for number, outcome in enumerate(outcomes, start=first):
        ledger.commit(finished(queued(number, job), outcome))


def prune_all(ledger, now, retention, limit=200):
    rounds = []
    while not rounds or rounds[-1].more:
        rounds.append(ledger.prune(now, retention, limit))
    return rounds


def test_each_group_keeps_its_newest(ledger):
    """Succeeded, failed of any kind, and skipped are counted apart."""
    ok, bad, late, skip = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED
    fill(ledger, [ok, bad, late, skip] * 5)
    keep = replace(FOREVER, keep_succeeded=2, keep_failed=3)
    prune_all(ledger, AT + DAY, {"backup": keep})
    assert kept(ledger) == [12, 13, 15, 16, 17, 18, 19, 20]


def test_age_counts_from_the_end(ledger):
    fill(ledger, [Outcome.SUCCEEDED] * 6)
    keep = Retention(keep_for=10 * SECOND)
    prune_all(ledger, AT + 13 * SECOND + 31, {"backup": keep})
    assert kept(ledger) == [4, 5, 6]


def test_keeping_nothing_keeps_what_is_live(ledger):
    fill(ledger, [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SKIPPED])
    ledger.commit([RunCreated(queued(4)), RunCreated(queued(5, "poll"))])
    nothing = Retention(keep_for=0, keep_succeeded=0, keep_failed=0)
    prune_all(ledger, AT + 9999 * DAY, {"backup": nothing, "poll": nothing})
    assert kept(ledger) == [4, 5]


def test_a_job_that_left_the_plan_has_the_built_in_retention(ledger):
    fill(ledger, [Outcome.SUCCEEDED] * 103, "poll")
    prune_all(ledger, AT + DAY, {})
    assert len(kept(ledger)) == Retention().keep_succeeded == 100


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_many_small_calls_remove_what_one_rule_says(ledger, seed, limit):
    draw = random.Random(seed)
    runs = []
    facts = []
    for number in range(1, 200):
        job = draw.choice(["backup", "poll"])
        outcome = draw.choice(list(Outcome))
        runs.append((number, job, outcome))
        facts += finished(queued(number, job), outcome)
    ledger.commit(facts)
    keep = {
        "backup": Retention(keep_for=150 * SECOND, keep_succeeded=5, keep_failed=20),
        "poll": Retention(keep_for=120 * SECOND, keep_succeeded=12, keep_failed=9),
    }
    now = AT + 200 * SECOND
    expected = []
    for job, rule in keep.items():
        for group in ((Outcome.SUCCEEDED,), (Outcome.SKIPPED,), None):
            rest = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED, Outcome.LOST)
            mine = [number for number, of, outcome in runs if of == job and outcome in (group or rest)]
            count = rule.keep_succeeded if group == (Outcome.SUCCEEDED,) else rule.keep_failed
            young = [number for number in mine if AT + number * SECOND + 30 >= now - rule.keep_for]
            expected += sorted(set(mine[-count:]) & set(young))
    rounds = prune_all(ledger, now, keep, limit)
    assert kept(ledger) == sorted(expected)
    assert all(pruned.runs <= limit for pruned in rounds)
    assert sum(pruned.runs for pruned in rounds) == 199 - len(expected)
    assert ledger.prune(now, keep, limit).runs == 0


def test_a_call_looks_at_a_bounded_number_of_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(prune, "_JOBS_A_CALL", 3)
    names = [f"job-{number}" for number in range(8)]
    ledger = a_ledger(tmp_path, *names)
    for number, job in enumerate(names, start=1):
        ledger.commit(finished(queued(number, job)))
    rounds = prune_all(ledger, AT + 365 * DAY, {})
    assert [pruned.runs for pruned in rounds] == [3, 3, 2]
    assert kept(ledger) == []
    ledger.close()


def test_log_files_of_what_went_are_named(ledger):
    fill(ledger, [Outcome.SUCCEEDED] * 3)
    ledger.commit(
        [
            OutputKept(Fence(1, 1), "out", 99_999, path="logs/2026-01-01/1.1.out"),
            OutputKept(Fence(1, 1), "err", 99_999, path="logs/2026-01-01/1.1.err"),
            OutputKept(Fence(2, 1), "out", 3, body=b"abc"),
            OutputKept(Fence(3, 1), "out", 99_999, path="logs/2026-01-01/3.1.out"),
        ]
    )
    (pruned,) = prune_all(ledger, AT + DAY, {"backup": replace(FOREVER, keep_succeeded=1)})
    assert sorted(pruned.logs) == [Path("logs/2026-01-01/1.1.err"), Path("logs/2026-01-01/1.1.out")]
    with History(ledger._path) as history:
        assert history.attempts(2) == history.outputs(2) == []
        assert len(history.attempts(3)) == len(history.outputs(3)) == 1


def test_checkpoints_of_what_went_are_named_and_reports_go_with_their_attempts(ledger):
    body = encode(Job(name="backup", body=ShellCommand("x"), checkpoint=Checkpoint()))
    odd = encode(Job(name="backup", body=ShellCommand('"checkpoint":{'), env={"checkpoint": "{"}))
    ledger.commit(
        [DefinitionSeen(7, "backup", "7" * 12, body, AT), DefinitionSeen(8, "backup", "8" * 12, odd, AT)]
    )
    for number, definition in ((1, 7), (2, 8), (3, 7)):
        ledger.commit(finished(queued(number, definition_id=definition)))
        ledger.commit([Reported(Fence(number, 1), Report(result="1"))])
    (pruned,) = prune_all(ledger, AT + DAY, {"backup": replace(FOREVER, keep_succeeded=1)})
    assert pruned.checkpoints == (Path("checkpoints/backup/1"),) == (checkpoints_of("backup", 1),)
    assert kept(ledger) == [3]
    with History(ledger._path) as history:
        assert (history.reports(1), len(history.reports(3))) == ([], 1)


def test_a_run_stays_as_long_as_another_goes_on_from_its_checkpoint(ledger):
    for number in (1, 2, 3):
        ledger.commit(finished(queued(number)))
    where = f"/var/lib/jobrun/{checkpoints_of('backup', 2)}/epoch_7.bin"
    later = queued(4, resume_from=where)
    ledger.commit([RunCreated(later)])
    nothing = {"backup": Retention(keep_for=0, keep_succeeded=0, keep_failed=0)}
    prune_all(ledger, AT + DAY, nothing, limit=1)
    assert kept(ledger) == [2, 4]
    ledger.commit([RunMoved(later, done(later))])
    prune_all(ledger, AT + DAY, nothing)
    assert kept(ledger) == []


def test_old_host_events_go(ledger):
    ledger.commit([HostEvent(AT + number, "reloaded", {"n": number}) for number in range(10)])
    pruned = ledger.prune(AT + EVENTS_KEPT + 5, {}, limit=3)
    assert (pruned.events, pruned.more) == (3, True)
    prune_all(ledger, AT + EVENTS_KEPT + 5, {})
    with History(ledger._path) as history:
        assert [event.at for event in history.host_events()] == [AT + number for number in (9, 8, 7, 6, 5)]


def test_a_slot_that_was_decided_stays_decided(ledger):
    """The slot's row may go: the schedule remembers how far it was decided."""
    before = ledger.load().cursors
    fill(ledger, [Outcome.SUCCEEDED])
    prune_all(ledger, AT + 365 * DAY, {})
    assert kept(ledger) == []
    assert ledger.load().cursors == before


def test_definitions_go_only_if_nothing_refers_to_them(ledger):
    for number, digest in ((3, "listed"), (4, "run"), (5, "nobody"), (6, "young")):
        seen = AT + DAY if digest == "young" else AT
        ledger.commit([DefinitionSeen(number, "backup", digest, "{}", seen)])
    ledger.commit([JobListed("backup", 3, "jobs.toml:1", enabled=True)])
    ledger.commit([RunCreated(queued(1, definition_id=4))])
    assert ledger.drop_definitions(AT + 1) == 2  # the first version of backup, and nobody's
    assert sorted(ledger.load().definitions.values()) == [2, 3, 4, 6]
    assert ledger.drop_definitions(AT + 1) == 0


def test_pruning_gives_the_space_back(tmp_path):
    ledger = a_ledger(tmp_path)
    for number in range(1, 400):
        ledger.commit(
            [*finished(queued(number)), OutputKept(Fence(number, 1), "out", 4000, body=bytes(4000))]
        )
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (tmp_path / "jobrun.db").stat().st_size
    prune_all(ledger, AT + 365 * DAY, {})
    ledger.close()
    assert (tmp_path / "jobrun.db").stat().st_size < before / 2


def test_turns_of_the_clock_go_with_their_runs(ledger):
    ledger.commit(finished(queued(1, at=AT + DAY)))
    ledger.commit(finished(queued(2, at=AT), Outcome.FAILED, Cause.EXIT_CODE))
    ledger.commit(finished(queued(3, at=AT - DAY), Outcome.FAILED, Cause.EXIT_CODE))
    turns = "SELECT run_id FROM clock_turns ORDER BY run_id"
    assert ledger._connection.execute(turns).fetchall() == [(2,), (3,)]
    prune_all(ledger, AT + 2 * DAY, {"backup": replace(FOREVER, keep_succeeded=0, keep_failed=1)})
    assert ledger._connection.execute(turns).fetchall() == [(3,)]
