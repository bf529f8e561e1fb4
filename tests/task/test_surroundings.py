"""What a call changes around it is put back; what its module's import changed stays."""

from pathlib import Path

import pytest

from tests.task.support import USUAL, WorkerRig

TASKS = r'''
import asyncio, datetime, gc, io, locale, logging, os, resource, signal, sys, threading, time

os.environ["SET_BY_IMPORT"] = "yes"
sys.path.append("/set/by/import")
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD]

def look():
    """Everything that is to be the same in every call."""
    mask = os.umask(0); os.umask(mask)
    return {
        "cwd": os.getcwd(), "umask": mask,
        "signals": [getattr(signal.getsignal(n), "__qualname__", str(signal.getsignal(n))) for n in SIGNALS],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "env": {k: v for k, v in os.environ.items() if k not in PER_RUN},
        "locale": locale.setlocale(locale.LC_ALL),
        "timers": [signal.getitimer(timer) for timer in range(3)],
        "argv": sys.argv, "path": sys.path,
        "streams": [type(s).__name__ + str(s.fileno()) + s.name + s.mode + s.encoding + s.errors
                    + str(s.line_buffering) + str(s.write_through) + ",".join(vars(s))
                    for s in (sys.stdin, sys.stdout, sys.stderr)],
        "originals": [sys.__stdin__ is sys.stdin, sys.__stdout__ is sys.stdout, sys.__stderr__ is sys.stderr],
        "read": sys.stdin.read(),
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE,
                   resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)],
        "hooks": [sys.excepthook is sys.__excepthook__, sys.unraisablehook is sys.__unraisablehook__,
                  sys.displayhook is sys.__displayhook__],
        "thread hook": str(threading.excepthook),
        "recursion": sys.getrecursionlimit(), "gc": gc.isenabled(),
        "trace": [str(sys.gettrace()), str(sys.getprofile())],
        "threads": [str(threading._trace_hook), str(threading._profile_hook)],
        "time": [time.tzname, str(datetime.datetime.fromtimestamp(0))],
        "stdin": os.read(0, 10).decode(),
    }
PER_RUN = {"JOBRUN_RUN_ID", "JOBRUN_RESULT", "JOBRUN_NOTES"}

def say(text): print(text); print("again", text, file=sys.stderr)
def cwd(): os.chdir("/")
def gone_cwd():
    os.mkdir("sub"); os.chdir("sub"); os.rmdir("../sub")
def umask(): os.umask(0o077)
def handlers():
    for number in SIGNALS: signal.signal(number, lambda *a: None)
def block(): signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])
def env():
    os.environ["NEW"] = "x"; os.environ["SET_BY_IMPORT"] = "no"; del os.environ["HOME"]
    os.environ.pop("JOBRUN_JOB")
def env_replaced():
    env = dict(os.environ); os.environ = env; env["NEW"] = "x"
def env_cleared(): os.environ.clear()
def set_locale():
    for name in ("de_DE.UTF-8", "C"):
        try: locale.setlocale(locale.LC_ALL, name); break
        except locale.Error: continue
def timers():
    signal.signal(signal.SIGALRM, lambda *a: None)
    signal.alarm(100); signal.setitimer(signal.ITIMER_VIRTUAL, 100)
def argv(): sys.argv.append("more")
def argv_replaced(): sys.argv = ["other"]
def path(): sys.path.insert(0, "/elsewhere")
def path_replaced(): sys.path = ["/elsewhere"]
def streams():
    sys.stdout = open(os.devnull, "w"); sys.stderr = None; sys.stdin = open(os.devnull)
def closed_streams():
    sys.stdout.close(); sys.stderr.close()
def detached(): sys.stdout.detach()
def wrapped():
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8"); print("wrapped")
def wrapped_both():
    sys.stdout = io.TextIOWrapper(sys.stdout.detach()); sys.stderr = io.TextIOWrapper(sys.stderr.buffer)
def closed_input(): sys.stdin.close()
def detached_input(): sys.stdin.detach()
def reconfigured():
    sys.stdout.reconfigure(encoding="latin-1", line_buffering=False)
    sys.stderr.reconfigure(encoding="latin-1", errors="strict"); sys.stdin.reconfigure(encoding="latin-1")
def raw_closed(): sys.stdout.buffer.raw.close()
def originals(): sys.__stdout__ = sys.__stderr__ = sys.__stdin__ = None
def originals_closed(): sys.__stdout__.close(); sys.__stderr__.detach(); sys.__stdin__.close()
def patched(): sys.stdout.write = lambda text: None
def other_descriptors():
    saved = [os.dup(n) for n in (0, 1, 2)]
    fd = os.open("elsewhere.txt", os.O_RDWR | os.O_CREAT)
    for n in (0, 1, 2): os.dup2(fd, n)
    for n in (0, 1, 2): os.dup2(saved[n], n)
def limits():
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
def hooks():
    sys.excepthook = sys.unraisablehook = sys.displayhook = threading.excepthook = print
def interpreter():
    sys.setrecursionlimit(5000); gc.disable(); sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)
def thread_tracing(): threading.settrace(lambda *a: None); threading.setprofile(lambda *a: None)
def zone(): os.environ["TZ"] = "JST-9"; time.tzset()
def zone_alone(): zone(); del os.environ["TZ"]
def zone_in_c(): os.environ["TZ"] = "JST-9"; time.mktime((2026, 1, 1, 0, 0, 0, 0, 0, 0))
def loop(): asyncio.set_event_loop(asyncio.new_event_loop())
def descriptor(): os.close(1)
def other_output():
    global other
    os.close(1); other = open("elsewhere.txt", "w")
def other_input():
    global other
    os.close(0); other = open("elsewhere.txt", "w+")
def kept_wrapper():
    global kept
    kept = io.TextIOWrapper(sys.stdout.buffer)
def closed_under_a_handler():
    logging.getLogger("x").addHandler(logging.StreamHandler()); sys.stderr.close()
def hard_limit(): resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
def nice(): os.nice(1)
def remove_cwd():
    import shutil; shutil.rmtree(os.getcwd())
'''

CHANGES = [
    "cwd gone_cwd umask handlers block env env_replaced env_cleared set_locale timers argv argv_replaced",
    "path path_replaced streams closed_streams detached other_descriptors limits hooks interpreter loop",
    "wrapped wrapped_both closed_input detached_input reconfigured raw_closed originals originals_closed",
    "patched thread_tracing zone zone_alone zone_in_c",
]


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig.start(env={"LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize("change", " ".join(CHANGES).split())
def test_what_a_call_changes_is_put_back(calls: WorkerRig, change: str):
    before = calls.call("tasks:look").result
    assert before["env"]["SET_BY_IMPORT"] == "yes"
    assert before["path"][-1] == "/set/by/import"
    assert before["stdin"] == ""
    done = calls.call(f"tasks:{change}")
    assert (done.code, done.ended["retire"]) == (0, None), done.out
    for number in range(2):
        assert calls.call("tasks:say", f"é{number}").out == f"é{number}\nagain é{number}\n"
    after = calls.call("tasks:look")
    assert after.ended["exit"] == 0, after.out
    assert {**after.result, "argv": []} == {**before, "argv": []}
    assert after.result["argv"] == ["tasks:look"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("hard_limit", "limits"),
        ("remove_cwd", "cwd"),
        ("nice", "priority"),
        ("descriptor", "descriptors"),
        ("other_output", "descriptors"),
        ("other_input", "descriptors"),
        ("kept_wrapper", "streams"),
        ("closed_under_a_handler", "streams"),
    ],
)
def test_what_cannot_be_put_back_makes_the_worker_retire(calls: WorkerRig, change: str, word: str):
    calls.call("tasks:look")
    ahead = [calls.request("tasks:look") for _ in range(3)]
    call = calls.request(f"tasks:{change}")
    with calls.held():
        calls.give(call, *ahead)
    assert calls.receive()["op"] == "begun"
    ended = {**USUAL, **calls.receive()}
    if ended["retire"] is None:
        assert change == "nice", "only root can raise its own priority again"
        return
    assert (ended["exit"], ended["retire"]) == (0, word)
    # What was sent ahead is given back.
    assert [calls.receive() for _ in ahead] == [{"op": "stale", "fence": each["fence"]} for each in ahead]
    assert calls.at_end()
    assert calls.wait() == 0


def test_each_run_has_its_own_variables_only(calls: WorkerRig):
    calls.write("env.py", "import os\ndef all(): return dict(os.environ)\n")
    first = calls.call("env:all", env={"JOBRUN_RESUME_FROM": "/x", "JOBRUN_STORE_ID": "other"}).result
    assert first["JOBRUN_RUN_ID"] == "1"
    assert (first["JOBRUN_RESUME_FROM"], first["JOBRUN_STORE_ID"]) == ("/x", "other")
    second = calls.call("env:all").result
    assert second["JOBRUN_RUN_ID"] == "2"
    assert "JOBRUN_RESUME_FROM" not in second
    assert (second["JOBRUN_STORE_ID"], second["JOBRUN_WORKER"]) == ("rig", "7")


def test_a_child_gets_the_runs_variables(calls: WorkerRig):
    calls.write(
        "child.py",
        "import subprocess\n"
        "def env(): return subprocess.check_output(['/bin/sh', '-c', 'echo $JOBRUN_RUN_ID']).decode()\n",
    )
    assert [calls.call("child:env").result for _ in range(3)] == ["1\n", "2\n", "3\n"]


def test_what_an_import_made_of_the_streams_stays_and_is_put_back_to(calls: WorkerRig):
    calls.write(
        "wraps.py",
        "import io, sys\n"
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='latin-1')\n"
        "def say(text): print(text)\n"
        "def close(): sys.stdout.close()\n",
    )
    for _ in range(2):
        done = calls.call("wraps:say", "é")
        assert Path(done.request["out"]).read_bytes() == b"\xe9\n"
        assert (calls.call("wraps:close").code, done.ended["retire"]) == (0, None)


def test_what_a_call_wraps_around_its_output_is_written_to_it(calls: WorkerRig):
    for _ in range(3):
        done = calls.call("tasks:wrapped")
        assert (done.out, done.ended["retire"]) == ("wrapped\n", None)
