"""Traps that other systems fell into and that no other test of the daemon names."""

import ast
import sqlite3
from pathlib import Path

from live import until

import jobrun
from jobrun.domain.instants import SECOND
from jobrun.domain.ledger import RunCreated
from jobrun.domain.records import DefinitionSeen
from jobrun.domain.run import Cause, Done, Outcome, Run, Trigger
from jobrun.store.writer import Ledger

ROOT = Path(jobrun.__file__).parent


def test_a_start_runs_nothing_that_is_not_due(daemon):
    """TRAPS, Operation: every job run at start (yacron #67)."""
    live = daemon(
        '[jobs.yearly]\ncron = "0 0 1 1 *"\ncommand = "true"\n'
        '[jobs.hourly]\nevery = "1h"\ncommand = "true"\n'
        '[jobs.tick]\nevery = "1s"\ncommand = "true"\n'
    ).start()
    until(lambda: live.runs("tick"), "the first slot of another job")
    live.stop()
    live.start()
    count = len(live.runs("tick"))
    until(lambda: len(live.runs("tick")) > count, "a slot after the restart")
    assert not live.runs("yearly")
    assert not live.runs("hourly")


def test_a_changed_file_is_seen_however_it_was_written(daemon):
    """TRAPS, Operation: changes not seen (cronie #212): the same size and, nearly, the same second."""
    live = daemon('[jobrun]\nwatch = true\n[jobs.a]\ncommand = "true"\n').start()
    for name in ("b", "c"):
        live.config.write_text(f'[jobrun]\nwatch = true\n[jobs.{name}]\ncommand = "true"\n')
        until(lambda name=name: live.history.job_names() == [name], f"job {name} to be seen")


def test_the_daemons_own_environment_is_not_in_the_store(daemon):
    """TRAPS, Operation: secrets in the state file (pueue stores every task's whole environment)."""
    live = daemon(
        '[jobs.j]\ncommand = "true"\n', environ={"API_TOKEN": "hunter2hunter2", "PATH": "/usr/bin:/bin"}
    ).start()
    live.done(live.run("j"))
    live.client.call("submit", name="true", table={"command": ["true"]})
    live.stop()
    kept = [path for path in live.state.rglob("*") if path.is_file()]
    assert live.places.database in kept
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]
    assert live.places.database.stat().st_mode & 0o077 == 0


def test_nothing_of_ours_runs_between_fork_and_exec():
    """TRAPS, Processes: `preexec_fn` disables vfork and can deadlock."""
    used = [
        f"{path.name}:{node.value.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "preexec_fn"
    ]
    assert used == []


def _skipped(run_id: int) -> RunCreated:
    status = Done(Outcome.SKIPPED, Cause.MISSED, run_id * SECOND, "x" * 100)
    run = Run(
        id=run_id,
        job="j",
        queue="default",
        definition_id=1,
        trigger=Trigger.SCHEDULE,
        status=status,
        created_at=run_id * SECOND,
    )
    return RunCreated(run)


def test_a_change_writes_little_however_long_the_history_is(tmp_path):
    """TRAPS, State: whole state rewritten on each change; pueue slows with the queue (#412, #573)."""
    ledger = Ledger(tmp_path / "jobrun.db")
    ledger.commit([DefinitionSeen(1, "j", "d", "{}", 0)])
    log = tmp_path / "jobrun.db-wal"
    written = []
    for first in (1, 20_000):
        ledger.commit([_skipped(run_id) for run_id in range(first, first + 10_000)])
        before = log.stat().st_size
        ledger.commit([_skipped(first + 15_000)])
        written.append(max(log.stat().st_size - before, 0))
    ledger.close()
    assert max(written) < 200_000


def test_a_reader_in_the_middle_of_a_question_never_refuses_the_writer(daemon):
    """TRAPS, State: a transaction that reads, then writes, fails at once with BUSY_SNAPSHOT."""
    live = daemon('[jobs.j]\ncommand = "true"\n').start()
    with sqlite3.connect(f"file:{live.places.database}?mode=ro", uri=True) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchone()
        for _ in range(5):
            assert live.done(live.run("j")).status.outcome is Outcome.SUCCEEDED
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    reader.close()
    assert "trouble" not in live.log()
