"""The control socket and what stands where it belongs; and the lock beside it."""

import fcntl
import signal
import subprocess

import pytest
from live import until

from jobrun.daemon.answers import MOST_AT_ONCE
from jobrun.domain.errors import ExitCode, UsageError

JOBS = '[jobs.boot]\ncron = "@reboot"\ncommand = "true"\n[jobs.a]\ncommand = "true"\n'


def put_in_the_way(path, kind: str) -> None:
    path.mkdir() if kind == "directory" else path.write_text("somebody's")


def take_away(path, kind: str) -> None:
    path.rmdir() if kind == "directory" else path.unlink()


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_start_is_refused_before_any_job_starts(daemon, kind):
    """Seen: the daemon started the jobs that were due, and then died of the socket."""
    live = daemon(JOBS)
    live.places.socket.parent.mkdir(parents=True)
    put_in_the_way(live.places.socket, kind)
    done = subprocess.run(
        live.command("daemon"), env=live.environ, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == ExitCode.FAILED
    assert f"there is a {kind}." in done.stderr
    assert "Move it away" in done.stderr
    assert "Traceback" not in done.stderr
    assert not live.runs()
    take_away(live.places.socket, kind)
    live.start()
    until(lambda: live.runs("boot"), "the job of this boot")


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_running_daemon_warns_once_and_comes_back(daemon, kind):
    """Seen: a traceback a second."""
    live = daemon('[jobs.tick]\nevery = "1s"\ncommand = "true"\n').start()
    live.places.socket.unlink()
    put_in_the_way(live.places.socket, kind)
    until(lambda: "control.unreachable" in live.log(), "the warning")
    ticks = len(live.runs("tick"))
    until(lambda: len(live.runs("tick")) > ticks + 2, "a few seconds")
    assert live.log().count("control.unreachable") == 1
    assert "Traceback" not in live.log()
    take_away(live.places.socket, kind)
    until(lambda: "control.rebound" in live.log(), "the socket")
    assert live.client.call("ping")["store"] == "ok"


def test_a_removed_lock_is_made_again_and_keeps_the_next_daemon_out(daemon):
    """Seen: a second daemon served the same state."""
    live = daemon(JOBS).start()
    live.places.lock.unlink()
    until(live.places.lock.exists, "the lock")
    until(lambda: "lock.remade" in live.log(), "the log to say so")
    refused = live.cli("daemon", check=ExitCode.CONFLICT)
    assert f"pid {live.process.pid}" in refused.stderr


def test_a_second_daemon_that_came_in_all_the_same_is_told_of(daemon):
    live = daemon(JOBS).start()
    live.signal(signal.SIGSTOP)
    live.places.lock.unlink()
    with live.places.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        live.signal(signal.SIGCONT)
        until(lambda: "lock.lost" in live.log(), "the log to say so")
        assert "pid=4711" in live.log()
    until(lambda: "lock.remade" in live.log(), "the lock to be ours again")
    assert live.log().count("lock.lost") == 1


@pytest.mark.parametrize("operation", ["cancel", "wait", "retry"])
def test_the_runs_of_one_request_are_bounded(daemon, operation):
    """Seen: a cancel of a million numbers held the daemon for 50 seconds."""
    live = daemon(JOBS).start()
    many = list(range(1, MOST_AT_ONCE + 2))
    with pytest.raises(UsageError, match="can be named at once"):
        live.client.call(operation, runs=many)
    assert live.client.call("cancel", runs=[live.run("a")])
