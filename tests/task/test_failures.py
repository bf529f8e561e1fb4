"""Every way in which a call can fail, and what is said about it."""

import signal
from pathlib import Path

import pytest

from tests.task.support import Call, WorkerRig

TASKS = r"""
import ctypes, faulthandler, os, signal, subprocess, sys
from jobrun.task import Dead, Retry, result

def ok(): return "ok"
def fail(text="no good"): raise ValueError(text)
def chained():
    try: fail()
    except ValueError as error: raise KeyError("later") from error
def reset(): raise ConnectionResetError(104, "gone")
class Own(OSError): pass
def own(): raise Own("mine")
class Loud(Exception):
    def __str__(self): raise RuntimeError("no text")
def loud(): raise Loud
class Odd(ValueError, dict().__class__ and Exception):
    __module__ = None
def odd(): raise Odd("odd")
class Meta(type):
    def mro(cls): return [cls, ValueError, Exception, BaseException, object]
class Strange(ValueError, metaclass=Meta): pass
def strange(): raise Strange("strange")
class Base(BaseException): pass
def base(): raise Base("no Exception")
def interrupt(): raise KeyboardInterrupt
def generator_exit(): raise GeneratorExit
def stop_iteration(): raise StopIteration(3)
def surrogate(): raise ValueError("file \udcff")
def surrogate_result(): return "\udcff"
def recursion():
    return recursion() + 1
def long_message(): raise ValueError("x" * 5000)
def long_trace():
    code = "def f0(): raise ValueError('deep')\n"
    # each line its own text, so that Python does not fold them
    for n in range(1, 900): code += "def f%d(): f%d(); %s = %d\n" % (n, n - 1, "y" * 100, n)
    names = {}
    import linecache
    linecache.cache["<made>"] = (len(code), None, code.splitlines(True), "<made>")
    exec(compile(code, "<made>", "exec"), names)
    names["f899"]()
def leave(code=None): sys.exit(code)
def retry(in_=None): raise Retry("the server is busy", in_=in_)
def retry_from():
    try: reset()
    except OSError as error: raise Retry(error, in_="1h30m")
def dead(): raise Dead("the input is broken")
def bad_retry(): raise Retry(in_="soon")
def odd_result(): return {1, 2}
def nan(): return float("nan")
def nested():
    value = []
    for _ in range(100_000): value = [value]
    return value
def circle():
    value = []; value.append(value); return value
class Evil(dict):
    def items(self): raise RuntimeError("evil")
def evil(): return Evil(a=1)
def bad_result_call(): result(object())
def os_exit(code): os._exit(code)
def kill(number): os.kill(os.getpid(), number)
def segfault(): ctypes.string_at(0)
def abort(): os.abort()
def overflow():
    sys.setrecursionlimit(10**9)
    class Deep:
        def __repr__(self): return repr(self)
    f = lambda: f()
    repr(Deep()); f()
def forked_returns():
    sys.stdout.write("before ")
    sys.stdout.flush()
    if os.fork() == 0:
        print("child")
        return "child"
    _, status = os.wait()
    return os.WEXITSTATUS(status)
def forked_fails():
    if os.fork() == 0:
        raise ValueError("in the child")
    _, status = os.wait()
    return os.WEXITSTATUS(status)
def close_all():
    print("closing", flush=True)
    os.closerange(0, 256)
    return "closed"
def close_and_reuse():
    os.closerange(0, 256)
    for n in range(40): os.open("victim", os.O_RDWR | os.O_CREAT)
    return "reused"
def leak():
    while True:
        try: kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: return len(kept) > 5
kept = []
def patched(): import traceback; traceback.format_exception = None; raise ValueError("patched")
def break_streams(): sys.stdout = sys.stderr = None; raise ValueError("no streams")
def monkey(): sys.stderr.write = None
async def awaiting(): raise ValueError("awaited")
def yielding():
    yield 1
    raise ValueError("yielded")
number = 3
"""


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    rig.write("broken.py", "import not_there_at_all\n")
    return rig.start()


def goes_on(rig: WorkerRig) -> bool:
    done = rig.call("tasks:ok")
    return (done.code, done.result, done.out) == (0, "ok", "")


def failed(calls: WorkerRig, target: str, *args: object) -> Call:
    done = calls.call(f"tasks:{target}", *args)
    assert done.code == done.exit_code != 0
    assert done.tail["error"] == done.error
    return done


def test_an_exception(calls: WorkerRig):
    done = failed(calls, "fail", "no göd")
    assert done.code == 1
    assert done.error["type"] == "ValueError"
    assert done.error["bases"] == ["ValueError", "builtins.ValueError", "Exception", "builtins.Exception"]
    assert done.error["message"] == "no göd"
    assert (done.error["retry_in"], done.error["final"]) == (None, False)
    assert done.error["traceback"].startswith("Traceback (most recent call last):\n  File")
    assert done.error["traceback"].endswith("ValueError: no göd\n")
    assert "jobrun" not in done.error["traceback"]
    assert done.out == done.error["traceback"]
    assert goes_on(calls)


def test_names_of_the_bases(calls: WorkerRig):
    bases = failed(calls, "reset").error["bases"]
    assert {"ConnectionResetError", "builtins.ConnectionError", "OSError", "Exception"} <= set(bases)
    error = failed(calls, "own").error
    assert error["type"] == "tasks.Own"
    assert error["bases"][:4] == ["Own", "tasks.Own", "OSError", "builtins.OSError"]


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ("loud", "tasks.Loud", "<its text cannot be had: str() of the exception fails>"),
        ("odd", "None.Odd", "odd"),
        ("strange", "tasks.Strange", "strange"),
        ("base", "tasks.Base", "no Exception"),
        ("interrupt", "KeyboardInterrupt", ""),
        ("generator_exit", "GeneratorExit", ""),
        ("stop_iteration", "StopIteration", "3"),
        ("surrogate", "ValueError", "file \\udcff"),
        ("recursion", "RecursionError", None),
        ("long_message", "ValueError", "x" * 1999 + "…"),
        ("chained", "KeyError", "'later'"),
        ("awaiting", "ValueError", "awaited"),
        ("yielding", "ValueError", "yielded"),
        ("patched", "ValueError", "patched"),
        ("break_streams", "ValueError", "no streams"),
    ],
)
def test_odd_exceptions(calls: WorkerRig, target: str, kind: str, message: str | None):
    done = failed(calls, target)
    assert (done.code, done.error["type"]) == (1, kind)
    assert message is None or done.error["message"] == message
    assert kind.rpartition(".")[2] in done.out
    assert goes_on(calls)


def test_a_base_exception_is_named_to_its_root(calls: WorkerRig):
    assert failed(calls, "base").error["bases"] == [
        *("Base", "tasks.Base", "BaseException", "builtins.BaseException")
    ]


def test_a_chain_is_in_the_traceback(calls: WorkerRig):
    text = failed(calls, "chained").error["traceback"]
    assert "ValueError: no good" in text
    assert "direct cause" in text


def test_a_long_traceback_keeps_head_and_tail(calls: WorkerRig):
    done = failed(calls, "long_trace")
    text = done.error["traceback"]
    assert len(text) < (64 << 10) + 100
    assert text.startswith("Traceback (most recent call last)")
    assert " bytes left out …\n" in text
    assert text.endswith("ValueError: deep\n")
    assert len(done.out) > len(text)


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ((), 0),
        ((0,), 0),
        ((7,), 7),
        ((255,), 255),
        ((256,), 0),
        ((-1,), 255),
        ((1 << 40,), 255),
        ((True,), 1),
    ],
)
def test_sys_exit(calls: WorkerRig, argument: tuple, code: int):
    done = calls.call("tasks:leave", *argument)
    assert (done.code, done.exit_code, done.out) == (code, code, "")
    assert ("error" in done.report) is (code != 0)
    assert goes_on(calls)


def test_sys_exit_with_words(calls: WorkerRig):
    done = failed(calls, "leave", "went wrong")
    assert (done.code, done.out) == (1, "went wrong\n")
    assert (done.error["type"], done.error["message"]) == ("SystemExit", "went wrong")


@pytest.mark.parametrize(
    ("wait", "retry_in"),
    [
        (None, None),
        (60, 60_000_000),
        (0.5, 500_000),
        ("90s", 90_000_000),
        ("1h30m", 5_400_000_000),
        ("7", 7_000_000),
    ],
)
def test_retry(calls: WorkerRig, wait: object, retry_in: int | None):
    done = failed(calls, "retry", wait)
    assert done.code == 75
    assert done.error["type"] == "jobrun.task.Retry"
    assert done.error["message"] == "the server is busy"
    assert done.error["retry_in"] == retry_in


def test_retry_with_its_cause(calls: WorkerRig):
    done = failed(calls, "retry_from")
    assert done.code == 75
    assert done.error["message"] == "ConnectionResetError: [Errno 104] gone"
    assert "ConnectionResetError" in done.error["traceback"]
    assert done.error["retry_in"] == 5_400_000_000


def test_a_retry_after_no_time_is_an_error_of_its_own(calls: WorkerRig):
    done = failed(calls, "bad_retry")
    assert (done.code, done.error["type"]) == (1, "ValueError")
    assert done.error["message"] == '"soon" is not a wait; write "90s", "1h30m", "7d" or seconds'


def test_dead(calls: WorkerRig):
    done = failed(calls, "dead")
    assert (done.code, done.error["type"], done.error["final"]) == (1, "jobrun.task.Dead", True)
    assert done.error["message"] == "the input is broken"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nowhere:f", 'there is no module "nowhere"'),
        ("tasks.sub:f", 'there is no module "tasks.sub"'),
        ("tasks:nothing", 'module "tasks" has no "nothing"'),
        ("tasks:number", '"tasks:number" cannot be called'),
        ("tasks", '"tasks" does not name a function'),
    ],
)
def test_nothing_to_call(calls: WorkerRig, target: str, sentence: str):
    done = calls.call(target)
    assert (done.code, done.exit_code) == (2, 2)
    assert done.error["type"] == "jobrun.BadCall"
    assert done.error["message"].startswith(sentence)
    assert done.out == f"jobrun: {done.error['message']}\n"
    assert goes_on(calls)


def test_a_missing_import_inside_the_module(calls: WorkerRig):
    done = calls.call("broken:f")
    assert (done.code, done.error["type"]) == (1, "ModuleNotFoundError")
    assert 'broken.py", line 1' in done.out


def test_wrong_arguments(calls: WorkerRig):
    done = failed(calls, "dead", 1, 2)
    assert done.error["type"] == "TypeError"
    assert done.out == f"TypeError: {done.error['message']}\n"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("odd_result", "Object of type set is not JSON serializable"),
        ("nan", "not JSON compliant"),
        ("nested", "nested too deeply"),
        ("circle", "Circular reference"),
        ("evil", "RuntimeError: evil"),
        ("bad_result_call", "Object of type object is not JSON serializable"),
    ],
)
def test_a_result_that_is_not_json(calls: WorkerRig, target: str, words: str):
    done = failed(calls, target)
    assert (done.code, done.error["type"]) == (1, "jobrun.BadResult")
    assert words in done.error["message"]
    assert words in done.out
    assert ("Traceback" in done.out) is (target == "bad_result_call")
    assert "result" not in done.report
    assert goes_on(calls)


def test_a_lone_surrogate_in_a_result_is_json_all_the_same(calls: WorkerRig):
    assert calls.call("tasks:surrogate_result").result == "\udcff"


def gone(calls: WorkerRig, target: str, *args: object) -> tuple[int, Call]:
    """The end of a worker that does not survive the call: its exit code, and the call without an end."""
    call = calls.begin(f"tasks:{target}", *args)
    assert calls.at_end()
    assert call.exit_code is None
    assert call.tail["pid"] == calls.pid
    return calls.wait(), call


def test_os_exit_is_the_workers_end(calls: WorkerRig):
    code, _ = gone(calls, "os_exit", 9)
    assert code == 9


def test_a_signal_is_the_workers_end(calls: WorkerRig):
    code, _ = gone(calls, "kill", signal.SIGKILL)
    assert code == -signal.SIGKILL


@pytest.mark.parametrize(("target", "number"), [("segfault", signal.SIGSEGV), ("abort", signal.SIGABRT)])
def test_a_crash_leaves_the_python_stack_in_the_runs_log(calls: WorkerRig, target: str, number: int):
    code, call = gone(calls, target)
    assert code == -number
    log = Path(call.request["out"]).read_text()
    assert log.startswith("Fatal Python error: ")
    assert f"in {target}" in log


def test_a_stack_overflow_is_an_error_or_a_crash_never_a_hang(calls: WorkerRig):
    call = calls.begin("tasks:overflow")
    try:
        call.end()
    except AssertionError:
        assert calls.wait() in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
    else:
        assert call.error["type"] in ("RecursionError", "MemoryError")


def test_a_forked_child_that_comes_back_ends_there(calls: WorkerRig):
    done = calls.call("tasks:forked_returns")
    assert (done.code, done.result, done.out) == (0, 0, "before child\n")
    assert goes_on(calls)


def test_a_forked_child_that_fails_ends_there(calls: WorkerRig):
    done = calls.call("tasks:forked_fails")
    assert (done.code, done.result) == (0, 1)
    assert done.out.endswith("ValueError: in the child\n")
    assert goes_on(calls)


def test_a_call_that_closes_every_descriptor_is_complete_and_the_worker_ends(calls: WorkerRig):
    call = calls.begin("tasks:close_all")
    assert calls.at_end()
    assert calls.wait() == 0
    assert call.exit_code == 0
    assert call.tail["result"] == "closed"
    assert Path(call.request["out"]).read_text() == "closing\n"


def test_nothing_is_written_into_files_that_took_a_descriptors_number(calls: WorkerRig):
    call = calls.begin("tasks:close_and_reuse")
    assert calls.at_end()
    assert calls.wait() == 0
    assert call.exit_code == 0
    assert call.tail["result"] == "reused"
    assert (calls.home / "victim").read_bytes() == b""


def test_a_worker_without_descriptors_says_so_and_ends(calls: WorkerRig):
    done = calls.call("tasks:leak", open_files=40)
    assert (done.code, done.result) == (0, True)
    calls.give(calls.request("tasks:ok"))
    # The limit was the call's; without it there is room again.
    assert calls.receive()["op"] == "begun"
    assert calls.receive()["report"] == {"result": "ok"}


def test_a_stream_whose_methods_were_broken_is_replaced(calls: WorkerRig):
    calls.call("tasks:monkey")
    assert goes_on(calls)
    done = failed(calls, "fail")
    assert done.out.endswith("ValueError: no good\n")
