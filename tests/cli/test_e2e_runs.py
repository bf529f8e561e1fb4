"""Commands against the real daemon: start, wait, follow, cancel, retry, pause, reload, stop."""

import json
import os
import signal
import subprocess
from collections.abc import Callable

from live import LiveDaemon, is_running, until

Make = Callable[..., LiveDaemon]

JOBS = """
[jobs.good]
command = "echo fine"
[jobs.bad]
command = "echo broken >&2; exit 3"
[jobs.flaky]
command = 'echo "attempt $JOBRUN_ATTEMPT"; test "$JOBRUN_ATTEMPT" = 2'
attempts = 2
delay = "100ms"
[jobs.long]
command = "echo begun; exec sleep 600"
grace = "1s"
[jobs.show_env]
command = 'echo "$COLOUR"'
[jobs.nightly]
cron = "0 3 * * *"
command = "true"
"""


def answer(live: LiveDaemon, *words: str, check: int | None = 0) -> dict:
    return json.loads(live.cli(*words, "--json", check=check).stdout)


def test_run_and_wait(daemon: Make) -> None:
    live = daemon(JOBS).start()
    assert live.cli("run", "good", "--wait").stdout == "Run 1 of good succeeded.\n"
    assert live.cli("run", "bad", "--wait", check=1).stdout == "Run 2 of bad failed: exit code 3.\n"
    told = answer(live, "run", "bad", "--wait", check=1)
    assert [end["exit_code"] for end in told["runs"]] == [3]
    assert answer(live, "wait", "1", "2", check=1)["runs"][0]["outcome"] == "succeeded"
    assert live.cli("run", "nothing", check=5).stderr.startswith('jobrun: There is no job "nothing".')


def test_follow_prints_all_attempts_and_returns_the_verdict(daemon: Make) -> None:
    live = daemon(JOBS).start()
    done = live.cli("run", "flaky", "--follow")
    assert done.stdout == "attempt 1\nattempt 2\n"
    assert done.stderr.splitlines()[-1] == "Run 1 of flaky succeeded."


def test_env_and_later(daemon: Make) -> None:
    live = daemon(JOBS).start()
    assert live.cli("run", "show_env", "-f", "-e", "COLOUR=blue").stdout == "blue\n"
    told = answer(live, "run", "good", "--in", "1h")
    assert told["state"] == "delayed"
    assert "starts at" in live.cli("run", "bad", "--at", "tomorrow 03:00").stdout
    assert f"Cancelled run {told['run']}." in live.cli("cancel", str(told["run"])).stdout


def test_submit_runs_here_and_is_recorded(daemon: Make) -> None:
    live = daemon(JOBS).start()
    done = live.cli("submit", "-f", "--", "pwd", cwd=str(live.directory))
    assert done.stdout == f"{live.directory}\n"
    shell = live.cli("submit", "--name", "two", "-f", "--", "echo a | tr a b")
    assert shell.stdout == "b\n"
    assert [row["job"] for row in answer(live, "history")["runs"]] == ["submit:two", "submit:pwd"]
    assert live.cli("submit", "-w", "--timeout", "soon", "--", "true", check=2).stderr.startswith("jobrun: ")
    assert live.cli("submit", "-w", "--", "/no/such/program", check=1).stdout.startswith("Run 3 of ")


def test_cancel_ends_the_tree_and_says_what_was_over(daemon: Make) -> None:
    live = daemon(JOBS).start()
    run = answer(live, "run", "long")["run"]
    live.in_state(run, "running")
    assert live.cli("cancel", "long").stdout == f"Cancelled run {run}.\n"
    ended = live.cli("wait", str(run), check=1).stdout
    assert ended.startswith(f"Run {run} of long was cancelled")
    assert answer(live, "cancel", str(run)) == {"cancelled": [], "already_done": [run]}


def test_retry(daemon: Make) -> None:
    live = daemon(JOBS).start()
    live.cli("run", "bad", "--wait", check=1)
    assert live.cli("retry", "1").stdout == "Run 1 again as run 2.\n"
    live.done(2)
    assert answer(live, "retry", "--failed", "--since", "1h") == {
        "retried": [{"run": 2, "new": 3, "job": "bad"}]
    }
    live.done(3)
    assert answer(live, "show", "3")["retry_of"] == 2


def test_a_paused_job_and_queue(daemon: Make) -> None:
    live = daemon(JOBS).start()
    live.cli("pause", "nightly", "--reason", "holiday")
    live.cli("pause", "--queue", "default")
    status = live.cli("status").stdout
    assert "Queue default is paused by" in status
    assert "holiday" in status
    run = answer(live, "run", "good")["run"]
    assert answer(live, "wait", str(run), "--timeout", "200ms", check=1)["timed_out"]
    assert live.cli("resume", "nightly", "--queue", "default").stdout.count("Resumed") == 2
    again = live.cli("resume", "nightly")
    assert (again.stdout, again.stderr) == ("", "Job nightly was not paused.\n")
    live.done(run)
    assert live.cli("pause", "nothing", check=5).stderr.startswith('jobrun: There is no job "nothing".')


def test_add_reload_remove_under_a_running_daemon(daemon: Make) -> None:
    live = daemon(JOBS).start()
    added = live.cli("add", "extra", "--cron", "@daily", "--timeout", "5m", "--", "echo", "two words")
    assert "the daemon has read it" in added.stdout
    assert answer(live, "show", "extra")["command"] == "echo 'two words'"
    assert live.cli("run", "extra", "-f").stdout == "two words\n"
    assert live.cli("show", "extra", "--resolved").stdout.count("extra.toml") >= 3
    assert live.cli("add", "extra", "--", "true", check=5).stderr.startswith("jobrun: There is a job")
    assert live.cli("add", "bad/name", "--", "true", check=2).stderr.startswith("jobrun: ")
    live.cli("remove", "extra")
    assert live.cli("run", "extra", check=5).stderr.startswith('jobrun: There is no job "extra"')
    by_hand = live.cli("remove", "good", check=5)
    assert "jobs.toml:2" in by_hand.stderr

    live.config.write_text(JOBS.replace("0 3 * * *", "0 4 * * *") + '[jobs.new]\ncommand = "true"\n')
    plan = answer(live, "reload", "--dry-run")
    assert (plan["applied"], [item["job"] for item in plan["added"]]) == (False, ["new"])
    assert [item["job"] for item in plan["changed"]] == ["nightly"]
    text = live.cli("reload").stdout
    assert "added    new" in text
    assert "changed  nightly: schedules (next " in text
    live.config.write_text("[jobs.new]\ncomand = 1\n")
    broken = live.cli("reload", check=4)
    assert 'unknown key "comand"' in broken.stderr
    assert live.cli("run", "good", "--wait").returncode == 0


def test_remove_and_add_say_what_became_of_the_file(daemon: Make) -> None:
    live = daemon(JOBS).start()
    live.cli("add", "extra", "--", "true")
    folder = live.config.parent / "jobs.d"
    (folder / "other.toml").write_text("[jobs.o]\n")
    refused = live.cli("remove", "extra", check=4).stderr
    assert (
        f"Nothing was removed, for no daemon could read the rest: the job file {folder}/other.toml" in refused
    )
    assert (folder / "extra.toml").exists()
    (folder / "extra.toml").write_text((folder / "extra.toml").read_text() + "comand = 1\n")
    half = live.cli("remove", "extra", check=4).stderr
    assert "The job's file is changed, but the daemon goes on by what it read before: The job file" in half
    assert "other.toml:1" in half
    assert not (folder / "extra.toml").exists()
    (folder / "other.toml").unlink()
    live.signal(signal.SIGSTOP)
    late = live.cli("add", "more", "--", "true", check=3).stderr
    live.signal(signal.SIGCONT)
    assert late.startswith(
        "jobrun: The job's file is changed, but the daemon may not have read it: The daemon"
    )


def test_a_job_that_no_daemon_has_read_has_no_history_and_says_so(daemon: Make) -> None:
    """Every command knows it, as `list` and `next` do."""
    live = daemon('[jobs.old]\nevery = "1h"\ncommand = "true"\n')
    live.cli("add", "new", "--every", "2h", "--", "true")
    for has_run in (False, True):
        if has_run:
            live.start().stop()
            live.cli("remove", "new")
            live.cli("add", "later", "--every", "2h", "--", "true")
        name = "later" if has_run else "new"
        status = live.cli("status", name).stdout
        assert f"job         {name}" in status
        assert "No daemon has read this job yet, so it has no history." in status
        assert answer(live, "status", name)["jobs"][0]["next_at"]
        assert answer(live, "history", name) == {"runs": []}
        assert "no history" in live.cli("history", name).stderr
        assert "no daemon has r" in live.cli("logs", name, check=5).stderr
        assert answer(live, "why", name)["after"]["verdict"] == "will_run"
    assert 'Did you mean "later"?' in live.cli("history", "latr", check=5).stderr
    assert 'Did you mean "later"?' in live.cli("status", "latr", check=5).stderr
    live.config.write_text('[jobs.old]\nevery = "3h"\ncommand = "true"\n')
    told = answer(live, "why", "old")
    assert (told["after"]["schedule"], told["after"]["verdict"]) == ("every 3h", "will_run")


def test_python_jobs_by_add(daemon: Make) -> None:
    live = daemon(JOBS).start()
    live.cli("add", "call", "--python", "builtins:print", "--arg", '"x"', "--arg", "[1]", "--kwarg", "sep=-")
    assert live.cli("run", "call", "-f").stdout == "x-[1]\n"


def test_status_tells_of_the_daemon_and_live_runs(daemon: Make) -> None:
    live = daemon(JOBS).start()
    run = answer(live, "run", "long")["run"]
    live.in_state(run, "running")
    first = live.cli("status").stdout.splitlines()[0]
    assert first.startswith("The daemon is running since ")
    assert first.endswith(": 1 running, 0 queued, 0 delayed.")
    told = answer(live, "status")
    assert told["daemon"]["running"]
    assert told["daemon"]["store"] == "ok"
    assert [row["run"] for row in told["runs"]] == [run]
    assert answer(live, "status", "long")["counts"]["running"] == 1


def test_following_goes_on_over_a_daemon_that_dies(daemon: Make) -> None:
    """The job outlives the daemon, and so does `logs -f`."""
    live = daemon(
        JOBS + '[jobs.slow]\ncommand = "echo one; sleep 1; echo two; sleep 2; echo three"\n'
    ).start()
    run = answer(live, "run", "slow")["run"]
    live.in_state(run, "running")
    child = subprocess.Popen(
        live.command("logs", "-f", str(run)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=live.environ,
    )
    waiting = subprocess.Popen(live.command("wait", str(run)), stdout=subprocess.PIPE, env=live.environ)
    assert child.stdout is not None
    assert child.stdout.readline() == b"one\n"
    live.kill()
    assert child.stdout.readline() == b"two\n"
    live.start()
    out, _ = child.communicate(timeout=60)
    assert out == b"three\n"
    waited, _ = waiting.communicate(timeout=60)
    assert waited.startswith(f"Run {run} of slow succeeded".encode())


def test_stop_can_kill_jobs_and_gives_their_attempt_back(daemon: Make) -> None:
    live = daemon('[jobs.long]\ncommand = "sleep 300"\n').start()
    run_id = live.run("long")
    process = live.in_state(run_id, "running").status.process
    assert "contradict" in live.cli("stop", "--kill-jobs", "--mode", "leave", check=2).stderr
    live.cli("stop", "--kill-jobs")
    assert not is_running(process.pid)
    assert live.see(run_id).state == "queued"
    assert "0/1 +1" in live.cli("history").stdout
    live.start()
    live.in_state(run_id, "running")
    for words in (("status",), ("history",), ("history", "long")):
        assert "1/1 +1" in live.cli(*words).stdout
    assert "attempts          1/1 +1 (1 given back)" in live.cli("show", str(run_id)).stdout


def test_status_of_a_daemon_that_stops_tells_no_wrong_time(daemon: Make) -> None:
    live = daemon(JOBS).start()
    live.in_state(live.run("long"), "running")
    live.signal(signal.SIGTERM)
    until(lambda: answer(live, "status")["daemon"]["stopping"], "the daemon to stop")
    assert live.cli("status").stdout.startswith(f"The daemon is stopping (pid {live.process.pid}): 1 running")


def test_stop_waits_for_the_end(daemon: Make) -> None:
    live = daemon(JOBS).start()
    assert live.cli("stop").stdout == "The daemon has stopped.\n"
    assert live.wait() == 0
    assert live.cli("status").stdout.startswith("The daemon is not running.\n")
    assert live.cli("stop", check=3).stderr.startswith("jobrun: No daemon answers")


def test_with_the_daemon_down_the_job_file_is_what_counts(daemon: Make) -> None:
    live = daemon(JOBS)
    assert [row["job"] for row in answer(live, "list")["jobs"]][:2] == ["bad", "flaky"]
    live.cli("add", "later", "--every", "1h", "--", "true")
    assert "later" in live.cli("list").stdout
    assert answer(live, "next", "later", "-n", "2")["next"][0]["schedule"] == "every 1h"
    live.config.write_text("[jobs.x]\n")
    assert f"{live.config} has 1 problem" in live.cli("list", check=4).stderr, "nothing else to tell of"
    live.config.write_text(JOBS)
    live.start().stop()
    broken = live.config.parent / "jobs.d" / "broken.toml"
    broken.write_text("[jobs.x]\n")
    listed = live.cli("list")
    assert f"{broken} has 1 problem (see `jobrun check`); this is what the daemon read last" in listed.stderr
    assert "nightly" in listed.stdout


def test_interrupting_a_wait_leaves_the_run_alone(daemon: Make) -> None:
    live = daemon(JOBS).start()
    child = subprocess.Popen(
        live.command("run", "long", "--follow"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=live.environ,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(30) == 130
    assert child.communicate()[1] == b""
    assert live.in_state(1, "running")


def test_a_second_daemon_is_told_which_one_is_there(daemon: Make) -> None:
    live = daemon(JOBS).start()
    done = live.cli("daemon", check=5)
    assert "Another daemon" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_database_is_set_aside_only_on_request(daemon: Make) -> None:
    live = daemon(JOBS)
    live.state.mkdir()
    live.places.database.write_bytes(b"this is not a database, not at all" * 100)
    refused = live.cli("daemon", check=1)
    assert "--set-aside-corrupt" in refused.stderr
    live.start("--set-aside-corrupt")
    assert "set aside as" in live.log()
    assert len(list(live.state.glob("jobrun.db.corrupt-*"))) == 1
    until(lambda: live.cli("status").stdout.startswith("The daemon is running"))
