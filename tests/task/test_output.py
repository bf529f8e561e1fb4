"""Each run's own log: what it printed, and what its C code and its children printed, and nothing else."""

import os
from pathlib import Path

import pytest

from tests.task.support import WorkerRig, until

TASKS = r"""
import ctypes, logging, os, resource, subprocess, sys, threading, time
logging.basicConfig(format="%(message)s")
libc = ctypes.CDLL(None)

def nothing(): pass
def say(text): print(text)
def both(): print("to out"); print("to err", file=sys.stderr)
def partial(text): sys.stdout.write(text)
def log(text): logging.warning(text)
def raw(text): os.write(1, text.encode())
def c_code(text): libc.printf(b"%s", text.encode())
def child(text): subprocess.run(["echo", text], check=True)
def late_child():
    subprocess.Popen(["/bin/sh", "-c", "read line < gate; echo late"])
def buffered():
    global own
    own = open(1, "w", closefd=False); own.write("own buffer"); own.flush()
def odd_bytes(): os.write(1, b"\xff\x00\n"); print("\udcff".encode("utf-8", "surrogateescape"))
def unicode(): print("ü€😀")
def interleaved():
    for n in range(3): print("out", n); print("err", n, file=sys.stderr)
def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    sys.stdout.write("does not fit")
def size(): return os.fstat(1).st_size
"""


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig.start()


@pytest.mark.parametrize("how", ["partial", "raw", "c_code", "buffered"])
def test_the_output_is_the_runs_own(calls: WorkerRig, how: str):
    words = () if how == "buffered" else ("first",)
    done = calls.call(f"tasks:{how}", *words)
    assert done.out == (words[0] if words else "own buffer")
    assert calls.call("tasks:say", "second").out == "second\n"
    assert calls.call("tasks:nothing").out == ""
    assert calls.said() == ""


def test_children_and_loggers_write_into_it(calls: WorkerRig):
    for number in range(3):
        assert calls.call("tasks:child", f"child {number}").out == f"child {number}\n"
        assert calls.call("tasks:log", f"log {number}").out == f"log {number}\n"


def test_both_streams_in_order(calls: WorkerRig):
    done = calls.call("tasks:interleaved")
    assert done.out == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"


def test_split_streams(calls: WorkerRig):
    for _ in range(3):
        done = calls.call("tasks:both", split=True)
        assert (done.out, done.err) == ("to out\n", "to err\n")
        assert (done.ended["out"], done.ended["err"]) == (7, 7)
    together = calls.call("tasks:both")
    assert (together.out, together.ended["err"]) == ("to out\nto err\n", 0)


def test_any_text(calls: WorkerRig):
    assert calls.call("tasks:unicode").out == "ü€😀\n"
    done = calls.call("tasks:odd_bytes")
    assert Path(done.request["out"]).read_bytes() == b"\xff\x00\nb'\\xff'\n"


def test_silent_calls_share_one_file(calls: WorkerRig):
    first, second = calls.call("tasks:nothing"), calls.call("tasks:nothing")
    assert not Path(first.request["out"]).exists()
    assert Path(second.request["out"]).stat().st_size == 0
    loud = calls.call("tasks:say", "x")
    assert not Path(second.request["out"]).exists()
    quiet = calls.call("tasks:nothing")
    assert Path(loud.request["out"]).read_text() == "x\n"
    assert calls.retire() == 0
    assert not Path(quiet.request["out"]).exists()
    assert Path(loud.request["out"]).read_text() == "x\n"


def test_a_waiting_empty_file_that_somebody_removed_is_made_anew(calls: WorkerRig):
    Path(calls.call("tasks:nothing").request["out"]).unlink()
    done = calls.call("tasks:say", "x")
    assert Path(done.request["out"]).read_text() == "x\n"


def test_a_child_that_writes_after_the_end_writes_into_its_own_runs_file(calls: WorkerRig):
    os.mkfifo(calls.home / "gate")
    first = calls.call("tasks:late_child")
    assert (first.ended["out"], first.ended["children"]) == (0, True)
    assert calls.wait() == 0
    (calls.home / "gate").write_text("go\n")
    until(lambda: Path(first.request["out"]).read_text() == "late\n", "the child to write")
    assert "late" not in calls.said()


def test_output_that_cannot_be_written_does_not_turn_up_later(calls: WorkerRig):
    assert calls.call("tasks:full").code == 0
    done = calls.call("tasks:say", "next")
    assert done.out == "next\n"


def test_the_run_sees_an_empty_file_of_its_own(calls: WorkerRig):
    assert calls.call("tasks:size").result == 0
    calls.call("tasks:say", "x")
    assert calls.call("tasks:size").result == 0


def test_between_calls_output_goes_to_the_workers_log(calls: WorkerRig):
    calls.write(
        "hooks.py",
        "import threading, time, sys\n"
        "done = threading.Event()\n"
        "def f():\n"
        "    def wait():\n"
        "        done.wait(20); print('between')\n"
        "    threading.Thread(target=wait, daemon=True).start()\n"
        "    import atexit; atexit.register(done.set)\n",
    )
    done = calls.call("hooks:f")
    assert done.ended["retire"] == "threads"
    assert calls.wait() == 0
    assert done.out == ""


def test_the_log_files_are_private(calls: WorkerRig):
    done = calls.call("tasks:say", "x")
    for name in ("out", "status"):
        assert Path(done.request[name]).stat().st_mode & 0o777 == 0o600
