"""systemd takes the whole host down: what a daemon that leaves its jobs at a restart does then."""

import os
import signal

import pytest
from live import is_running

from jobrun.domain.run import Cause, Outcome
from jobrun.proc.host import is_going_down

ENDLESS = '[jobs.endless]\ncommand = "exec sleep 300"\n'


@pytest.fixture
def systemctl(tmp_path):
    """A stand-in that says what the test tells it to, and notes how it was asked."""

    def say(word: str, code: int = 1) -> dict[str, str]:
        tool = tmp_path / "bin" / "systemctl"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho {word}\nexit {code}\n')
        tool.chmod(0o755)
        return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "INVOCATION_ID": "0123456789abcdef"}

    return say


def test_jobs_end_in_order_when_the_host_goes_down_and_run_again_after_the_boot(daemon, systemctl):
    """TRAPS, Operation: shutdown that burns an attempt. Left alone, they would die of systemd's last TERM."""
    live = daemon(ENDLESS, environ=systemctl("stopping")).start("--on-stop", "leave")
    run_id = live.run("endless")
    pid = live.in_state(run_id, "running").status.process.pid
    live.signal(signal.SIGTERM)
    assert live.wait() == 0
    assert not is_running(pid)
    run = live.see(run_id)
    assert (run.state, run.charged) == ("queued", 0)
    end = live.history.attempts(run_id)[0].end
    assert (end.outcome, end.cause) == (Outcome.CANCELLED, Cause.SHUTDOWN)
    live.start()
    assert live.in_state(run_id, "running").attempt == 2


def test_jobs_are_left_alone_when_only_the_daemon_stops(daemon, systemctl):
    live = daemon(ENDLESS, environ=systemctl("running", 0)).start("--on-stop", "leave")
    run_id = live.run("endless")
    pid = live.in_state(run_id, "running").status.process.pid
    live.signal(signal.SIGTERM)
    assert live.wait() == 0
    assert is_running(pid)
    assert live.see(run_id).state == "running"


def test_who_is_asked(systemctl, tmp_path):
    environ = systemctl("stopping")
    assert is_going_down(environ)
    assert is_going_down({**environ, "MANAGERPID": "1"})
    assert (tmp_path / "asked").read_text() == "is-system-running\n--user is-system-running\n"


@pytest.mark.parametrize("missing", ["INVOCATION_ID", "PATH"])
def test_without_systemd_nothing_is_going_down(systemctl, missing):
    environ = systemctl("stopping")
    assert not is_going_down({**environ, missing: ""} if missing == "PATH" else {"PATH": environ["PATH"]})
