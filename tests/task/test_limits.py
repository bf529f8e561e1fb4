"""Soft limits and stops reach the job as exceptions, wherever it is; hard ones by the kernel."""

import signal
import time
from pathlib import Path

import pytest

from tests.task.support import Call, WorkerRig, until

TASKS = r"""
import asyncio, multiprocessing, os, pathlib, signal, subprocess, sys, threading, time
from jobrun.task import SoftTimeout, Stopped, defer_stop, progress, should_stop

def ok(): return should_stop()
def ready():
    # As its last act, so that nothing of it is left to be interrupted.
    with defer_stop(): pathlib.Path("making").write_text("x")
    os.rename("making", "ready")
def sleep(): ready(); time.sleep(60)
def busy():
    ready()
    while True: pass
def in_except():
    while True:
        try: ready(); time.sleep(60)
        except ValueError: pass
        except Exception as error: return type(error).__name__
def polite():
    try:
        with defer_stop():
            ready(); until(should_stop)
    except (SoftTimeout, Stopped): return "finished"
def cleans():
    try: ready(); time.sleep(60)
    except SoftTimeout: print("soft"); time.sleep(60)
    finally: print("cleaned")
def deferred():
    try:
        with defer_stop():
            with defer_stop():
                ready()
                until(should_stop)
            print("inner done")
        print("not reached")
    except (SoftTimeout, Stopped) as error:
        return type(error).__name__
def until(condition):
    while not condition(): time.sleep(0.005)
def steps():
    try:
        yield 1
        ready()
        while True: time.sleep(0.001); yield 2
    except (SoftTimeout, Stopped) as error:
        print("cleaning"); return type(error).__name__
    finally: print("cleaned")
async def waits():
    try:
        ready(); await asyncio.sleep(60)
    except (SoftTimeout, Stopped) as error:
        await asyncio.sleep(0)
        return type(error).__name__
async def waits_inner():
    async def inner():
        try: ready(); await asyncio.sleep(60)
        except asyncio.CancelledError: print("inner cancelled"); raise
    await asyncio.ensure_future(inner())
async def waits_deferred():
    with defer_stop():
        ready()
        while not should_stop(): await asyncio.sleep(0.005)
        print("done")
async def async_busy():
    ready()
    while True: pass
async def async_steps():
    try:
        yield 1
        ready(); await asyncio.sleep(60)
    except (SoftTimeout, Stopped) as error:
        print(type(error).__name__); raise
def forever_but_stopped():
    while True: time.sleep(60)
def waits_for_go():
    ready(); until(lambda: os.path.exists("go"))
    return "went on"
def thread_joined():
    def work():
        ready(); until(should_stop)
    threading.Thread(target=work).start()
def child():
    process = subprocess.Popen(["sleep", "60"])
    process.terminate(); return process.wait()
def fork_child():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start(); process.terminate(); process.join(); return process.exitcode
def own_handler():
    got = []
    signal.signal(signal.SIGTERM, lambda *a: got.append(1))
    ready(); until(lambda: got)
    return "own"
def forever():
    while True:
        try: ready(); time.sleep(60)
        except BaseException: pass
def cpu():
    try:
        while True: pass
    except BaseException: pass
def memory():
    try: block = bytearray(1 << 31)
    except MemoryError: return "no room"
    return "room"
def memory_fails(): bytearray(1 << 31)
def files():
    import resource; return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
def interrupt(): os.kill(os.getpid(), signal.SIGINT); time.sleep(60)
def alarmed():
    signal.signal(signal.SIGALRM, lambda *a: None); signal.alarm(1)
    started = time.monotonic(); signal.pause(); return True
"""
SOFT = {"signal": int(signal.SIGUSR1), "after": None}


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig.start()


def begun(calls: WorkerRig, target: str, soft: dict | None = None, **more: str) -> Call:
    """A call that has come to the point where it can be disturbed."""
    ready = calls.home / "ready"
    ready.unlink(missing_ok=True)
    call = calls.begin(f"tasks:{target}", soft=soft, **more)
    until(ready.exists, f"{target} to get there")
    return call


def goes_on(calls: WorkerRig) -> bool:
    done = calls.call("tasks:ok")
    return (done.code, done.result) == (0, False)


@pytest.mark.parametrize(
    "target", ["sleep", "busy", "cleans", "steps", "waits", "waits_inner", "async_busy", "async_steps"]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_exceptions_in_the_job(calls: WorkerRig, target: str, number: int):
    name = "Stopped" if number == signal.SIGTERM else "SoftTimeout"
    call = begun(calls, target, SOFT)
    call.signal(number)
    if (target, name) == ("cleans", "SoftTimeout"):
        until(lambda: "soft" in Path(call.request["out"]).read_text(), "the job to see it")
        call.signal(signal.SIGTERM)
        name = "Stopped"
    done = call.end()
    if target in ("steps", "waits"):
        assert (done.code, done.result) == (0, name)
    else:
        assert (done.code, done.error["type"]) == (1, f"jobrun.task.{name}"), done.out
    assert "stopping.py" not in done.out
    if target == "steps":
        assert done.out == "cleaning\ncleaned\n"
    if target == "waits_inner":
        assert done.out.startswith("inner cancelled\n")
    assert goes_on(calls)


def test_soft_timeout_is_an_exception_and_stopped_is_not(calls: WorkerRig):
    call = begun(calls, "in_except", SOFT)
    call.signal(signal.SIGUSR1)
    assert call.end().result == "SoftTimeout"
    call = begun(calls, "in_except", SOFT)
    call.signal(signal.SIGTERM)
    assert call.end().error["type"] == "jobrun.task.Stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_should_stop(calls: WorkerRig, number: int):
    call = begun(calls, "polite", SOFT)
    call.signal(number)
    assert call.end().result == "finished"
    assert goes_on(calls)


@pytest.mark.parametrize("target", ["deferred", "waits_deferred"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_defer_stop(calls: WorkerRig, target: str, number: int):
    name = "Stopped" if number == signal.SIGTERM else "SoftTimeout"
    call = begun(calls, target, SOFT)
    call.signal(number)
    done = call.end()
    if target == "deferred":
        assert (done.result, done.out) == (name, "inner done\n")
    else:
        assert done.error["type"] == f"jobrun.task.{name}"
        assert done.out.startswith("done\n")


def test_the_workers_own_timer(calls: WorkerRig):
    started = time.monotonic()
    done = calls.call("tasks:sleep", soft={"signal": int(signal.SIGUSR1), "after": 0.2})
    assert done.error["type"] == "jobrun.task.SoftTimeout"
    assert time.monotonic() - started >= 0.2
    assert calls.call("tasks:alarmed").result is True
    assert goes_on(calls)


def test_a_timer_that_was_not_needed_disturbs_nobody(calls: WorkerRig):
    calls.call("tasks:ok")
    soft = {"signal": int(signal.SIGUSR1), "after": 0.2}
    assert calls.call("tasks:ok", soft=soft).result is False
    call = begun(calls, "polite", SOFT)
    time.sleep(0.3)  # longer than the timer of the call before
    call.signal(signal.SIGTERM)
    assert call.end().result == "finished"


def test_one_signal_for_both(calls: WorkerRig):
    soft = {"signal": int(signal.SIGTERM), "after": None}
    call = begun(calls, "cleans", soft)
    call.signal(signal.SIGTERM)
    until(lambda: "soft" in Path(call.request["out"]).read_text(), "the soft limit")
    call.signal(signal.SIGTERM)
    assert call.end().error["type"] == "jobrun.task.Stopped"


def test_a_stop_reaches_a_call_that_waits_for_its_threads(calls: WorkerRig):
    call = begun(calls, "thread_joined")
    call.signal(signal.SIGTERM)
    assert call.end().error["type"] == "jobrun.task.Stopped"


def test_a_stop_that_comes_before_the_first_line_of_the_job(calls: WorkerRig):
    """`begun` is an invitation to stop it."""
    calls.call("tasks:ok")
    for _ in range(30):
        call = calls.begin("tasks:forever_but_stopped")
        call.signal(signal.SIGTERM)
        done = call.end()
        assert done.error["type"] == "jobrun.task.Stopped"
        if done.ended["retire"] is not None:
            # It came while the worker looked the function up: then nobody knows what that has left.
            assert done.ended["retire"] == "import"
            return


def test_a_stop_during_an_import_makes_the_worker_retire(calls: WorkerRig):
    calls.write(
        "slow.py", "import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(60)\ndef f(): pass\n"
    )
    call = calls.begin("slow:f")
    until((calls.home / "ready").exists, "the import")
    call.signal(signal.SIGTERM)
    done = call.end()
    assert (done.error["type"], done.ended["retire"]) == ("jobrun.task.Stopped", "import")
    assert calls.at_end()
    assert calls.wait() == 0


def test_a_stop_that_was_meant_for_the_call_before(calls: WorkerRig):
    call = begun(calls, "waits_for_go")
    calls.signal(signal.SIGTERM)
    (calls.home / "go").write_text("x")
    # It is as one between calls: this one is finished, and then the worker ends.
    assert call.end().result == "went on"
    assert calls.at_end()
    assert calls.wait() == 0


def test_a_stop_that_is_meant_for_this_call(calls: WorkerRig):
    call = begun(calls, "sleep")
    call.signal(signal.SIGTERM)
    assert call.end().error["type"] == "jobrun.task.Stopped"
    assert goes_on(calls)


def test_children_have_the_default_signals(calls: WorkerRig):
    assert calls.call("tasks:child").result == -signal.SIGTERM
    assert calls.call("tasks:fork_child").result == -signal.SIGTERM


def test_a_job_may_take_the_signal_itself(calls: WorkerRig):
    call = begun(calls, "own_handler")
    call.signal(signal.SIGTERM)
    assert call.end().result == "own"
    call = begun(calls, "sleep")
    call.signal(signal.SIGTERM)
    assert call.end().error["type"] == "jobrun.task.Stopped"


def test_a_job_that_will_not_end_has_to_be_killed(calls: WorkerRig):
    call = begun(calls, "forever", SOFT)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
        call.signal(number)
    call.signal(signal.SIGKILL)
    assert calls.at_end()
    assert calls.wait() == -signal.SIGKILL
    assert call.exit_code is None


def test_signals_outside_a_call(calls: WorkerRig):
    assert calls.call("tasks:ok", soft=SOFT).code == 0
    calls.signal(signal.SIGUSR1)
    calls.signal(signal.SIGINT)
    assert goes_on(calls)
    calls.signal(signal.SIGTERM)
    assert calls.at_end()
    assert calls.wait() == 0


def test_a_term_in_no_call_lets_what_was_received_be_finished(calls: WorkerRig):
    calls.call("tasks:ok")
    with calls.held():
        calls.give(*[calls.request("tasks:ok") for _ in range(3)])
        calls.signal(signal.SIGTERM)
    seen = [calls.receive() for _ in range(6)]
    assert [message["op"] for message in seen] == ["begun", "ended"] * 3
    assert [message["exit"] for message in seen[1::2]] == [0, 0, 0]
    assert calls.at_end()
    assert calls.wait() == 0


def test_ctrl_c_in_a_call(calls: WorkerRig):
    assert calls.call("tasks:interrupt").error["type"] == "KeyboardInterrupt"
    assert goes_on(calls)


def test_processor_time_is_counted_from_the_calls_begin(calls: WorkerRig):
    for _ in range(3):
        assert calls.call("tasks:ok", cpu=1).code == 0
    call = calls.begin("tasks:cpu", cpu=1)
    assert calls.at_end()
    assert calls.wait() == -signal.SIGXCPU
    assert call.exit_code is None


def test_memory(calls: WorkerRig):
    assert calls.call("tasks:memory", memory=1 << 30).result == "no room"
    done = calls.call("tasks:memory_fails", memory=1 << 30)
    assert (done.code, done.error["type"]) == (1, "MemoryError")
    # A limit below what the interpreter has already.
    calls.call("tasks:memory_fails", memory=1 << 20)
    assert goes_on(calls)


def test_open_files(calls: WorkerRig):
    before = calls.call("tasks:files").result
    assert calls.call("tasks:files", open_files=123).result == 123
    assert calls.call("tasks:files", open_files=1 << 40).result >= before
    assert calls.call("tasks:files").result == before
