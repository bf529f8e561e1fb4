"""Warm workers under the real daemon: who makes which call, and what a worker's end costs."""

import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
from daemon.workerlive import WorkerDaemon, stop_process, worker_daemon
from live import is_running, until

from jobrun.domain.run import Cause, Outcome

JOBS = """
[jobs.add]
python = "tasks:add"
args = [1, 2]
overlap = "allow"

[jobs.who]
python = "tasks:whoami"
overlap = "allow"

[jobs.hold]
python = "tasks:hold"
args = ["{gate}"]
overlap = "allow"

[jobs.fresh]
python = "tasks:whoami"
isolation = "fresh"
"""


@pytest.fixture
def workers(daemon):
    return worker_daemon(daemon, JOBS).start()


def outcome(run):
    return run.status.outcome, run.status.cause


def pid_of(workers, run):
    return int(workers.printed(run.id))


def test_a_result_is_kept_with_its_run(workers):
    run = workers.run("add")
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert workers.result(run.id) == "3"
    assert run.status.exit_code == 0


def test_one_worker_makes_call_after_call(workers):
    pids = {pid_of(workers, workers.run("who")) for _ in range(3)}
    assert len(pids) == 1
    (seen,) = workers.workers()
    assert (seen["pid"], seen["state"], seen["runs_done"]) == (*pids, "idle", 3)
    assert seen["rss"] > 1 << 20


def test_a_fresh_job_has_a_process_a_run(workers):
    pids = {pid_of(workers, workers.run("fresh")) for _ in range(2)}
    assert len(pids) == 2
    assert workers.workers() == []


def test_no_file_of_an_ended_call_stays(workers):
    for _ in range(3):
        workers.run("who")
    (seen,) = workers.workers()
    left = {path.name for path in workers.live.places.attempts.iterdir()}
    own = {f"0.{seen['worker']}.status", f"0.{seen['worker']}.out", f"0.{seen['worker']}.spare1"}
    assert {name for name in left - own if not name.endswith(".out")} == set()


def test_two_calls_at_once_have_two_workers(daemon):
    workers = worker_daemon(daemon, "[pools.default]\nmax = 2\n" + JOBS).start()
    first, second, third = (workers.live.run("hold") for _ in range(3))
    pids = {workers.pid_in(first), workers.pid_in(second)}
    assert len(pids) == 2
    assert workers.live.see(third).state == "queued"
    workers.gate.touch()
    for run_id in (first, second, third):
        assert workers.live.done(run_id).status.outcome is Outcome.SUCCEEDED
    assert workers.pid_in(third) in pids


def test_calls_of_another_kind_get_another_worker_and_the_pool_stays_small(daemon):
    workers = worker_daemon(
        daemon,
        "[pools.default]\nmax = 1\n" + JOBS + '[jobs.other]\nextends = "x"\n[templates.x]\n'
        'python = "tasks:whoami"\nenv = { COLOUR = "red" }\n',
    ).start()
    one = pid_of(workers, workers.run("who"))
    two = pid_of(workers, workers.run("other"))
    assert one != two
    workers.gone(one)
    assert len(workers.workers()) == 1


def test_a_killed_worker_costs_its_own_run_only(workers):
    first, second = workers.live.run("hold"), workers.live.run("hold")
    pid = workers.pid_in(first)
    workers.pid_in(second)
    os.kill(pid, signal.SIGKILL)
    run = workers.live.done(first)
    assert outcome(run) == (Outcome.FAILED, Cause.SIGNAL)
    assert run.status.signal == signal.SIGKILL
    assert workers.live.see(second).state == "running"
    workers.gate.touch()
    assert workers.live.done(second).status.outcome is Outcome.SUCCEEDED
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('python = "tasks:leave"\nargs = [7]', (Outcome.FAILED, Cause.EXIT_CODE, 7, None)),
        ('python = "tasks:leave"\nargs = [0]', (Outcome.SUCCEEDED, None, 0, None)),
        ('python = "tasks:quit"\nargs = [5]', (Outcome.FAILED, Cause.EXIT_CODE, 5, None)),
        ('python = "tasks:kill_self"\nargs = [11]', (Outcome.FAILED, Cause.SIGNAL, None, 11)),
        ('python = "tasks:kill_self"\nargs = [9]', (Outcome.FAILED, Cause.SIGNAL, None, 9)),
        ('python = "tasks:fail"', (Outcome.FAILED, Cause.EXCEPTION, 1, None)),
        ('python = "tasks:missing"', (Outcome.FAILED, Cause.EXCEPTION, 2, None)),
        ('python = "nowhere:f"', (Outcome.FAILED, Cause.EXCEPTION, 2, None)),
    ],
)
def test_every_way_to_end(daemon, call, expected):
    workers = worker_daemon(daemon, f"[jobs.j]\n{call}\n" + JOBS).start()
    run = workers.run("j")
    status = run.status
    assert (status.outcome, status.cause, status.exit_code, status.signal) == expected
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED


def test_a_worker_is_replaced_after_its_number_of_calls(daemon):
    workers = worker_daemon(daemon, "[pools.default]\nmax = 1\nmax_runs_per_worker = 2\n" + JOBS).start()
    pids = [pid_of(workers, workers.run("who")) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    workers.gone(pids[0])


def test_idle_workers_end_down_to_the_least_number(daemon):
    workers = worker_daemon(daemon, '[pools.default]\nmin = 1\nmax = 3\nidle = "100ms"\n' + JOBS).start()
    until(lambda: [w["state"] for w in workers.workers()] == ["idle"], "one worker to be there by itself")
    runs = [workers.live.run("hold") for _ in range(3)]
    for run_id in runs:
        workers.pid_in(run_id)
    assert len(workers.workers()) == 3
    workers.gate.touch()
    until(lambda: len(workers.workers()) == 1, "the pool to shrink")
    assert workers.workers()[0]["state"] == "idle"


def test_an_old_worker_is_replaced(daemon):
    workers = worker_daemon(daemon, '[pools.default]\nmax_age = "200ms"\n' + JOBS).start()
    first = pid_of(workers, workers.run("who"))
    workers.gone(first)
    assert pid_of(workers, workers.run("who")) != first


def test_a_worker_that_grew_is_replaced_after_its_call(daemon):
    workers = worker_daemon(
        daemon,
        '[pools.default]\nmax = 1\nmax_memory_per_worker = "100M"\n[jobs.eat]\npython = "tasks:eat"\n'
        'args = [150, "{gate}"]\n' + JOBS,
    ).start()
    run_id = workers.live.run("eat")
    pid = workers.pid_in(run_id)
    until(lambda: "worker.retired" in workers.live.log(), "the worker to be seen as too large")
    assert is_running(pid)
    workers.gate.touch()
    assert workers.live.done(run_id).status.outcome is Outcome.SUCCEEDED
    workers.gone(pid)
    assert pid_of(workers, workers.run("who")) != pid


def test_a_worker_that_takes_too_much_is_killed_in_its_call(daemon):
    workers = worker_daemon(
        daemon,
        '[pools.default]\nhard_memory_per_worker = "100M"\n[jobs.eat]\npython = "tasks:eat"\n'
        'args = [200, "{gate}"]\n' + JOBS,
    ).start()
    run = workers.run("eat")
    assert outcome(run) == (Outcome.FAILED, Cause.OOM)
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED


def test_a_changed_module_is_loaded_anew(workers):
    first = pid_of(workers, workers.run("who"))
    module = workers.code / "tasks.py"
    module.write_text(module.read_text().replace("print(os.getpid()", "print(os.getpid() * 10 + 1"))
    second = until(lambda: (run := workers.run("who")) and int(workers.printed(run.id)) % 10 == 1 and run)
    assert pid_of(workers, second) // 10 != first
    assert second.attempt == 1


def test_a_reload_replaces_the_workers(workers):
    first = pid_of(workers, workers.run("who"))
    workers.live.client.call("reload")
    workers.gone(first)
    assert pid_of(workers, workers.run("who")) != first


def test_a_hook_that_fails_is_said(daemon):
    workers = worker_daemon(daemon, '[pools.default]\non_worker_start = "tasks:fail"\n' + JOBS).start()
    run = workers.run("add")
    assert outcome(run) == (Outcome.FAILED, Cause.SPAWN)
    assert "could not start" in run.status.detail
    assert "no good" in run.status.detail


def test_a_hook_that_fails_does_not_start_worker_after_worker(daemon):
    workers = worker_daemon(
        daemon, '[pools.default]\nmin = 1\non_worker_start = "tasks:fail"\n' + JOBS
    ).start()
    until(lambda: workers.live.log().count("worker.failed") >= 2, "a second try")
    lines = [line for line in workers.live.log().splitlines() if "worker.failed" in line]
    first, second = (datetime.fromisoformat(" ".join(line.split()[:2])) for line in lines[:2])
    assert (second - first).total_seconds() >= 1


def test_hooks_run_once_a_worker(daemon):
    workers = worker_daemon(
        daemon,
        '[pools.default]\nmax = 1\non_worker_start = "hooks:begin"\non_worker_stop = "hooks:end"\n' + JOBS,
    )
    notes = workers.live.directory / "notes"
    (workers.code / "hooks.py").write_text(
        f"def note(word):\n    with open({str(notes)!r}, 'a') as file: print(word, file=file)\n"
        "def begin(): note('begin')\ndef end(): note('end')\n"
    )
    workers.start()
    workers.run("add")
    workers.run("add")
    assert notes.read_text() == "begin\n"
    workers.live.client.call("reload")
    until(lambda: notes.read_text() == "begin\nend\n", "the worker to say goodbye")
    workers.run("add")
    assert workers.live.stop() == 0
    assert notes.read_text() == "begin\nend\nbegin\nend\n"


def test_an_interpreter_that_is_none(daemon):
    workers = worker_daemon(daemon, '[jobs.j]\npython = "tasks:add"\ninterpreter = "/bin/false"\n').start()
    run = workers.run("j")
    assert outcome(run) == (Outcome.FAILED, Cause.SPAWN)
    assert "ended at once" in run.status.detail


def test_a_stop_leaves_no_worker(workers):
    pid = pid_of(workers, workers.run("who"))
    assert workers.live.stop() == 0
    workers.gone(pid)
    assert list(Path(workers.live.places.attempts).iterdir()) == []


def test_somebody_elses_rule_says_how_many(daemon):
    workers = worker_daemon(
        daemon, '[pools.default]\nmax = 3\nidle = "1h"\nautoscaler = "scaling:policy"\n' + JOBS
    )
    wish = workers.live.directory / "wish"
    wish.write_text("2")
    (workers.code / "scaling.py").write_text(
        "import os\n"
        "def policy(backlog, busy, least, most):\n"
        "    assert 'JOBRUN_RUN_ID' not in os.environ\n"
        "    assert backlog >= 0 and busy >= 0 and (least, most) == (0, 3)\n"
        f"    return int(open({str(wish)!r}).read())\n"
    )
    workers.start()
    until(lambda: [w["state"] for w in workers.workers()] == ["idle", "idle"], "two workers to be there")
    wish.write_text("99")
    until(lambda: len(workers.workers()) == 3, "as many as there may be")
    wish.write_text("0")
    until(lambda: workers.workers() == [], "none")
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED
    wish.write_text("what")
    until(lambda: "autoscaler.failed" in workers.live.log(), "the failure to be said")
    assert "ValueError" in workers.live.log()
    assert workers.run("add").status.outcome is Outcome.SUCCEEDED
    assert workers.live.stop() == 0
    assert list(Path(workers.live.places.attempts).iterdir()) == []


def test_a_silent_call_that_is_killed_leaves_no_file(daemon):
    workers = worker_daemon(
        daemon, '[jobs.wait]\npython = "time:sleep"\nargs = [300]\noverlap = "allow"\n' + JOBS
    ).start()
    workers.run("add")
    (idle,) = workers.workers()
    os.kill(idle["pid"], signal.SIGKILL)
    workers.gone(idle["pid"])
    run_id = workers.live.run("wait")
    workers.live.in_state(run_id, "running")
    (busy,) = until(lambda: [w for w in workers.workers() if w["state"] == "busy"], "the call to begin")
    os.kill(busy["pid"], signal.SIGKILL)
    assert workers.live.done(run_id).status.signal == signal.SIGKILL
    until(lambda: list(workers.live.places.attempts.iterdir()) == [], "nothing to be left")


def test_a_worker_whose_goodbye_never_ends_is_killed(daemon):
    """It would hold its place in the pool; FAREWELL is ten seconds."""
    workers = worker_daemon(
        daemon, '[pools.default]\nmax = 1\non_worker_stop = "hooks:never"\nmax_runs_per_worker = 1\n' + JOBS
    )
    (workers.code / "hooks.py").write_text("import time\ndef never():\n    time.sleep(300)\n")
    workers.start()
    first = pid_of(workers, workers.run("who"))
    second = workers.run("who")
    assert second.status.outcome is Outcome.SUCCEEDED
    assert pid_of(workers, second) != first
    assert "worker.killed" in workers.live.log()


@pytest.mark.parametrize("path", ["{code}/a.env", "${CODE}/a.env"])
def test_a_changed_environment_file_means_another_worker(daemon, path):
    job = '[jobs.j]\npython = "os:getenv"\nargs = ["COLOUR"]\nenv_file = ["PATH"]\n'
    workers = worker_daemon(daemon, job.replace("PATH", path))
    workers.live.environ["CODE"] = str(workers.code)
    file = workers.code / "a.env"
    file.write_text("COLOUR=red\n")
    workers.start()
    assert workers.result(workers.run("j").id) == '"red"'
    file.write_text("COLOUR=green\n")
    assert workers.result(workers.run("j").id) == '"green"'


def test_large_calls_in_bulk_fit_into_their_messages(daemon):
    """Several of them are more than a message holds, those that are sent ahead more than the socket takes."""
    workers = worker_daemon(
        daemon, '[pools.default]\nmax = 1\n[jobs.size]\npython = "sizes:size"\noverlap = "allow"\n'
    )
    (workers.code / "sizes.py").write_text(
        "from jobrun.task import context\ndef size(): return len(context().data)\n"
    )
    workers.start()
    # So that they are known to be short, and are sent ahead.
    short = workers.live.client.call("run", job="size", bulk=["x"] * 100)["runs"]
    assert [workers.result(workers.live.done(run_id).id) for run_id in short] == ["1"] * 100
    (worker,) = workers.workers()
    stop_process(worker["pid"])
    sizes = [15_000] * 40 + [100, 20_000, 200_000] * 8
    runs = workers.live.client.call("run", job="size", bulk=["y" * size for size in sizes])["runs"]
    until(lambda: workers.workers()[0]["waiting"] > 1, "calls to be sent ahead")
    os.kill(worker["pid"], signal.SIGCONT)
    done = [workers.live.done(run_id) for run_id in runs]
    assert [workers.result(run.id) for run in done] == [str(size) for size in sizes]
    assert {run.status.outcome for run in done} == {Outcome.SUCCEEDED}
    until(lambda: not list(workers.live.places.attempts.glob("*.call")), "the large ones to be read away")


def test_a_short_call_is_told_of_once_and_one_that_takes_longer_is_seen_running(daemon):
    workers = worker_daemon(
        daemon,
        '[jobs.mixed]\npython = "tasks:mixed"\nargs = ["{code}/marks", "{code}/flag", "{gate}"]\n',
    ).start()
    first = workers.run("mixed").id

    told_once: list[int] = []

    def is_told_of_once() -> bool:
        run_id = workers.run("mixed").id
        # The log says it after the history does, and lines of one run come in their order.
        until(lambda: run_id in logged(workers, "run.done"), "its end in the log")
        if run_id in logged(workers, "run.running"):
            return False
        told_once.append(run_id)
        return True

    until(is_told_of_once, "its calls to be known as short")
    (second,) = told_once
    (workers.code / "flag").write_text("")
    third = workers.live.run("mixed")
    workers.live.in_state(third, "running")
    workers.gate.touch()
    assert workers.live.done(third).status.outcome is Outcome.SUCCEEDED
    # Nothing is known of the first one, so it is told of at once.
    assert {first, second, third} & logged(workers, "run.running") == {first, third}
    (attempt,) = workers.live.history.attempts(second)
    assert attempt.started_at is not None
    assert attempt.started_at <= attempt.end.ended_at


def logged(workers: WorkerDaemon, event: str) -> set[int]:
    """The runs of which the log says this."""
    lines = [line.split() for line in workers.live.log().splitlines() if event in line]
    return {int(word.removeprefix("run=")) for words in lines for word in words if word.startswith("run=")}


def test_a_run_that_waits_for_a_worker_is_said_to(daemon):
    workers = worker_daemon(daemon, "[pools.default]\nmax = 1\n" + JOBS).start()
    first = workers.live.run("hold")
    workers.pid_in(first)
    workers.live.run("hold")
    words = "waits for a worker of pool default (1 of 1 at work)"
    assert words in workers.live.cli("status").stdout
    told = workers.live.cli("why", "hold", "--last").stdout
    assert words.replace("waits", "waits:") in told
    workers.gate.touch()


HOOK = """
import os, time

def start():
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
"""


def test_a_run_whose_worker_does_not_get_ready_is_said_to_wait_for_it(daemon):
    workers = worker_daemon(
        daemon,
        '[pools.default]\nmax = 1\non_worker_start = "hooks:start"\n[defaults.env]\nGATE = "{gate}"\n' + JOBS,
    )
    (workers.code / "hooks.py").write_text(HOOK)
    workers.start()
    run_id = workers.live.run("add")
    words = "waits for a worker of pool default that is starting (imports, on_worker_start)"
    until(lambda: words in workers.live.cli("status").stdout, "status to say so")
    assert f"is starting: it {words}" in workers.live.cli("why", "add", "--last").stdout
    until(lambda: "worker.late" in workers.live.log(), "a warning")
    assert workers.live.see(run_id).state == "starting"
    workers.gate.touch()
    assert workers.live.done(run_id).status.outcome is Outcome.SUCCEEDED


@pytest.fixture
def thinking(daemon):
    """A pool whose rule for the number of workers never answers; and the pids of those that were asked."""
    workers = worker_daemon(daemon, '[pools.default]\nautoscaler = "scaling:policy"\n' + JOBS)
    asked = workers.live.directory / "asked"
    asked.touch()
    (workers.code / "scaling.py").write_text(
        "import os, time\n"
        "def policy(backlog, busy, least, most):\n"
        f"    with open({str(asked)!r}, 'a') as file:\n"
        "        print(os.getpid(), file=file)\n"
        "    time.sleep(300)\n"
    )
    return workers.start(), lambda: [int(pid) for pid in asked.read_text().split()]


def test_a_reload_ends_a_rule_that_never_answers(thinking):
    workers, asked = thinking
    first = until(asked, "the rule to be asked")
    workers.live.client.call("reload")
    until(lambda: asked() > first, "another process to be asked")
    workers.gone(*first)


def test_a_rule_that_never_answers_ends_with_its_daemons_successor(thinking):
    workers, asked = thinking
    first = until(asked, "the rule to be asked")
    workers.live.kill()
    assert is_running(first[0])
    workers.start()
    workers.gone(*first)
    assert "its daemon has died" in workers.live.log()
