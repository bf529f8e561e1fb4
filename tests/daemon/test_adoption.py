"""What an adopted attempt's row says: exit code, times, output, processor time, peak memory, what was left.

A daemon is killed, or told to leave its jobs, while they run; the next one
takes them over. `tests/torture` does the same by the thousand.
"""

import signal
import sqlite3
import time
from contextlib import closing

import pytest
from live import is_running, until

from jobrun.domain.instants import SECOND
from jobrun.domain.run import Cause, Outcome

BUSY = 'i=0; while [ \\"$i\\" -lt 300000 ]; do i=$((i + 1)); done'
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"
WAIT = "while [ ! -e {gate} ]; do sleep 0.02; done"


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


def attempt_of(live, run_id):
    return live.history.attempts(run_id)[-1]


def test_an_adopted_attempt_says_how_it_really_was(daemon, gate):
    live = daemon(
        f'[jobs.j]\ncommand = "echo one; {BUSY}; {WAIT.format(gate=gate)}; echo two >&2; exit 7"\n'
        'output = "split"\n'
    ).start()
    run_id = live.run("j")
    before = live.in_state(run_id, "running").status
    live.kill()
    live.start()
    assert live.see(run_id).status == before
    gate.touch()
    run = live.done(run_id)
    assert (run.status.outcome, run.status.exit_code, run.attempt) == (Outcome.FAILED, 7, 1)
    row = attempt_of(live, run_id)
    assert row.started_at == before.started_at
    assert abs(row.end.ended_at - gate.stat().st_mtime_ns // 1000) < 2 * SECOND
    assert row.end.user_time >= 50_000
    assert row.end.system_time is not None
    assert row.end.max_rss is None  # only a parent is told
    assert [(output.stream, output.body) for output in live.history.outputs(run_id)] == [
        ("out", b"one\n"),
        ("err", b"two\n"),
    ]


def test_an_end_that_no_daemon_saw_has_its_own_time(daemon, gate):
    live = daemon(
        f'[jobs.j]\ncommand = "{WAIT.format(gate=gate)}; {BUSY}; echo bye; kill -USR1 $$"\n'
    ).start()
    run_id = live.run("j")
    process = live.in_state(run_id, "running").status.process
    live.kill()
    gate.touch()
    until(lambda: not is_running(process.pid))
    ended = time.time_ns() // 1000
    # Half a second without a daemon, so that its start could not pass for the job's end.
    until(lambda: time.time_ns() // 1000 > ended + SECOND // 2)
    live.start()
    run = live.done(run_id)
    assert (run.status.cause, run.status.signal) == (Cause.SIGNAL, signal.SIGUSR1)
    assert run.status.ended_at <= ended + SECOND // 10
    assert attempt_of(live, run_id).end.user_time >= 50_000
    assert live.history.outputs(run_id)[0].body == b"bye\n"


def test_output_goes_on_over_two_restarts_and_large_output_keeps_its_file(daemon, gate):
    """TRAPS, Output: a restart that overwrote the earlier log (pueue)."""
    live = daemon(f'[jobs.j]\ncommand = "seq 1 20000; {WAIT.format(gate=gate)}; seq 20001 40000"\n').start()
    run_id = live.run("j")
    live.in_state(run_id, "running")
    for _ in range(2):
        live.kill()
        live.start()
    gate.touch()
    assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    output = live.history.outputs(run_id)[0]
    text = (live.state / output.path).read_text()
    assert text == "".join(f"{number}\n" for number in range(1, 40001))
    assert output.size == len(text)


def test_a_process_whose_start_was_not_recorded_counts_from_its_own_start(daemon, gate):
    live = daemon(
        f'[jobs.j]\ncommand = "{WAIT.format(gate=gate)}"\n', environ={"JOBRUN_FAULT": "spawn.after"}
    )
    live.start()
    with pytest.raises(Exception, match="daemon"):
        for _ in range(2):
            live.run("j")
    live.wait()
    died = time.time_ns() // 1000
    until(lambda: time.time_ns() // 1000 > died + SECOND)
    del live.environ["JOBRUN_FAULT"]
    live.start()
    run = live.in_state(1, "running")
    assert run.attempt == 1
    # The kernel dates a start by its tick; the daemon that adopts it starts more than a second later.
    assert run.status.started_at < died + SECOND // 2
    gate.touch()
    assert live.done(1).status.outcome is Outcome.SUCCEEDED


def test_what_an_adopted_leader_leaves_behind_is_ended_and_counted(daemon, gate):
    live = daemon(
        f'[jobs.j]\ncommand = "setsid sleep 300 & echo $!; {WAIT.format(gate=gate)}"\n',
    ).start()
    run_id = live.run("j")
    live.in_state(run_id, "running")
    log = until(lambda: next(live.places.logs.rglob(f"{run_id}.1.out"), None))
    child = int(until(log.read_text))
    live.kill()
    live.start()
    gate.touch()
    assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    assert attempt_of(live, run_id).end.left_behind == 1
    assert not is_running(child)


def test_a_kill_that_was_decided_is_carried_out_by_the_next_daemon(daemon):
    live = daemon(
        f'[jobs.j]\ncommand = "{STUBBORN}"\ngrace = "200ms"\ntimeout = "300ms"\n',
        environ={"JOBRUN_FAULT": "kill.before"},
    ).start()
    run_id = live.run("j")
    live.wait()
    run = live.see(run_id)
    assert run.state == "stopping"
    assert run.status.killed_at is not None
    assert is_running(run.status.process.pid)
    del live.environ["JOBRUN_FAULT"]
    live.start()
    assert live.done(run_id).status.outcome is Outcome.TIMED_OUT
    assert not is_running(run.status.process.pid)


def test_a_run_that_had_to_make_way_makes_way_after_a_crash(daemon):
    """A newer run that met the older one between intent and process: the stop was only in memory."""
    live = daemon(f'[jobs.j]\ncommand = "{STUBBORN}"\noverlap = "replace"\ngrace = "60s"\n').start()
    older = live.run("j")
    live.in_state(older, "running")
    newer = live.run("j")
    live.in_state(older, "stopping")
    live.kill()
    with closing(sqlite3.connect(live.places.database)) as connection, connection:
        connection.execute(
            "UPDATE runs SET state = 'running', state_reason = NULL, state_since = started_at WHERE id = ?",
            (older,),
        )
    assert live.see(older).state == "running"
    live.start()
    assert live.in_state(older, "stopping").status.cause is Cause.SUPERSEDED
    assert live.see(newer).state == "queued"


def test_who_waits_for_its_turn_ends_nobody_at_a_restart(daemon, gate):
    """A retry by hand and a run for later, under `replace`: a restart must not take them for replacements."""
    live = daemon(f'[jobs.j]\ncommand = "{WAIT.format(gate=gate)}; exit 3"\noverlap = "replace"\n').start()
    gate.touch()
    failed = live.done(live.run("j")).id
    gate.unlink()
    running = live.run("j")
    live.in_state(running, "running")
    later = live.run("j", at=time.time_ns() // 1000 + 3600 * SECOND)
    (pair,) = live.client.call("retry", runs=[failed])["retried"]
    live.kill()
    live.start()
    assert [live.see(run_id).state for run_id in (running, later, pair["new"])] == [
        "running",
        "delayed",
        "queued",
    ]
    gate.touch()
    assert live.done(running).status.exit_code == 3
    assert live.done(pair["new"]).status.exit_code == 3


def test_working_files_of_an_ended_attempt_are_dropped_by_the_next_daemon(daemon):
    live = daemon('[jobs.j]\ncommand = "echo hi"\n', environ={"JOBRUN_FAULT": "forget.before"}).start()
    run_id = live.run("j")
    live.wait()
    left = [*live.places.attempts.iterdir(), *live.places.logs.rglob("*.out")]
    assert len(left) == 2
    del live.environ["JOBRUN_FAULT"]
    live.start()
    assert not any(path.exists() for path in left)
    assert live.history.outputs(run_id)[0].body == b"hi\n"


def test_an_upgrade_with_jobs_running_is_a_restart_that_leaves_them(daemon, gate):
    """TRAPS, State: a restart marks live tasks Killed (pueue)."""
    live = daemon(f'[jobs.j]\ncommand = "{WAIT.format(gate=gate)}; exit 3"\ntimeout = "1m"\n')
    live.start("--on-stop", "leave")
    run_id = live.run("j")
    process = live.in_state(run_id, "running").status.process
    for _ in range(3):
        assert live.stop() == 0
        assert is_running(process.pid)
        live.start("--on-stop", "leave")
        assert live.client.call("ping")["running"] == 1
    gate.touch()
    run = live.done(run_id)
    assert (run.attempt, run.charged, run.status.exit_code) == (1, 1, 3)


def test_jobs_are_killed_on_request_and_get_their_attempt_back(daemon):
    live = daemon('[jobs.j]\ncommand = "sleep 300"\n').start("--on-stop", "leave")
    run_id = live.run("j")
    process = live.in_state(run_id, "running").status.process
    live.cli("stop", "--mode", "kill")
    assert live.wait() == 0
    assert not is_running(process.pid)
    run = live.see(run_id)
    assert (run.state, run.attempt, run.charged) == ("queued", 1, 0)
