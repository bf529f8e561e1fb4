"""`jobrun.task` in environments that have no jobrun, or another one, and in processes a job starts."""

import pytest

from tests.task.support import WorkerRig

TASKS = r"""
import multiprocessing, sys

def plain():
    import jobrun.task
    jobrun.task.progress(1)
    return jobrun.task.__file__
def named():
    from jobrun.task import Retry, checkpoint
    from jobrun import task
    import jobrun.task as again
    return [Retry.__module__, checkpoint.__name__, task is again is sys.modules["jobrun.task"]]
def rest():
    import jobrun
    try: import jobrun.api
    except ImportError: return ["no api", getattr(jobrun, "release", None)]
    return ["api", jobrun.release]
def in_child(how):
    with multiprocessing.get_context(how).Pool(1) as pool:
        return pool.apply(child)
def child():
    import jobrun.task
    jobrun.task.progress(7)
    return jobrun.task.context().run_id
def is_lazy(): return ["jobrun" in sys.modules, "jobrun.task.checkpoint" in sys.modules]
"""

SCRIPT = r"""
import multiprocessing
from jobrun.task import context, result

def child(number): return [number, context().run_id]
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result(pool.map(child, [5]))
"""

OTHER = "release = 99\n"


@pytest.fixture
def isolated(rig: WorkerRig) -> WorkerRig:
    """An interpreter that finds no jobrun, not even the one these tests run with."""
    rig.write("tasks.py", TASKS)
    rig._argv = ["-S"]
    return rig


@pytest.fixture
def calls(isolated: WorkerRig) -> WorkerRig:
    return isolated.start()


def test_it_is_there(calls: WorkerRig):
    assert calls.call("tasks:is_lazy").result == [False, False]
    assert calls.call("tasks:plain").result.endswith("jobrun/task/__init__.py")
    assert calls.call("tasks:named").result == ["jobrun.task", "jobrun.task.checkpoint", True]
    assert calls.call("tasks:rest").result == ["no api", None]


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_it_is_there_in_processes_of_multiprocessing(calls: WorkerRig, how: str):
    assert calls.call("tasks:in_child", how).result == 1


def test_it_is_there_in_processes_of_a_script(calls: WorkerRig):
    script = str(calls.write("job.py", SCRIPT))
    done = calls.call(script)
    assert (done.code, done.result) == (0, [[5, 1]]), done.out


@pytest.mark.parametrize("target", ["tasks:plain", "tasks:named"])
def test_another_release_stays_what_it_is_and_task_is_ours(isolated: WorkerRig, target: str):
    isolated.write("lib/jobrun/__init__.py", OTHER)
    isolated.write("lib/jobrun/api.py", "")
    isolated.write("lib/jobrun/task.py", "raise RuntimeError('not this one')\n")
    isolated.start(python_path=[str(isolated.home / "lib")])
    assert isolated.call(target).code == 0
    assert isolated.call("tasks:rest").result == ["api", 99]
    assert isolated.call(target).code == 0


def test_a_directory_of_that_name_stays_importable(isolated: WorkerRig):
    isolated.write("jobrun/api.py", "")
    isolated.start()
    assert isolated.call("tasks:plain").code == 0
    assert isolated.call("tasks:named").result[2] is True


def test_our_own_files_shadow_nothing(isolated: WorkerRig):
    for name in ("call", "worker", "streams", "report", "context", "notes"):
        isolated.write(f"{name}.py", f"def f(): return '{name} of the job'\n")
    isolated.start()
    for name in ("call", "worker", "streams", "report", "context", "notes"):
        assert isolated.call(f"{name}:f").result == f"{name} of the job"
    assert isolated.call("tasks:plain").code == 0


def test_pythonsafepath_is_no_trouble(isolated: WorkerRig):
    isolated.start(env={"PYTHONSAFEPATH": "1"})
    assert isolated.call("tasks:plain").code == 0
