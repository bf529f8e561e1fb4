"""Threads and processes of a call: waited for, ended, or told about."""

import os
from pathlib import Path

import pytest

from tests.task.support import WorkerRig, until

TASKS = r"""
import concurrent.futures, multiprocessing, os, subprocess, sys, threading, time, _thread
pool = None

def ok(): return "ok"
def work(path, wait=0.05): time.sleep(wait); open(path, "w").write("done")
def thread(path): threading.Thread(target=work, args=(path,)).start()
def nested(path):
    def outer(): threading.Thread(target=work, args=(path,)).start()
    threading.Thread(target=outer).start()
def failing_thread():
    def fail(): raise ValueError("in a thread")
    threading.Thread(target=fail).start()
def thread_and_error(path): thread(path); raise ValueError("no")
def daemon(): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
def brief_daemon(): threading.Thread(target=lambda: None, daemon=True).start()
def raw():
    _thread.start_new_thread(time.sleep, (60,))
    while not _thread._count(): time.sleep(0.001)
def timer(): threading.Timer(0.01, lambda: None).start()
def executor(path):
    global pool
    pool = pool or concurrent.futures.ThreadPoolExecutor(2)
    pool.submit(work, path)
    return threading.active_count()
def process(path):
    context = multiprocessing.get_context("fork")
    context.Process(target=work, args=(path,)).start()
def daemon_process():
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True).start()
def left_pool():
    global kept
    kept = multiprocessing.get_context("fork").Pool(2)
    return kept.map(abs, [-1, -2])
def spawned(how):
    with multiprocessing.get_context(how).Pool(1) as pool:
        return pool.map(abs, [-1, -2])
def process_executor():
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        return list(executor.map(abs, [-1, -2]))
def left_process_executor():
    global executor
    executor = concurrent.futures.ProcessPoolExecutor(1)
    return executor.submit(abs, -3).result()
def left_child():
    global child
    child = subprocess.Popen(["sleep", "60"]); return child.pid
def orphan():
    subprocess.run(["/bin/sh", "-c", "sleep 60 & echo $! > orphan.pid"], check=True)
def orphan_session():
    subprocess.run(["/bin/sh", "-c", "setsid sleep 60 & echo $! > orphan.pid"], check=True)
def unwaited():
    os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
HUNGRY = [sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.3: pass"]
def hungry(): subprocess.run(HUNGRY, check=True)
def unwaited_hungry():
    global child
    child = subprocess.Popen(HUNGRY); os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
def zombies():
    found = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try: stat = open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()
            except OSError: continue
            found += stat[0] == "Z" and int(stat[1]) == os.getpid()
    return found
"""


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig.start()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


def goes_on(calls: WorkerRig) -> bool:
    done = calls.call("tasks:ok")
    return (done.result, done.ended["children"], done.ended["retire"]) == ("ok", False, None)


@pytest.mark.parametrize("target", ["thread", "nested", "process", "executor"])
def test_what_is_not_a_daemon_is_waited_for(calls: WorkerRig, mark: Path, target: str):
    done = calls.call(f"tasks:{target}", str(mark))
    assert mark.read_text() == "done"
    assert (done.code, done.ended["retire"], done.ended["children"]) == (0, None, False), done.out
    assert goes_on(calls)


def test_an_executor_is_kept_between_calls(calls: WorkerRig, mark: Path):
    for number in range(4):
        done = calls.call("tasks:executor", f"{mark}{number}")
        assert Path(f"{mark}{number}").read_text() == "done"
        assert done.ended["retire"] is None
    assert goes_on(calls)


def test_threads_are_waited_for_after_an_error_too(calls: WorkerRig, mark: Path):
    done = calls.call("tasks:thread_and_error", str(mark))
    assert (done.code, mark.read_text()) == (1, "done")


def test_an_error_in_a_thread_is_in_the_log(calls: WorkerRig):
    done = calls.call("tasks:failing_thread")
    assert done.code == 0
    assert done.out.endswith("ValueError: in a thread\n")


@pytest.mark.parametrize("target", ["brief_daemon", "timer"])
def test_threads_that_have_ended_do_not_matter(calls: WorkerRig, target: str):
    assert calls.call(f"tasks:{target}").ended["retire"] is None
    assert goes_on(calls)


@pytest.mark.parametrize("target", ["daemon", "raw"])
def test_a_thread_that_goes_on_makes_the_worker_retire(calls: WorkerRig, target: str):
    done = calls.call(f"tasks:{target}")
    assert (done.code, done.ended["retire"]) == (0, "threads")
    assert calls.at_end()
    assert calls.wait() == 0


def test_a_daemon_process_is_ended(calls: WorkerRig):
    done = calls.call("tasks:daemon_process")
    assert (done.code, done.ended["children"]) == (0, False)
    assert goes_on(calls)


def test_a_pool_left_open_is_ended(calls: WorkerRig):
    done = calls.call("tasks:left_pool")
    assert (done.result, done.ended["children"], done.ended["retire"]) == ([1, 2], False, None)
    assert goes_on(calls)


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_multiprocessing_leaves_no_helpers(calls: WorkerRig, how: str):
    for _ in range(2):
        done = calls.call("tasks:spawned", how)
        assert (done.result, done.ended["children"], done.ended["retire"]) == ([1, 2], False, None), done.out
    assert goes_on(calls)


def test_a_process_executor(calls: WorkerRig):
    done = calls.call("tasks:process_executor")
    assert (done.result, done.ended["children"], done.ended["retire"]) == ([1, 2], False, None)
    assert goes_on(calls)


def test_a_process_executor_left_open_is_ended_and_the_worker_retires(calls: WorkerRig):
    done = calls.call("tasks:left_process_executor")
    assert (done.result, done.ended["children"], done.ended["retire"]) == (3, False, "threads")
    assert calls.at_end()
    assert calls.wait() == 0


def leaves(calls: WorkerRig) -> None:
    """The worker makes no further call: what the last one left lives in its session."""
    assert calls.at_end()
    assert calls.wait() == 0


def test_a_child_that_goes_on_is_told_and_the_worker_leaves(calls: WorkerRig):
    done = calls.call("tasks:left_child")
    assert (done.ended["children"], done.ended["retire"]) == (True, "children")
    leaves(calls)
    os.kill(done.result, 9)


@pytest.mark.parametrize("target", ["orphan", "orphan_session"])
def test_an_orphan_is_seen(calls: WorkerRig, target: str):
    done = calls.call(f"tasks:{target}")
    assert (done.ended["children"], done.ended["retire"]) == (True, "children")
    leaves(calls)
    os.kill(int((calls.home / "orphan.pid").read_text()), 9)


@pytest.mark.parametrize("target", ["hungry", "unwaited_hungry"])
def test_what_a_child_has_used_is_no_other_calls(calls: WorkerRig, target: str):
    calls.call("tasks:ok")
    used = calls.call(f"tasks:{target}").ended
    # The kernel tells it when the child is waited for.
    assert used["user"] + used["system"] >= 300_000 or target == "unwaited_hungry"
    for _ in range(2):
        after = calls.call("tasks:ok").ended
        assert after["user"] + after["system"] < 200_000


def test_zombies_are_buried(calls: WorkerRig):
    for _ in range(3):
        calls.call("tasks:unwaited")
    until(lambda: calls.call("tasks:zombies").result == 0, "the last one to be buried")
