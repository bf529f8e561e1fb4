"""Python bodies: the call file's meaning, in this and in an old interpreter."""

import sys
from pathlib import Path

import pytest

from jobrun.domain.job import PythonCall
from jobrun.domain.report import Report
from jobrun.proc.spawn import SpawnRefused
from jobrun.proc.spool import read_said
from tests.proc.support import Rig, wait_exit

OLD = sorted(Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python3.9"))
INTERPRETERS = [sys.executable, *map(str, OLD[-1:])]

TASKS = """
import asyncio, os, sys

def add(a, b=0): print(a + b)
async def wait(value): await asyncio.sleep(0.01); print("waited", value); return {"value": value}
def leave(code): raise SystemExit(code)
def fail(): raise ValueError("no good")
def odd(): return object()
def nan(): return float("nan")
def where(): print(os.getcwd(), sys.path[0], sys.path[1], sys.argv)
def inputs(): print(repr(sys.stdin.read()))
def kill_self(): os.kill(os.getpid(), 9)
class Group:
    @staticmethod
    def deep(): print("deep")
number = 3
"""


@pytest.fixture(params=INTERPRETERS, ids=lambda path: Path(path).name)
def calls(rig: Rig, request: pytest.FixtureRequest) -> "Calls":
    rig.path("tasks.py").write_text(TASKS)
    return Calls(rig, None if request.param == sys.executable else request.param)


class Calls:
    def __init__(self, rig: Rig, interpreter: str | None) -> None:
        self.rig, self.interpreter = rig, interpreter
        self.report: Report | None = None

    def __call__(
        self,
        target: str,
        *args: object,
        path: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        **kwargs: object,
    ) -> tuple[int | None, str]:
        body = PythonCall(target, args, kwargs, self.interpreter, path)
        child, spec = self.rig.start(self.rig.job(body, env=env or {}))
        exit = wait_exit(child)
        self.report = read_said(spec.files)
        return exit.exit_code, spec.files.out.read_text()


def test_arguments(calls: Calls) -> None:
    assert calls("tasks:add", 1, b=2) == (0, "3\n")
    assert calls("tasks:add", "ü\n", b="x" * 200_000) == (0, "ü\n" + "x" * 200_000 + "\n")


def test_coroutines(calls: Calls) -> None:
    assert calls("tasks:wait", "x") == (0, "waited x\n")


def test_attribute_path(calls: Calls) -> None:
    assert calls("tasks:Group.deep") == (0, "deep\n")


@pytest.mark.parametrize(("code", "status"), [(0, 0), (7, 7), (None, 0), (255, 255)])
def test_system_exit(calls: Calls, code: object, status: int) -> None:
    assert calls("tasks:leave", code) == (status, "")


def test_system_exit_with_words(calls: Calls) -> None:
    assert calls("tasks:leave", "went wrong") == (1, "went wrong\n")


def test_an_exception_shows_the_jobs_own_frames(calls: Calls) -> None:
    code, output = calls("tasks:fail")
    assert code == 1
    assert output.startswith("Traceback (most recent call last):\n  File")
    assert output.endswith("ValueError: no good\n")
    assert "call.py" not in output


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nowhere:f", 'jobrun: there is no module "nowhere"'),
        ("tasks.sub:f", 'jobrun: there is no module "tasks.sub"'),
        ("tasks:nothing", 'jobrun: module "tasks" has no "nothing"'),
        ("tasks:Group.nothing", 'jobrun: module "tasks" has no "Group.nothing"'),
        ("tasks:number", 'jobrun: "tasks:number" cannot be called'),
        ("tasks", 'jobrun: "tasks" does not name a function'),
    ],
)
def test_nothing_to_call_is_one_line(calls: Calls, target: str, sentence: str) -> None:
    code, output = calls(target)
    assert code == 2
    assert output.startswith(sentence)
    assert output.count("\n") == 1


def test_a_missing_import_inside_the_module_is_shown(calls: Calls) -> None:
    calls.rig.path("broken.py").write_text("import not_there_at_all\n")
    code, output = calls("broken:f")
    assert code == 1
    assert 'broken.py", line 1' in output
    assert "not_there_at_all" in output


def test_wrong_arguments(calls: Calls) -> None:
    code, output = calls("tasks:add")
    assert code == 1
    assert "TypeError" in output


def test_cwd_is_first_on_the_path(calls: Calls) -> None:
    home = calls.rig.home
    code, output = calls("tasks:where", path=("lib",))
    assert (code, output) == (0, f"{home} {home} {home}/lib ['tasks:where']\n")


def test_python_path(calls: Calls) -> None:
    calls.rig.path("lib").mkdir()
    calls.rig.path("lib/inner.py").write_text("def f(): print('inner')\n")
    assert calls("inner:f", path=("lib",)) == (0, "inner\n")
    assert calls("inner:f", path=("${HOME}/lib",)) == (0, "inner\n")
    assert calls("inner:f")[0] == 2


def test_our_own_directory_shadows_nothing(calls: Calls) -> None:
    """call.py lies beside other modules of ours; a job's `call` is the job's."""
    calls.rig.path("call.py").write_text("def f(): print('the job’s')\n")
    assert calls("call:f", env={"PYTHONIOENCODING": "utf-8"}) == (0, "the job’s\n")


def test_result(calls: Calls) -> None:
    assert calls("tasks:wait", 5)[0] == 0
    assert calls.report is not None
    assert calls.report.result == '{"value":5}'


@pytest.mark.parametrize("target", ["tasks:odd", "tasks:nan"])
def test_a_result_that_is_not_json_fails_the_run(calls: Calls, target: str) -> None:
    code, output = calls(target)
    assert code == 1
    assert output.startswith("jobrun: the result is not JSON")
    assert calls.report is not None
    assert calls.report.result is None
    assert calls.report.error is not None
    assert calls.report.error.is_ours("BadResult")


def test_stdin_is_empty(calls: Calls) -> None:
    assert calls("tasks:inputs") == (0, "''\n")


def test_death_by_signal(calls: Calls) -> None:
    assert calls("tasks:kill_self") == (None, "")


def test_a_missing_interpreter_is_refused(rig: Rig) -> None:
    with pytest.raises(SpawnRefused, match="/no/such/python not found"):
        rig.start(rig.job(PythonCall("a:b", interpreter="/no/such/python")))


def test_no_descriptor_is_left_open_in_the_call(calls: Calls) -> None:
    calls.rig.path("fds.py").write_text(
        "import os\ndef f(): print(sorted(int(fd) for fd in os.listdir('/proc/self/fd') "
        "if os.path.exists('/proc/self/fd/' + fd)))\n"
    )
    assert calls("fds:f") == (0, "[0, 1, 2]\n")
