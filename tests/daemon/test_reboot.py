"""The host went down: attempts without an end are lost, and what `on_lost` makes of them.

A reboot is played by giving the store another boot id between two daemons, and
by ending the job's processes without a word.
"""

import os
import signal
import sqlite3

import pytest
from live import is_running, until

from jobrun.domain.run import Cause, Outcome

ENDLESS = 'command = "exec sleep 300"\n'


def reboot(live, *pids: int) -> None:
    """Kill the daemon and the jobs of these leaders; the store says they ran on another boot."""
    live.kill()
    for pid in pids:
        os.killpg(pid, signal.SIGKILL)
        until(lambda pid=pid: not is_running(pid), "the job's tree to be gone")
    with sqlite3.connect(live.places.database) as connection:
        connection.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'")
        connection.execute("UPDATE runs SET boot_id = 'another boot' WHERE boot_id IS NOT NULL")
    connection.close()


def running_pid(live, run_id):
    return live.in_state(run_id, "running").status.process.pid


def attempts(live, run_id):
    ends = [attempt.end for attempt in live.history.attempts(run_id)]
    return [(end.outcome, end.cause) for end in ends if end is not None]


def test_what_ran_when_the_host_went_down_is_lost(daemon):
    live = daemon(f"[jobs.j]\n{ENDLESS}").start()
    run_id = live.run("j")
    reboot(live, running_pid(live, run_id))
    live.start()
    run = live.done(run_id)
    assert (run.status.outcome, run.status.cause) == (Outcome.LOST, Cause.HOST_CRASH)
    assert (run.lost, run.charged) == (1, 0)


def test_a_status_file_tells_the_truth_over_a_reboot(daemon, tmp_path):
    gate = tmp_path / "gate"
    live = daemon(f'[jobs.j]\ncommand = "while [ ! -e {gate} ]; do sleep 0.02; done; exit 7"\n').start()
    run_id = live.run("j")
    pid = running_pid(live, run_id)
    live.kill()
    gate.touch()
    until(lambda: not is_running(pid), "the job to end")
    with sqlite3.connect(live.places.database) as connection:
        connection.execute("UPDATE runs SET boot_id = 'another boot'")
        connection.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'")
    connection.close()
    live.start()
    run = live.done(run_id)
    assert (run.status.outcome, run.status.exit_code, run.lost) == (Outcome.FAILED, 7, 0)


def test_on_lost_retry_is_counted_apart_and_ends_at_max_lost(daemon):
    """TRAPS, Processes: a poisoned job that takes its host down is run again for ever (Celery)."""
    live = daemon(f'[jobs.j]\n{ENDLESS}on_lost = "retry"\nattempts = 1\n').start()
    run_id = live.run("j")
    for attempt in (1, 2, 3):
        until(lambda attempt=attempt: live.in_state(run_id, "running").attempt == attempt)
        reboot(live, running_pid(live, run_id))
        live.start()
    run = live.done(run_id)
    assert (run.status.outcome, run.lost, run.charged, run.attempt) == (Outcome.LOST, 3, 0, 3)
    assert attempts(live, run_id) == [(Outcome.LOST, Cause.HOST_CRASH)] * 3


def test_an_attempt_between_intent_and_process_is_lost_by_a_reboot_and_given_back_by_a_crash(daemon):
    """After a power cut the missing mark of a beginning proves nothing: the page cache went with it."""
    for has_booted in (True, False):
        live = daemon(f"[jobs.j]\n{ENDLESS}").start()
        run_id = live.run("j")
        pid = running_pid(live, run_id)
        live.kill()
        os.killpg(pid, signal.SIGKILL)
        until(lambda pid=pid: not is_running(pid))
        with sqlite3.connect(live.places.database) as connection:
            connection.execute(
                "UPDATE runs SET state = 'starting', pid = NULL, start_ticks = NULL, boot_id = NULL, "
                "started_at = NULL WHERE id = ?",
                (run_id,),
            )
            connection.execute("UPDATE attempts SET pid = NULL, started_at = NULL")
            if has_booted:
                connection.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot_id'")
        connection.close()
        for path in live.places.attempts.glob("*.status"):
            path.unlink()
        live.start()
        if has_booted:
            assert live.done(run_id).status.cause is Cause.HOST_CRASH
        else:
            run = until(lambda live=live, id=run_id: (r := live.see(id)).attempt == 2 and r)
            assert (run.charged, run.lost) == (1, 0)


def test_a_reboot_after_our_own_shutdown_began_gives_the_attempt_back(daemon):
    """TRAPS, Operation: shutdown that burns an attempt."""
    live = daemon(
        '[jobrun]\nshutdown_timeout = "100ms"\n'
        '[jobs.j]\ncommand = "trap \'\' TERM; while :; do sleep 0.05; done"\ngrace = "60s"\n'
    ).start()
    run_id = live.run("j")
    pid = running_pid(live, run_id)
    live.signal(signal.SIGTERM)
    live.in_state(run_id, "stopping")
    reboot(live, pid)
    live.start()
    run = live.in_state(run_id, "running")
    assert (run.attempt, run.charged, run.lost) == (2, 1, 0)
    assert attempts(live, run_id)[0] == (Outcome.CANCELLED, Cause.SHUTDOWN)


@pytest.mark.parametrize("times", [2])
def test_reboot_jobs_run_once_a_boot_whatever_the_daemon_does(daemon, times):
    live = daemon('[jobs.boot]\ncron = "@reboot"\ncommand = "true"\n').start()
    for boot in range(1, times + 1):
        until(lambda boot=boot: len([run for run in live.runs("boot") if not run.is_live]) == boot)
        live.kill()
        live.start()
        live.client.call("reload")
        assert len(live.runs("boot")) == boot
        reboot(live)
        live.start()
    until(lambda: len(live.runs("boot")) == times + 1)
    slots = [run.slot.scheduled_at for run in live.runs("boot")]
    assert len(set(slots)) == times + 1
