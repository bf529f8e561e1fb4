"""A worker from its start to its end: hooks, retirement, claims, refusals, changed code, a dead daemon."""

import errno
import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from jobrun.task.codewatch import _IDLE
from tests.task.support import WorkerRig, is_quiet, until

TASKS = r"""
import os, pathlib, sys, time
started = []

def start(): started.append(1); print("started", os.environ.get("JOBRUN_RUN_ID"))
async def async_start(): started.append(2)
def bad_start(): raise ConnectionError("no database")
def stop(): pathlib.Path("stopped").write_text(str(os.environ.get("JOBRUN_RUN_ID")))
def bad_stop(): raise ValueError("cannot stop")
def seen(): return started
def wait():
    pathlib.Path("ready").write_text("x")
    while not os.path.exists("go"): time.sleep(0.005)
    print("went on"); return "finished"
def large(size): return "x" * size
def pid(): return os.getpid()
def lazily(): import later; return later.value
"""


@pytest.fixture
def idle(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig


@pytest.fixture
def calls(idle: WorkerRig) -> WorkerRig:
    return idle.start(on_stop="tasks:stop")


def stopped(rig: WorkerRig) -> bool:
    return (rig.home / "stopped").exists()


def test_ready(idle: WorkerRig):
    idle.launch()
    ready = idle.greet()
    assert ready == {"op": "ready", "pid": idle.pid, "python": ready["python"], "reaper": True}
    assert ready["python"].startswith("3.")


@pytest.mark.parametrize(("hook", "seen"), [("tasks:start", [1]), ("tasks:async_start", [2])])
def test_the_start_hook_runs_before_the_first_call(idle: WorkerRig, hook: str, seen: list):
    idle.start(on_start=hook)
    assert idle.call("tasks:seen").result == seen
    assert idle.said() == ("started None\n" if hook == "tasks:start" else "")


@pytest.mark.parametrize(
    ("hook", "kind"), [("tasks:bad_start", "ConnectionError"), ("tasks:nothing", "jobrun.BadCall")]
)
def test_a_start_hook_that_fails(idle: WorkerRig, hook: str, kind: str):
    idle.launch()
    failed = idle.greet(on_start=hook, on_stop="tasks:stop")
    assert failed["op"] == "failed"
    assert failed["error"]["type"] == kind
    assert failed["error"]["bases"]
    assert idle.wait() == 1
    assert failed["error"]["message"] in idle.said()
    assert not stopped(idle)


def test_retire_finishes_what_was_received_before(calls: WorkerRig):
    requests = [calls.request("tasks:pid") for _ in range(3)]
    with calls.held():
        calls.give(*requests)
        calls.send({"op": "retire"})
    assert [calls.receive()["op"] for _ in range(6)] == ["begun", "ended"] * 3
    assert calls.at_end()
    assert calls.wait() == 0
    assert (calls.home / "stopped").read_text() == "None"


def test_a_stop_hook_that_fails_is_in_the_workers_log(idle: WorkerRig):
    idle.start(on_stop="tasks:bad_stop")
    assert idle.retire() == 0
    assert "ValueError: cannot stop" in idle.said()


def test_an_idle_worker_uses_no_time(calls: WorkerRig):
    calls.call("tasks:pid")
    until(lambda: calls.state() == "S", "the worker to wait")
    before = state(calls.pid)
    time.sleep(0.5)  # the span that is measured
    assert state(calls.pid) == before
    assert len(list(Path(f"/proc/{calls.pid}/task").iterdir())) == 1


def state(pid: int) -> list[str]:
    """State, user time, system time and context switches."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    switches = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "ctxt" in line]
    return [stat[0], stat[11], stat[12], *switches]


def test_a_call_whose_status_file_exists_is_dropped(calls: WorkerRig):
    request = calls.request("tasks:pid")
    Path(request["status"]).write_text("somebody's")
    calls.give(request)
    assert calls.receive() == {"op": "dropped", "fence": request["fence"]}
    assert Path(request["status"]).read_text() == "somebody's"
    assert not Path(request["out"]).exists()
    assert calls.call("tasks:pid").code == 0


@pytest.mark.parametrize(
    ("file", "words"),
    [("out", "open the log file"), ("err", "open the log file"), ("data", "write the data file")],
)
def test_files_that_cannot_be_made(calls: WorkerRig, file: str, words: str):
    request = calls.request("tasks:pid", data="1", split=True)
    Path(request[file]).mkdir()
    calls.give(request)
    refused = calls.receive()
    assert (refused["op"], refused["fence"], refused["errno"]) == ("refused", request["fence"], errno.EISDIR)
    named = request["out"] if file == "err" else request[file]
    assert refused["sentence"] == f"cannot {words} {named}: {os.strerror(errno.EISDIR)}"
    left = {"status", "out", "err"} - {file}
    assert not any(Path(request[name]).exists() for name in left)
    assert calls.call("tasks:pid").code == 0


@pytest.mark.parametrize(("folder", "number"), [("missing", errno.ENOENT), ("tasks.py", errno.ENOTDIR)])
def test_a_spool_that_is_not_there(idle: WorkerRig, folder: str, number: int):
    idle.start(spool=str(idle.home / folder))
    request = idle.request("tasks:pid")
    idle.give(request)
    refused = idle.receive()
    assert (refused["op"], refused["fence"], refused["errno"]) == ("refused", request["fence"], number)
    status = idle.home / folder / "1.1.status"
    assert refused["sentence"] == f"cannot create the status file {status}: {os.strerror(number)}"


@pytest.fixture
def cramped(idle: WorkerRig) -> WorkerRig:
    """A worker whose files can have 2,048 bytes: the kernel's stand-in for a disk that is full then."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        idle.launch(env={"PYTHONDONTWRITEBYTECODE": "1"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert idle.greet()["op"] == "ready"
    return idle


@pytest.mark.parametrize(("size", "report"), [(1000, True), (3000, True), (100_000, False)])
def test_a_full_disk_keeps_the_exit_code(cramped: WorkerRig, size: int, report: bool):
    done = cramped.call("tasks:large", size)
    assert (done.code, done.exit_code) == (0, 0)
    # The daemon is told in any case, if a message can carry it.
    assert done.ended["report"] == ({"result": "x" * size} if report else {})
    assert done.tail.get("result") == ("x" * size if size == 1000 else None)
    assert done.tail["pid"] == cramped.pid
    assert cramped.call("tasks:pid").code == 0


class TestChangedCode:
    def stale(self, calls: WorkerRig, target: str = "tasks:pid") -> None:
        """The call that follows a change at once finds it."""
        pause = time.monotonic() + 2 * _IDLE
        until(lambda: time.monotonic() > pause, "a pause between the calls")
        request = calls.request(target)
        calls.give(request)
        assert calls.receive() == {"op": "stale", "fence": request["fence"]}
        assert not Path(request["status"]).exists()

    def test_a_changed_module(self, calls: WorkerRig):
        calls.call("tasks:pid")
        calls.write("tasks.py", TASKS + "# changed\n")
        self.stale(calls)
        assert calls.at_end()
        assert calls.wait() == 0
        assert stopped(calls)

    def test_everything_sent_ahead_is_given_back(self, calls: WorkerRig):
        call = calls.begin("tasks:wait")
        until((calls.home / "ready").exists, "the call")
        calls.write("tasks.py", TASKS + "# changed\n")
        ahead = [calls.request("tasks:pid") for _ in range(3)]
        calls.give(*ahead)
        time.sleep(0.25)  # as often as it looks
        (calls.home / "go").write_text("x")
        assert call.end().result == "finished"
        assert [calls.receive() for _ in ahead] == [
            {"op": "stale", "fence": request["fence"]} for request in ahead
        ]
        assert calls.at_end()

    def test_a_module_that_a_call_imported(self, calls: WorkerRig):
        calls.write("later.py", "value = 1\n")
        assert calls.call("tasks:lazily").result == 1
        calls.write("later.py", "value = 22\n")
        self.stale(calls)

    def test_a_removed_module(self, calls: WorkerRig):
        calls.call("tasks:pid")
        (calls.home / "tasks.py").unlink()
        self.stale(calls)

    def test_a_module_on_the_python_path(self, idle: WorkerRig):
        idle.write("elsewhere/app/mine.py", "def f(): return 1\n")
        (idle.home / "work").mkdir()
        idle.start(cwd=idle.home / "work", python_path=[str(idle.home / "elsewhere/app")])
        assert idle.call("mine:f").result == 1
        idle.write("elsewhere/app/mine.py", "def f(): return 22\n")
        self.stale(idle, "mine:f")

    def test_a_link_to_a_release_that_was_turned(self, idle: WorkerRig):
        for release in ("1", "2"):
            idle.write(f"releases/{release}/app.py", f"def f(): return {release}\n")
        current = idle.home / "current"
        current.symlink_to("releases/1")
        idle.launch(cwd=current)
        assert idle.greet(cwd=str(current))["op"] == "ready"
        assert idle.call("app:f").result == 1
        current.unlink()
        current.symlink_to("releases/2")
        self.stale(idle, "app:f")

    def test_installed_packages_are_not_looked_at(self, calls: WorkerRig):
        calls.write("lib/site-packages/installed.py", "value = 1\n")
        calls.write(
            "uses.py", "import sys\nsys.path.append('lib/site-packages')\nimport installed\ndef f(): pass\n"
        )
        assert calls.call("uses:f").code == 0
        calls.write("lib/site-packages/installed.py", "value = 22\n")
        time.sleep(0.25)  # as often as it looks
        assert calls.call("uses:f").code == 0


class TestWithoutTheDaemon:
    def test_an_idle_worker_ends(self, calls: WorkerRig):
        calls.call("tasks:pid")
        calls.socket.close()
        assert calls.wait() == 0
        assert stopped(calls)

    def test_a_worker_in_a_call_finishes_it_and_begins_no_other(self, calls: WorkerRig):
        call = calls.begin("tasks:wait")
        until((calls.home / "ready").exists, "the call")
        ahead = [calls.request("tasks:pid") for _ in range(3)]
        calls.give(*ahead)
        calls.socket.close()
        (calls.home / "go").write_text("x")
        assert calls.wait() == 0
        assert call.exit_code == 0
        assert call.tail["result"] == "finished"
        assert Path(call.request["out"]).read_text() == "went on\n"
        assert not any(Path(request["status"]).exists() for request in ahead)
        assert stopped(calls)
        assert calls.said() == ""

    def test_a_worker_that_dies_leaves_a_claim_without_an_end(self, calls: WorkerRig):
        call = calls.begin("tasks:wait")
        until((calls.home / "ready").exists, "the call")
        calls.signal(signal.SIGKILL)
        assert calls.at_end()
        raw = call.path.read_bytes()
        assert raw.startswith(b"began\n ")
        assert json.loads(raw[256:])["pid"] == calls.pid
        assert call.exit_code is None


def test_nothing_is_said_unasked(calls: WorkerRig):
    calls.call("tasks:pid")
    assert is_quiet(calls.socket)
