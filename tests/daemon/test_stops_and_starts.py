"""Stopping, dying and starting again: what becomes of running jobs."""

import os
import signal
import time

import pytest
from live import is_running, until

from jobrun.domain.errors import Conflict, ExitCode
from jobrun.domain.run import Cause, Outcome

JOBS = """
[jobrun]
shutdown_timeout = "{timeout}"

[jobs.short]
command = "while [ ! -e {gate} ]; do sleep 0.02; done; echo done"

[jobs.endless]
command = "sleep 300 & echo $!; wait"
grace = "1s"

[jobs.stubborn]
command = "trap '' TERM; while :; do sleep 0.1; done"
grace = "60s"

[jobs.tick]
every = "1s"
command = "true"
"""


@pytest.fixture
def live(daemon, tmp_path):
    made = daemon(JOBS.format(timeout="20s", gate=tmp_path / "gate"))
    made.gate = tmp_path / "gate"
    return made


def child_of(live, run_id):
    def look():
        path = next(live.places.logs.rglob(f"{run_id}.*.out"), None)
        text = path.read_text().split() if path else []
        return int(text[0]) if text else None

    return until(look, "the child's pid")


def test_drain_waits_for_running_jobs_and_starts_nothing_new(live):
    """TRAPS, Operation: waiting for jobs before stopping the clock, so new ones keep starting (ofelia)."""
    live.start()
    run_id = live.run("short")
    live.in_state(run_id, "running")
    live.signal(signal.SIGTERM)
    until(lambda: "daemon.stopping" in live.log())
    with pytest.raises(Conflict, match="stopping"):
        live.client.call("run", job="short")
    before = len(live.runs("tick"))
    live.gate.touch()
    assert live.wait() == 0
    assert len(live.runs("tick")) <= before + 1
    assert live.see(run_id).status.outcome is Outcome.SUCCEEDED


def test_after_the_shutdown_timeout_jobs_are_ended_and_get_their_attempt_back(daemon, tmp_path):
    """TRAPS, Operation: shutdown that burns an attempt."""
    live = daemon(JOBS.format(timeout="300ms", gate=tmp_path / "gate")).start()
    run_id = live.run("endless")
    child = child_of(live, run_id)
    live.signal(signal.SIGTERM)
    assert live.wait() == 0
    assert "Forcing shutdown with 1 active jobs" in live.log()
    assert not is_running(child)
    run = live.see(run_id)
    assert (run.state, run.charged) == ("queued", 0)
    assert live.history.attempts(run_id)[0].end.cause == "shutdown"
    live.start()
    assert live.in_state(run_id, "running").attempt == 2


def test_a_second_signal_forces_and_a_third_kills(live):
    live.start()
    run_id = live.run("stubborn")
    live.in_state(run_id, "running")
    live.signal(signal.SIGTERM)
    until(lambda: "daemon.stopping" in live.log())
    live.signal(signal.SIGTERM)
    until(lambda: "Forcing shutdown" in live.log())
    live.in_state(run_id, "stopping")
    live.signal(signal.SIGINT)
    assert live.wait() == 0
    assert live.see(run_id).state == "queued"


def test_asking_again_forces_nothing_and_another_mode_is_what_it_says(live):
    """Impatience is a second signal; who asks `leave` after all must not lose the jobs."""
    live.start()
    run_id = live.run("stubborn")
    pid = live.in_state(run_id, "running").status.process.pid
    live.cli("stop", "--no-wait")
    for again in ((), ("--mode", "drain"), ()):
        live.cli("stop", "--no-wait", *again)
    assert live.client.call("ping")["stopping"]
    assert live.see(run_id).state == "running" and "Forcing" not in live.log()
    live.cli("stop", "--mode", "leave")
    assert live.wait() == 0
    assert is_running(pid) and live.see(run_id).state == "running"
    live.start()
    assert live.see(run_id).attempt == 1


def test_a_drain_can_become_a_kill_and_a_kill_stays_one(live):
    live.start()
    run_id = live.run("stubborn")
    pid = live.in_state(run_id, "running").status.process.pid
    live.cli("stop", "--no-wait", "--mode", "drain")
    live.cli("stop", "--no-wait", "--mode", "kill")
    live.in_state(run_id, "stopping")
    live.cli("stop", "--no-wait", "--mode", "leave")
    assert live.client.call("ping")["stopping"]
    for count in (1, 2, 3):
        live.signal(signal.SIGTERM)
        until(lambda count=count: live.log().count("daemon.stop_again") == count, "the signal to be heard")
    assert live.wait() == 0
    assert not is_running(pid)
    assert live.see(run_id).state == "queued"


def test_left_jobs_are_adopted_and_their_end_is_true(live):
    live.start("--on-stop", "leave")
    run_id = live.run("short")
    before = live.in_state(run_id, "running")
    live.signal(signal.SIGTERM)
    assert live.wait() == 0
    assert is_running(before.status.process.pid)
    live.start()
    assert live.see(run_id).status.process == before.status.process
    live.gate.touch()
    run = live.done(run_id)
    assert run.status.outcome is Outcome.SUCCEEDED
    assert run.attempt == 1
    assert live.history.outputs(run_id)[0].body == b"done\n"


def test_a_killed_daemons_job_that_ended_meanwhile_has_its_real_exit_code(daemon, tmp_path):
    gate = tmp_path / "gate"
    live = daemon(
        f'[jobs.j]\ncommand = "while [ ! -e {gate} ]; do sleep 0.02; done; echo bye; exit 7"\n'
    ).start()
    run_id = live.run("j")
    pid = live.in_state(run_id, "running").status.process.pid
    live.kill()
    gate.touch()
    until(lambda: not is_running(pid), "the job to end")
    ended = time.time()
    live.start()
    run = live.done(run_id)
    assert (run.status.outcome, run.status.exit_code) == (Outcome.FAILED, 7)
    assert run.status.ended_at / 1e6 <= ended + 0.1
    assert live.history.outputs(run_id)[0].body == b"bye\n"
    assert live.history.attempts(run_id)[0].end.user_time is not None


def test_a_timeout_that_passed_while_no_daemon_lived_is_enforced(daemon):
    live = daemon('[jobs.j]\ncommand = "sleep 300"\ntimeout = "1500ms"\n').start()
    run_id = live.run("j")
    pid = live.in_state(run_id, "running").status.process.pid
    live.kill()
    started = time.monotonic()
    until(lambda: time.monotonic() - started > 1.6)
    assert is_running(pid)
    live.start()
    assert live.done(run_id).status.outcome is Outcome.TIMED_OUT


def test_overlap_sees_the_adopted_run(daemon):
    """TRAPS, Operation: `forbid` forgotten by a restart (dkron #1569, Nomad #14505)."""
    live = daemon('[jobs.j]\ncommand = "sleep 300"\n').start()
    run_id = live.run("j")
    live.in_state(run_id, "running")
    live.kill()
    live.start()
    answer = live.client.call("run", job="j")
    assert (answer["outcome"], answer["cause"]) == ("skipped", "overlap")
    live.client.call("cancel", runs=[run_id])
    assert live.done(run_id).status.outcome is Outcome.CANCELLED


def test_a_tree_killed_while_no_daemon_lived_is_lost(daemon):
    live = daemon('[jobs.j]\ncommand = "sleep 300"\n').start()
    run_id = live.run("j")
    process = live.in_state(run_id, "running").status.process
    live.kill()
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: not is_running(process.pid))
    live.start()
    run = live.done(run_id)
    assert (run.status.outcome, run.status.cause) == (Outcome.LOST, Cause.DAEMON_CRASH)


def test_retries_survive_a_crash(daemon):
    """TRAPS, State: retry timers in memory are lost on restart (dkron, Cronicle)."""
    live = daemon('[jobs.j]\ncommand = "exit 1"\nattempts = 2\ndelay = "2s"\n').start()
    run_id = live.run("j")
    live.in_state(run_id, "delayed")
    live.kill()
    live.start()
    assert live.done(run_id).attempt == 2


def test_one_state_directory_serves_one_daemon(live):
    """TRAPS, Operation: a stale pid file that refuses the start; `flock` never does."""
    live.start()
    second = live.cli("daemon", check=ExitCode.CONFLICT)
    assert f"pid {live.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    live.kill()
    live.start()


def test_a_removed_socket_comes_back(live):
    live.start()
    live.places.socket.unlink()
    until(live.places.socket.exists, "the socket")
    until(live._answers)


def test_stop_by_request(live):
    live.start()
    run_id = live.run("endless")
    child = child_of(live, run_id)
    answer = live.client.call("stop", mode="kill")
    assert answer["running"] == 1
    assert live.wait() == 0
    assert not is_running(child)
