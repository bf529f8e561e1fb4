"""Python jobs under the real daemon, seen from the command line: workers, results, data, what jobs say."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live import LiveDaemon, until

CODE = """
import os, time
def wait(gate):
    from jobrun.task import progress
    progress(3, 12, state="waiting", gate=gate)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return {"pid": os.getpid()}
def fail():
    raise ConnectionError("no route")
def echo():
    from jobrun.task import context
    return context().data
"""

JOBS = """
[defaults]
python_path = ["code"]
overlap = "allow"
[jobs.wait]
python = "tasks:wait"
args = ["{gate}"]
[jobs.fail]
python = "tasks:fail"
[jobs.echo]
python = "tasks:echo"
data = {{ own = true }}
[jobs.one]
python = "tasks:echo"
overlap = "skip"
[jobs.gpu]
python = "tasks:echo"
pool = "gpu"
[jobs.shell]
command = '''
jobrun progress --of 1/4 --state pack && jobrun checkpoint save notes --step 1 --meta k=v
jobrun checkpoint list; echo '{{"from": "'"$(jobrun checkpoint latest)"'"}}' > $JOBRUN_RESULT
'''
checkpoint = true
cwd = "code"
[jobs.again]
command = 'test "$JOBRUN_ATTEMPT" = 2 || {{ jobrun retry-me --in 100ms; exit 75; }}'
attempts = 2
delay = "10m"
[jobs.resumed]
command = 'jobrun checkpoint latest'
checkpoint = true
"""


@pytest.fixture
def live(daemon: Callable[..., LiveDaemon], tmp_path: Path) -> LiveDaemon:
    """A daemon with Python jobs; `jobrun` is in the jobs' PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    launcher = folder / "jobrun"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobrun "$@"\n')
    launcher.chmod(0o755)
    found = daemon(
        JOBS.format(gate=tmp_path / "gate"), environ={"PATH": f"{folder}:{os.environ['PATH']}", "TZ": "UTC"}
    )
    code = found.directory / "code"
    code.mkdir()
    (code / "tasks.py").write_text(CODE)
    (code / "notes").write_text("kept")
    return found.start()


def answer(live: LiveDaemon, *words: str, check: int | None = 0) -> dict:
    return json.loads(live.cli(*words, "--json", check=check).stdout)


def test_the_workers_of_a_real_daemon(live: LiveDaemon, tmp_path: Path) -> None:
    assert "Pool gpu (1 job) has no worker now." in live.cli("workers").stdout
    run = answer(live, "run", "wait")["run"]
    live.in_state(run, "running")
    (worker,) = answer(live, "workers")["workers"]
    assert (worker["pool"], worker["state"], worker["run"], worker["job"]) == ("default", "busy", run, "wait")
    until(lambda: answer(live, "status")["runs"][0]["progress"], "the run to say how far it is")
    told = answer(live, "status", "wait")["runs"][0]["progress"]
    gate = tmp_path / "gate"
    assert (told["percent"], told["state"], told["meta"]) == (25.0, "waiting", {"gate": str(gate)})
    assert "25 % waiting" in live.cli("show", str(run)).stdout
    gate.touch()
    live.done(run)
    assert answer(live, "result", "wait")["result"] == {"pid": worker["pid"]}
    shown = answer(live, "show", str(run))
    assert shown["progress"] is None
    assert shown["attempts"][0]["progress"]["percent"] == 25.0
    until(lambda: answer(live, "workers")["workers"][0]["state"] == "idle")
    assert answer(live, "workers")["workers"][0]["runs_done"] == 1


def test_watching_workers(live: LiveDaemon) -> None:
    live.cli("run", "echo", "--wait")
    child = subprocess.Popen(
        live.command("workers", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=live.environ
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith(b"POOL")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, b"")


def test_an_exception_is_told_with_its_traceback(live: LiveDaemon) -> None:
    live.cli("run", "fail", "--wait", check=1)
    shown = live.cli("show", "1").stdout
    assert "exception         ConnectionError (see jobrun show 1 --traceback)" in shown
    trace = live.cli("show", "1", "--traceback").stdout
    assert trace.startswith("Traceback")
    assert trace.endswith("ConnectionError: no route\n")
    assert "no result" in live.cli("result", "1", check=5).stderr


def test_data_of_a_run(live: LiveDaemon) -> None:
    live.cli("run", "echo", "--data", '{"to": "ä"}', "--wait")
    assert live.cli("result", "echo").stdout == '{"to":"ä"}\n'
    live.cli("run", "echo", "--data", "null", "--wait")
    assert live.cli("result", "echo").stdout == '{"own":true}\n'
    live.cli("submit", "--python", "tasks:echo", "--data", "[1]", "-w", cwd=live.directory / "code")
    assert live.cli("result", "3").stdout == "[1]\n"


def test_bulk_comes_back_in_the_order_of_the_lines(live: LiveDaemon) -> None:
    lines = "".join(f'{{"n": {number}}}\n' for number in range(50))
    told = json.loads(live.cli("run", "echo", "--bulk", "-", "--json", input=lines).stdout)
    assert (told["job"], told["skipped"], len(told["runs"])) == ("echo", [], 50)
    for run in told["runs"]:
        live.done(run)
    results = [json.loads(live.history.result(run)) for run in told["runs"]]
    assert results == [{"n": number} for number in range(50)]
    waited = live.cli("run", "echo", "--bulk", "-", "--wait", input="1\n2\n").stdout
    assert waited == "2 of 2 runs succeeded.\n"


def test_a_bulk_that_meets_the_overlap_rule_says_so(live: LiveDaemon) -> None:
    done = live.cli("run", "one", "--bulk", "-", check=1, input="1\n2\n3\n")
    assert done.stdout == "Added 3 runs of one: 1 to 3.\nSkipped of these: 2 to 3.\n"
    assert "queue_all" in done.stderr


def test_a_shell_job_says_as_much_as_a_function(live: LiveDaemon) -> None:
    live.cli("run", "shell", "--wait")
    kept = answer(live, "checkpoint", "list", "1")["checkpoints"]
    assert [(item["step"], item["meta"]) for item in kept] == [(1, {"k": "v"})]
    assert answer(live, "result", "1")["result"] == {"from": kept[0]["path"]}
    assert answer(live, "show", "1")["attempts"][0]["progress"]["state"] == "pack"
    assert live.cli("checkpoint", "latest", "1").stdout == kept[0]["path"] + "\n"
    assert kept[0]["path"] in live.cli("logs", "1").stdout


def test_a_job_asks_for_its_own_retry(live: LiveDaemon) -> None:
    assert "succeeded" in live.cli("run", "again", "--wait").stdout
    assert answer(live, "show", "1")["attempt"] == 2


def test_a_run_resumes_from_what_it_is_told(live: LiveDaemon, tmp_path: Path) -> None:
    best = tmp_path / "best.pt"
    best.touch()
    live.cli("run", "resumed", "--resume-from", str(best), "--wait")
    assert live.cli("logs", "1").stdout == f"{best}\n"
    assert f"resume from       {best}" in live.cli("show", "1").stdout
    live.cli("run", "resumed", "--resume-from", "latest", "--wait", check=1)
    refused = live.cli("run", "again", "--resume-from", "latest", check=5)
    assert "keeps no checkpoints" in refused.stderr


def test_add_knows_the_keys_of_python_jobs(live: LiveDaemon) -> None:
    live.cli(
        *("add", "call", "--python", "tasks:echo", "--pool", "gpu", "--data", '{"a": 1}', "--checkpoint"),
        *("--retry-on", "ConnectionError", "--retry-on", "75", "--attempts", "2"),
    )
    shown = live.cli("show", "call").stdout
    assert "called in            a warm worker of pool gpu" in shown
    assert "data                 { a = 1 }" in shown
    assert 'retry_on             ["ConnectionError", "exit:75"]' in shown
    assert "checkpoint.keep" in shown
    live.cli("add", "apart", "--python", "tasks:echo", "--isolation", "fresh")
    assert "a process of its own each time" in live.cli("show", "apart").stdout
    assert live.cli("add", "bad", "--python", "a:b", "--isolation", "hot", check=2).stderr.count("warm") == 1
