"""Calls that are stopped, limited, taken back, or outlive their daemon."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from daemon.workerlive import WorkerDaemon, stop_process, worker_daemon
from live import is_running, until

from jobrun.domain.instants import SECOND
from jobrun.domain.run import Cause, Outcome
from jobrun.proc.files import CLOCK_GRAIN, read_status

JOBS = """
[pools.default]
max = 2

[jobs.add]
python = "tasks:add"
args = [1, 2]
overlap = "allow"

[jobs.mark]
python = "tasks:mark"
args = ["{gate}"]
overlap = "allow"

[jobs.hold]
python = "tasks:hold"
args = ["{gate}"]
overlap = "allow"

[jobs.limited]
python = "tasks:stubborn"
args = ["{gate}"]
timeout = "500ms"
grace = "300ms"

[jobs.soft]
python = "tasks:soft"
args = ["{gate}"]
soft_timeout = "300ms"

[jobs.deaf_to_soft]
python = "tasks:hold"
args = ["{gate}"]
soft_timeout = "300ms"

[jobs.family]
python = "tasks:family"
args = ["{gate}"]
grace = "1s"

[jobs.litter]
python = "tasks:litter"
"""


@pytest.fixture
def workers(daemon):
    return worker_daemon(daemon, JOBS).start()


def outcome(run):
    return run.status.outcome, run.status.cause


def test_a_cancelled_call_is_told_and_its_worker_goes(workers):
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    workers.live.client.call("cancel", runs=[run_id])
    assert outcome(workers.live.done(run_id)) == (Outcome.CANCELLED, Cause.USER)
    workers.gone(pid)
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED


def test_a_call_past_its_timeout_is_killed_whatever_it_swallows(workers):
    run = workers.run("limited")
    assert outcome(run) == (Outcome.TIMED_OUT, Cause.TIMEOUT)
    assert "ignored Stopped" in workers.printed(run.id)
    (attempt,) = workers.live.history.attempts(run.id)
    assert attempt.end.killed
    assert attempt.end.ended_at - attempt.started_at >= 800_000


def test_the_soft_limit_is_an_exception_in_the_job(workers):
    run = workers.run("soft")
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert "told" in workers.printed(run.id)
    assert workers.result(run.id) == '"half"'


def test_a_soft_limit_that_nobody_catches_ends_the_call(workers):
    run = workers.run("deaf_to_soft")
    assert outcome(run) == (Outcome.TIMED_OUT, Cause.SOFT_TIMEOUT)


def test_a_stop_reaches_the_whole_family(workers):
    run_id = workers.live.run("family")
    child, away = map(int, until(lambda: workers.printed(run_id).splitlines()[:1])[0].split())
    workers.live.client.call("cancel", runs=[run_id])
    assert workers.live.done(run_id).status.outcome is Outcome.CANCELLED
    workers.gone(child, away)


def test_what_a_call_leaves_behind_is_killed_and_counted(workers):
    run = workers.run("litter")
    assert run.status.outcome is Outcome.SUCCEEDED
    workers.gone(int(workers.printed(run.id)))
    assert workers.live.history.attempts(run.id)[-1].end.left_behind == 1
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED


LEAVE = """
[pools.default]
on_worker_start = "hooks:start"

[defaults.env]
OWN = "{gate}.own"

[jobs.litter]
python = "tasks:litter"

[jobs.leaves]
python = "leaving:leaves"
leave_children = true

[jobs.dies]
python = "leaving:dies"
leave_children = true

[jobs.stays]
python = "leaving:stays"
leave_children = true
grace = "1s"
"""
LEAVING = '''
import os, subprocess, time

def leaves():
    """One that stays near, one in a session of its own, one that is a mere fork."""
    near = subprocess.Popen(["sh", "-c", "sleep 300 & wait"])
    away = subprocess.Popen(["setsid", "sh", "-c", "sleep 300 & wait"])
    forked = os.fork()
    if not forked:
        os.setsid()
        time.sleep(300)
        os._exit(0)
    print(near.pid, away.pid, forked, flush=True)

def dies():
    leaves()
    os._exit(3)

def stays():
    leaves()
    while True:
        time.sleep(1)
'''
HOOKS = """
import os, subprocess

def start():
    with open(os.environ["OWN"], "a") as file:
        print(subprocess.Popen(["setsid", "sleep", "300"]).pid, file=file)
"""


@pytest.fixture
def leaving(daemon):
    workers = worker_daemon(daemon, LEAVE)
    (workers.code / "leaving.py").write_text(LEAVING)
    (workers.code / "hooks.py").write_text(HOOKS)
    return workers.start()


@pytest.mark.parametrize("job", ["leaves", "dies"])
def test_children_left_on_purpose_outlive_run_and_worker(leaving, job):
    """What the worker's hook had started, and what other calls leave, goes all the same."""
    run = leaving.run(job)
    left = [int(word) for word in leaving.printed(run.id).split()]
    own = int(Path(f"{leaving.gate}.own").read_text())
    assert leaving.live.history.attempts(run.id)[-1].end.left_behind == 0
    leaving.gone(own)
    until(lambda: leaving.workers() == [], "the worker to be parted with")
    assert list(map(is_running, left)) == [True] * 3
    litter = leaving.run("litter")
    leaving.gone(int(leaving.printed(litter.id)))
    assert leaving.live.stop() == 0
    assert list(map(is_running, left)) == [True] * 3


def test_a_stop_ends_children_that_may_be_left(leaving):
    run_id = leaving.live.run("stays")
    leaving.pid_in(run_id)
    left = [int(word) for word in leaving.printed(run_id).split()]
    assert len(left) == 3
    leaving.live.client.call("cancel", runs=[run_id])
    assert leaving.live.done(run_id).status.outcome is Outcome.CANCELLED
    leaving.gone(*left)


def test_a_call_outlives_its_daemon(workers):
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    before = workers.live.in_state(run_id, "running").status
    workers.live.kill()
    workers.start()
    assert workers.live.see(run_id).status == before
    workers.gate.touch()
    run = workers.live.done(run_id)
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert run.attempt == 1
    assert workers.result(run_id) == '"free"'
    assert workers.printed(run_id) == f"{pid}\n"
    workers.gone(pid)


def test_a_call_that_ends_while_no_daemon_lives_has_its_true_end(workers):
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    workers.live.kill()
    workers.gate.touch()
    workers.gone(pid)
    workers.start()
    run = workers.live.done(run_id)
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert workers.result(run_id) == '"free"'
    assert abs(run.status.ended_at - workers.gate.stat().st_mtime_ns // 1000) < 2 * SECOND


def test_a_worker_that_crashes_while_no_daemon_lives_tells_by_what(workers):
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    workers.live.kill()
    os.kill(pid, signal.SIGSEGV)
    workers.gone(pid)
    workers.start()
    run = workers.live.done(run_id)
    assert outcome(run) == (Outcome.FAILED, Cause.SIGNAL)
    assert run.status.signal == signal.SIGSEGV


def test_a_timeout_that_passes_while_no_daemon_lives_is_enforced_then(daemon):
    workers = worker_daemon(
        daemon, '[jobs.hold]\npython = "tasks:hold"\nargs = ["{gate}"]\ntimeout = "1s"\ngrace = "1s"\n'
    ).start()
    run_id = workers.live.run("hold")
    started = workers.live.in_state(run_id, "running").status.started_at
    workers.pid_in(run_id)
    workers.live.kill()
    workers.start()
    run = workers.live.done(run_id)
    assert outcome(run) == (Outcome.TIMED_OUT, Cause.TIMEOUT)
    assert run.status.ended_at - started >= SECOND


def test_idle_workers_end_with_their_daemon(workers):
    workers.run("add")
    (seen,) = workers.workers()
    workers.live.kill()
    workers.gone(seen["pid"])
    workers.start()
    until(lambda: list(workers.live.places.attempts.iterdir()) == [], "the old worker's files to go")


def test_a_drained_stop_waits_for_calls(workers):
    run_id = workers.live.run("hold")
    workers.pid_in(run_id)
    workers.live.signal(signal.SIGTERM)
    until(lambda: "daemon.stopping" in workers.live.log(), "the stop to begin")
    workers.gate.touch()
    assert workers.live.wait() == 0
    assert workers.live.see(run_id).status.outcome is Outcome.SUCCEEDED


def test_a_left_call_is_adopted(workers):
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    workers.live.client.call("stop", mode="leave")
    assert workers.live.wait() == 0
    assert is_running(pid)
    workers.start()
    assert workers.live.see(run_id).state == "running"
    workers.gate.touch()
    assert workers.live.done(run_id).status.outcome is Outcome.SUCCEEDED


def test_an_interrupted_call_gets_its_attempt_back(workers):
    run_id = workers.live.run("hold")
    workers.pid_in(run_id)
    workers.live.client.call("stop", mode="kill")
    assert workers.live.wait() == 0
    assert workers.live.see(run_id).state == "queued"
    workers.start()
    workers.gate.touch()
    run = workers.live.done(run_id)
    assert (run.status.outcome, run.attempt, run.charged) == (Outcome.SUCCEEDED, 2, 1)


def test_a_call_that_waits_behind_others_can_be_cancelled(workers):
    """A stopped worker stands for one that does not come to its next call."""
    workers.live.client.call("run", job="add", bulk=[None] * 200)
    until(lambda: all(run.state == "done" for run in workers.live.runs()), "all to end")
    pids = [int(worker["pid"]) for worker in workers.workers()]
    for pid in pids:
        stop_process(pid)
    runs = workers.live.client.call("run", job="add", bulk=[None] * 20)["runs"]
    until(lambda: any(w["waiting"] for w in workers.workers()), "calls to wait in a worker")
    workers.live.client.call("cancel", runs=runs)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    ended = [workers.live.done(run_id) for run_id in runs]
    assert {run.status.outcome for run in ended} <= {Outcome.CANCELLED, Outcome.SUCCEEDED}
    assert any(run.status.outcome is Outcome.CANCELLED for run in ended)


def test_a_stopped_worker_is_reported(daemon):
    workers = worker_daemon(
        daemon,
        '[pools.default]\nstalled_after = "1s"\n[jobs.hold]\npython = "tasks:hold"\nargs = ["{gate}"]\n',
    ).start()
    run_id = workers.live.run("hold")
    pid = workers.pid_in(run_id)
    stop_process(pid)
    until(lambda: workers.workers()[0]["state"] == "stalled", "the stall to be seen")
    assert "worker.stalled" in workers.live.log()
    os.kill(pid, signal.SIGCONT)
    workers.gate.touch()
    assert workers.live.done(run_id).status.outcome is Outcome.SUCCEEDED


def test_unbegun_calls_of_a_killed_daemon_run_once(workers):
    """What was on its way to a worker is given back by the next daemon; the old worker leaves it alone."""
    workers.live.client.call("run", job="mark", bulk=[None] * 300)
    workers.live.kill()
    workers.start()
    until(lambda: all(run.state == "done" for run in workers.live.runs()), "all to end")
    runs = workers.live.runs()
    assert {run.status.outcome for run in runs} == {Outcome.SUCCEEDED}
    assert sorted(map(int, workers.gate.read_text().split())) == [run.id for run in runs]


def test_a_call_that_was_taken_back_is_not_made_by_the_worker_that_still_has_it(daemon):
    """What waits behind a call that takes longer than expected is given back; the messages stay there."""
    workers = worker_daemon(
        daemon,
        "[pools.default]\nmax = 1\n[jobs.mixed]\n"
        'python = "tasks:mixed"\nargs = ["{code}/marks", "{code}/flag", "{gate}"]\noverlap = "allow"\n',
    ).start()

    def made() -> list[int]:
        return sorted(map(int, (workers.code / "marks").read_text().split()))

    ask = workers.live.client.call
    ask("run", job="mixed", bulk=[None] * 300)
    until(lambda: all(run.state == "done" for run in workers.live.runs()), "the quick ones to end")
    (workers.code / "flag").touch()
    # More than wait in a worker: those that wait in the daemon are given back, too.
    ask("run", job="mixed", bulk=["large" * 5_000, None] * 25)
    until(
        lambda: sum(run.state == "queued" for run in workers.live.runs()) == 49,
        "those behind the slow one to be given back, if any had been sent ahead",
    )
    workers.gate.touch()
    until(lambda: all(run.state == "done" for run in workers.live.runs()), "all to end")
    runs = workers.live.runs()
    assert {run.status.outcome for run in runs} == {Outcome.SUCCEEDED}
    assert made() == [run.id for run in runs]
    until(
        lambda: not list(workers.live.places.attempts.glob("[1-9]*.status")),
        "the worker to have met what was taken back",
    )
    assert workers.live.stop() == 0
    assert list(workers.live.places.attempts.iterdir()) == []


@pytest.mark.parametrize("point", ["exited.unposted", "end.undurable", "end.durable"])
def test_how_a_worker_died_is_known_until_it_is_written_down(daemon, point):
    """The daemon saw the worker die, and died itself before that was durable, or right after."""
    workers = worker_daemon(
        daemon, '[jobs.j]\npython = "tasks:kill_self"\nargs = [9]\n', environ={"JOBRUN_FAULT": point}
    ).start()
    workers.live.run("j")
    assert workers.live.wait() == -signal.SIGKILL
    del workers.live.environ["JOBRUN_FAULT"]
    workers.start()
    run = workers.live.done(1)
    assert outcome(run) == (Outcome.FAILED, Cause.SIGNAL)
    assert run.status.signal == signal.SIGKILL
    until(lambda: list(workers.live.places.attempts.iterdir()) == [], "nothing to be left")


@pytest.fixture
def unheard(daemon):
    """Has a job called by a daemon that dies when it hears of the begin, and waits for the worker's end."""

    def call(body: str) -> tuple[WorkerDaemon, Path]:
        workers = worker_daemon(
            daemon, f"[jobs.j]\n{body}\n", environ={"JOBRUN_FAULT": "spawned.unposted"}
        ).start()
        workers.live.run("j")
        assert workers.live.wait() == -signal.SIGKILL
        attempts = workers.live.places.attempts
        until(lambda: any(map(read_status, attempts.glob("0.*.status"))), "the worker to end")
        del workers.live.environ["JOBRUN_FAULT"]
        return workers, attempts / "1.1.status"

    return call


@pytest.mark.parametrize(
    ("body", "outcome", "least"),
    [
        ('python = "tasks:nap"\nargs = [0.3]', Outcome.SUCCEEDED, 300_000),
        ('python = "tasks:kill_self"', Outcome.FAILED, 0),
    ],
    ids=["succeeded", "died"],
)
def test_when_a_call_began_is_known_though_nobody_was_told(unheard, body, outcome, least):
    """The daemon died when it had heard of the begin, and the call was over before the next one came."""
    asked = time.time_ns() // 1000
    workers, _ = unheard(body)
    died = time.time_ns() // 1000
    workers.start()
    run = workers.live.done(1)
    (attempt,) = workers.live.history.attempts(1)
    assert run.status.outcome is outcome
    assert attempt.started_at is not None
    assert asked <= attempt.started_at <= attempt.end.ended_at <= died
    assert attempt.end.ended_at - attempt.started_at >= least - CLOCK_GRAIN
    assert workers.live.history.run(1).started_at == attempt.started_at


@pytest.mark.parametrize(
    "tail",
    [
        {"leader": [10**30, 1, "x"], "begun": 10**30},
        {"leader": [4711, 10**30, "x"], "worker": 10**30},
        {"leader": [True, True, "\ud800"]},
        [],
    ],
    ids=str,
)
def test_whatever_stands_in_a_status_file_the_daemon_starts_and_the_run_ends(unheard, tail):
    workers, status = unheard('python = "tasks:nap"\nargs = [0]')
    status.write_bytes(status.read_bytes()[:256] + json.dumps(tail).encode())
    workers.start()
    run = workers.live.done(1)
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    (attempt,) = workers.live.history.attempts(1)
    assert attempt.started_at is None
