"""A store restored from a backup: run numbers are given out again, and mean new runs only."""

import os
import shutil
import signal
import sqlite3

import pytest
from daemon.workerlive import worker_daemon
from live import is_running, until

from jobrun.domain.run import Outcome
from jobrun.proc.files import read_status

JOBS = """
[jobs.first]
command = "true"

[jobs.long]
command = "yes 'the old run' | head -c 200000"

[jobs.word]
command = "echo 'the new run'"

[jobs.hold]
python = "tasks:hold"
args = ["{gate}", "old"]

[jobs.add]
python = "tasks:add"
args = [1, 2]

[jobs.lasting]
command = "echo $$; exec sleep 300"
"""


@pytest.fixture
def workers(daemon):
    return worker_daemon(daemon, JOBS).start()


def back_up(workers) -> None:
    """As sqlite3(1) does it beside a daemon that runs."""
    source = sqlite3.connect(workers.live.places.database)
    copy = sqlite3.connect(workers.live.directory / "backup.db")
    source.backup(copy)
    source.close()
    copy.close()


def restore(workers) -> None:
    """The daemon dies and its database is replaced by the one that was kept."""
    workers.live.kill()
    database = workers.live.places.database
    for end in ("", "-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
    shutil.copy(workers.live.directory / "backup.db", database)
    workers.live.start()


def test_what_is_there_of_runs_made_after_the_backup_is_not_the_new_runs(workers):
    live = workers.live
    assert workers.run("first").id == 1
    back_up(workers)
    assert workers.run("long").id == 2
    call = live.run("hold")
    assert call == 3
    pid = workers.pid_in(call)
    # The daemon dies before it hears of the call's end.
    live.process.send_signal(signal.SIGSTOP)
    workers.gate.touch()
    status = live.places.attempts / f"{call}.1.status"
    until(lambda: read_status(status), "the end of the call")
    restore(workers)
    workers.gone(pid)

    assert workers.run("word").id == 2
    assert workers.printed(2) == "the new run\n"
    new = workers.run("add")
    assert (new.id, new.status.outcome) == (3, Outcome.SUCCEEDED)
    assert workers.result(3) == "3"
    assert "spool.odd" in until(lambda: "set-aside" in live.log() and live.log(), "the log to say so")
    (kept,) = live.state.glob("set-aside/*/logs/*/2.1.out")
    assert kept.stat().st_size > 200_000 - 100
    assert live.stop() == 0


def test_what_still_runs_of_runs_made_after_the_backup_is_ended(workers):
    live = workers.live
    assert workers.run("first").id == 1
    back_up(workers)
    lasting = live.in_state(live.run("lasting"), "running").status.process.pid
    call = live.run("hold")
    at_work = workers.pid_in(call)
    restore(workers)
    workers.gone(lasting, at_work)
    assert live.history.live_runs() == []
    (kept,) = live.state.glob("set-aside/*/logs/*/2.1.out")
    assert int(kept.read_text()) > 0
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED
    assert live.stop() == 0


def test_a_status_file_that_was_there_before_its_call_is_not_believed(workers):
    live = workers.live
    done = workers.run("add")
    old = b"began\nexit 0\n0m0s 0m0s\n0m0s 0m0s\nend\n".ljust(255) + b'\n{"worker":1,"result":"old"}'
    (live.places.attempts / f"{done.id + 1}.1.status").write_bytes(old)
    (live.places.attempts / f"{done.id + 1}.1.out").write_bytes(b"old\n")
    run = workers.run("add")
    assert (run.id, run.status.outcome, workers.result(run.id)) == (done.id + 1, Outcome.SUCCEEDED, "3")
    assert live.history.outputs(run.id) == []


def test_a_call_that_its_worker_drops_is_over(workers):
    """Somebody makes the status file of a call that waits in its worker behind another one."""
    live = workers.live
    before = workers.run("add").id
    worker = int(workers.workers()[0]["pid"])
    os.kill(worker, signal.SIGSTOP)
    run_id = live.run("add")
    assert run_id == before + 1
    live.in_state(run_id, "starting")
    (live.places.attempts / f"{run_id}.1.status").touch()
    os.kill(worker, signal.SIGCONT)
    run = live.done(run_id)
    assert run.status.outcome is Outcome.FAILED
    assert "status file" in run.status.detail
    assert is_running(worker)
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED
    assert live.stop() == 0
