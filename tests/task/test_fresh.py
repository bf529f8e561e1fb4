"""A call in a process of its own: the same calls, the same report, in files."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.task.support import WORKER, until

CALL = WORKER.parent / "call.py"
TASKS = r"""
import os, pathlib, sys, threading, time
from jobrun.task import Dead, Retry, context, result

def add(a, b): return a + b
def fail(): raise ValueError("no good")
def retry(): raise Retry(in_=5)
def leave(): sys.exit(7)
def data(): return context().data
def left():
    with open(os.environ["JOBRUN_RESULT"], "w") as file: file.write("[1]")
def large(): return "x" * 500_000
def sleep():
    pathlib.Path("ready").write_text("x"); time.sleep(60)
def thread():
    def work(): time.sleep(0.1); result("from a thread")
    threading.Thread(target=work).start()
def segfault():
    import ctypes; ctypes.string_at(0)
"""


class Fresh:
    """Starts fresh calls as the daemon does."""

    def __init__(self, home: Path, interpreter: str) -> None:
        self.home, self.interpreter = home, interpreter
        (home / "tasks.py").write_text(TASKS)

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.home / "report").read_text())

    def start(self, target: str, *args: Any, **more: Any) -> subprocess.Popen[str]:
        env = {"PATH": os.environ["PATH"], "JOBRUN_RUN_ID": "5", **more.pop("env", {})}
        call = {"target": target, "args": args, "kwargs": {}, "python_path": [], **more}
        fd = os.memfd_create("call")
        os.write(fd, json.dumps(call).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            return subprocess.Popen(
                [self.interpreter, str(CALL), str(fd)],
                pass_fds=[fd],
                env=env,
                cwd=self.home,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            os.close(fd)

    def __call__(self, target: str, *args: Any, **more: Any) -> tuple[int, str]:
        process = self.start(target, *args, **{"report": str(self.home / "report"), **more})
        output, _ = process.communicate(timeout=30)
        return process.returncode, output


@pytest.fixture
def fresh(tmp_path: Path, interpreter: str) -> Fresh:
    return Fresh(tmp_path, interpreter)


def test_a_result(fresh: Fresh):
    assert fresh("tasks:add", 1, 2) == (0, "")
    assert fresh.report == {"result": 3}
    assert sorted(path.name for path in fresh.home.iterdir() if path.is_file()) == ["report", "tasks.py"]


@pytest.mark.parametrize(
    ("target", "code", "kind"),
    [
        ("tasks:fail", 1, "ValueError"),
        ("tasks:retry", 75, "jobrun.task.Retry"),
        ("tasks:leave", 7, "SystemExit"),
        ("tasks:nothing", 2, "jobrun.BadCall"),
    ],
)
def test_errors(fresh: Fresh, target: str, code: int, kind: str):
    assert fresh(target)[0] == code
    assert fresh.report["error"]["type"] == kind
    assert fresh.report["error"]["retry_in"] == (5_000_000 if code == 75 else None)


def test_data(fresh: Fresh):
    path = str(fresh.home / "data")
    assert fresh("tasks:data", data={"a": 1}, data_file=path, env={"JOBRUN_DATA": path}) == (0, "")
    assert fresh.report == {"result": {"a": 1}}
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_result_left_by_a_child(fresh: Fresh):
    assert fresh("tasks:left", env={"JOBRUN_RESULT": str(fresh.home / "left")}) == (0, "")
    assert fresh.report == {"result": [1]}


def test_a_large_result(fresh: Fresh):
    assert fresh("tasks:large") == (0, "")
    assert len(fresh.report["result"]) == 500_000


def test_a_thread_is_part_of_the_call(fresh: Fresh):
    assert fresh("tasks:thread") == (0, "")
    assert fresh.report == {"result": "from a thread"}


def test_a_script(fresh: Fresh):
    (fresh.home / "job.py").write_text("import sys\nprint(__name__, sys.argv[1:])\nsys.exit(4)\n")
    assert fresh("job.py", "a", 1) == (4, "__main__ ['a', '1']\n")


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, "Stopped"), (signal.SIGUSR2, "SoftTimeout")])
def test_signals_are_exceptions(fresh: Fresh, number: int, kind: str):
    report = str(fresh.home / "report")
    soft = {"signal": int(signal.SIGUSR2), "after": None}
    process = fresh.start("tasks:sleep", report=report, soft=soft)
    until((fresh.home / "ready").exists, "the job to sleep")
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert fresh.report["error"]["type"] == f"jobrun.task.{kind}"
    assert f"jobrun.task.{kind}: " in output


def test_its_own_timer(fresh: Fresh):
    assert fresh("tasks:sleep", soft={"signal": None, "after": 0.1})[0] == 1
    assert fresh.report["error"]["type"] == "jobrun.task.SoftTimeout"


def test_a_crash_shows_the_python_stack(fresh: Fresh):
    code, output = fresh("tasks:segfault")
    assert code == -signal.SIGSEGV
    assert "in segfault" in output


def test_a_report_that_cannot_be_written_is_remarked_upon(fresh: Fresh):
    code, output = fresh("tasks:add", 1, 2, report="/nowhere/report")
    assert code == 0
    assert output.startswith("jobrun: the result is not kept (")
