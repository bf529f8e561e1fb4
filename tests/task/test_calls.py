"""What a warm worker can call, what it says about it, and what it writes down."""

import json
from pathlib import Path

import pytest

from tests.task.support import USUAL, Call, WorkerRig

TASKS = '''
import asyncio, os, sys, jobrun.task
from jobrun.task import progress, result

def add(a, b=0): return a + b
def nothing(): pass
def show(*args, **kwargs): return [list(args), kwargs]
class Group:
    @staticmethod
    def deep(): return "deep"
def context():
    seen = jobrun.task.context()
    return [seen.run_id, seen.attempt, seen.max_attempts, seen.job, seen.queue, seen.data,
            seen.scheduled_at and seen.scheduled_at.timestamp(), seen.checkpoint_dir, seen.resume_from]
async def wait(value):
    await asyncio.sleep(0.001)
    return {"value": value}
def steps(n):
    """Each step is checked by what is in the notes after it."""
    seen = []
    for item in (10, (1, 4), {"percent": 40, "state": "crop", "page": 3}, "later", None):
        yield item
        seen.append(notes())
    return [n, seen]
async def async_steps():
    yield 70
    await asyncio.sleep(0)
    yield 3, 4
def notes():
    with open(os.environ["JOBRUN_NOTES"], "rb") as file: text = file.read(1024)
    import json
    note = json.loads(text)
    return [note["percent"], note["state"], note["meta"]]
def odd_steps(): yield object(); yield object(); yield 5
def kept(): result({"a": 1})
def kept_and_returned(): result(1); return 2
def kept_and_failed(): result("so far"); raise ValueError("no")
def left(text):
    with open(os.environ["JOBRUN_RESULT"], "w") as file: file.write(text)
def child_keeps():
    pid = os.fork()
    if not pid:
        result("the child's"); os._exit(0)
    os.waitpid(pid, 0)
def argv(): return sys.argv
def where(): return [os.getcwd(), sys.path[0], sys.path[1]]
def size(text): return len(text)
def large(n): return "x" * n
'''


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    rig.write("lib/inner.py", "def f(): return 'inner'\n")
    return rig.start(python_path=[str(rig.home / "lib")])


def test_a_call_in_messages_and_in_its_status_file(calls: WorkerRig):
    begun = calls.begin("tasks:add", 1, kwargs={"b": 2})
    assert json.loads(begun.path.read_bytes()[256:]) == {
        "worker": 7,
        "pid": calls.pid,
        "leader": [1, 2, "boot"],
    }
    said = calls.receive()
    assert set(said) == {"op", "fence", "exit", "at", "user", "system", "rss", "report"}
    assert (said["op"], said["fence"], said["exit"]) == ("ended", "1.1", 0)
    assert said["rss"] > 1 << 20
    done = Call(calls, begun.request, {**USUAL, **said})
    assert (done.code, done.result, done.exit_code) == (0, 3, 0)
    who = {"worker": 7, "pid": calls.pid, "leader": [1, 2, "boot"]}
    assert done.tail == {**who, "begun": begun.begun, "result": 3}
    assert done.path.read_bytes()[255:256] == b"\n"


def test_a_call_that_returns_nothing(calls: WorkerRig):
    done = calls.call("tasks:nothing")
    assert (done.code, done.report, done.exit_code) == (0, {}, 0)
    who = {"worker": 7, "pid": calls.pid, "leader": [1, 2, "boot"]}
    assert done.tail == {**who, "begun": done.begun}


@pytest.mark.parametrize(
    ("target", "args", "result"),
    [
        ("tasks:show", ["ü\n", None, {"a": [1.5]}], [["ü\n", None, {"a": [1.5]}], {}]),
        ("tasks:Group.deep", [], "deep"),
        ("tasks:wait", ["x"], {"value": "x"}),
        ("inner:f", [], "inner"),
        ("tasks:argv", [], ["tasks:argv"]),
        ("tasks:kept", [], {"a": 1}),
        ("tasks:kept_and_returned", [], 2),
        ("tasks:left", ['{"from": "a child"}\n'], {"from": "a child"}),
        ("tasks:child_keeps", [], "the child's"),
    ],
)
def test_results(calls: WorkerRig, target: str, args: list, result: object):
    done = calls.call(target, *args)
    assert (done.code, done.result) == (0, result), done.out


def test_a_result_file_that_is_not_json_is_remarked_upon(calls: WorkerRig):
    done = calls.call("tasks:left", "not json")
    assert (done.code, done.report) == (0, {})
    assert done.out.startswith(f"jobrun: the result in {done.request['result']} is not kept (")


def test_a_kept_result_stands_beside_an_error(calls: WorkerRig):
    done = calls.call("tasks:kept_and_failed")
    assert done.code == 1
    assert done.result == "so far"
    assert done.error["type"] == "ValueError"
    assert calls.call("tasks:nothing").report == {}


def test_yields_are_progress(calls: WorkerRig):
    done = calls.call("tasks:steps", 5)
    percents = [[10.0, None, {}], [25.0, None, {}], [40.0, "crop", {"page": 3}], [None, "later", {}]]
    assert done.result == [5, [*percents, percents[-1]]]


def test_an_async_generator(calls: WorkerRig):
    done = calls.call("tasks:async_steps")
    assert (done.code, done.report) == (0, {})
    assert json.loads(Path(done.request["notes"]).read_bytes()[:1024])["percent"] == 75.0


def test_yields_that_are_no_progress_are_remarked_upon_once(calls: WorkerRig):
    done = calls.call("tasks:odd_steps")
    assert done.code == 0
    assert done.out == ("jobrun: a yielded object is not progress (a number, (i, n), a text or a dict is)\n")


def test_the_context(calls: WorkerRig):
    env = {
        "JOBRUN_SCHEDULED_AT": "2026-12-01T02:00:00.5Z",
        "JOBRUN_CHECKPOINT_DIR": "/c",
        "JOBRUN_RESUME_FROM": "/c/x",
    }
    done = calls.call("tasks:context", env=env, data='{"ü": [1]}')
    assert done.result[:6] == [1, 1, 3, "job", "default", {"ü": [1]}]
    assert done.result[7:] == ["/c", "/c/x"]
    assert done.result[6] == 1796090400.5
    # The next run has none of it.
    assert calls.call("tasks:context").result[5:] == [None, None, None, None]


def test_cwd_and_python_path_come_first(calls: WorkerRig):
    home = str(calls.home)
    assert calls.call("tasks:where").result == [home, home, f"{home}/lib"]


def test_a_large_call_comes_in_a_file(calls: WorkerRig):
    request = calls.request("tasks:context", env={"JOBRUN_QUEUE": "q"}, data=json.dumps("x" * 500_000))
    path = calls.home / "large.json"
    path.write_text(json.dumps(request["entry"]))
    calls.give({**request, "entry": [request["fence"], None, None, str(path)]})
    assert calls.receive()["op"] == "begun"
    assert calls.receive()["report"] is True
    assert Call(calls, request, {}).tail["result"][4:6] == ["q", "x" * 500_000]
    assert not path.exists()


def test_a_large_call_whose_file_is_gone_is_refused(calls: WorkerRig):
    calls.give({**calls.request("tasks:add", 1), "entry": ["9.1", None, None, str(calls.home / "no.json")]})
    refused = calls.receive()
    assert (refused["op"], refused["fence"], refused["errno"]) == ("refused", "9.1", 2)
    assert calls.call("tasks:add", 1).result == 1


def test_a_large_result_is_in_the_status_file(calls: WorkerRig):
    done = calls.call("tasks:large", 1_000_000)
    assert done.ended["report"] is True
    assert done.tail["result"] == "x" * 1_000_000
    assert done.exit_code == 0


def test_a_result_over_a_mebibyte_is_an_error(calls: WorkerRig):
    done = calls.call("tasks:large", 1 << 20)
    assert done.code == 1
    assert done.error["type"] == "jobrun.BadResult"
    assert done.error["message"] == (
        "the result has 1,048,578 bytes as JSON, more than 1 MiB; write it into a file"
    )


def test_calls_sent_ahead_are_made_one_after_the_other(calls: WorkerRig):
    requests = [calls.request("tasks:add", number) for number in range(50)]
    for request in requests:
        calls.give(request)
    seen = [calls.receive() for _ in range(100)]
    assert [message["op"] for message in seen] == ["begun", "ended"] * 50
    assert [message["fence"] for message in seen[::2]] == [request["fence"] for request in requests]
    assert [message["report"]["result"] for message in seen[1::2]] == list(range(50))


def test_data_that_the_daemon_wrote_itself(calls: WorkerRig):
    path = calls.write("run.data", "[7]")
    done = calls.call("tasks:context", env={"JOBRUN_DATA": str(path)})
    assert done.result[5] == [7]


class TestScripts:
    SCRIPT = """
import json, os, sys
import beside
print(__name__, sys.argv, sys.path[0])
if len(sys.argv) > 2: sys.exit(int(sys.argv[2]))
if __name__ == "__main__":
    from jobrun.task import result
    result(beside.value)
"""

    @pytest.fixture
    def script(self, calls: WorkerRig) -> str:
        calls.write("scripts/beside.py", "value = 5\n")
        return str(calls.write("scripts/job.py", self.SCRIPT))

    def test_a_script_runs_as_by_hand(self, calls: WorkerRig, script: str):
        done = calls.call(script, 1)
        assert (done.code, done.result) == (0, 5)
        assert done.out == f"__main__ {[script, '1']} {calls.home}/scripts\n"
        assert calls.call("tasks:where").result[0] == str(calls.home)
        assert calls.call("tasks:argv").result == ["tasks:argv"]

    def test_its_exit_code(self, calls: WorkerRig, script: str):
        done = calls.call(script, 1, 5)
        assert (done.code, done.exit_code) == (5, 5)
        assert done.error["type"] == "SystemExit"

    def test_a_script_takes_no_kwargs(self, calls: WorkerRig, script: str):
        done = calls.call(script, kwargs={"a": 1})
        assert done.code == 2
        assert done.error["message"] == f"{script} is a script: it takes args, and no kwargs"

    def test_a_missing_script(self, calls: WorkerRig):
        done = calls.call("/nowhere/x.py")
        assert (done.code, done.out) == (2, "jobrun: there is no script /nowhere/x.py\n")

    def test_an_error_in_it_shows_its_own_frames(self, calls: WorkerRig):
        path = str(calls.write("bad.py", "1 / 0\n"))
        done = calls.call(path)
        assert done.code == 1
        assert done.error["traceback"].startswith(
            f'Traceback (most recent call last):\n  File "{path}", line 1'
        )
        assert "runpy" not in done.error["traceback"]

    def test_a_module_beside_it_that_changed_makes_the_worker_stale(self, calls: WorkerRig, script: str):
        assert calls.call(script).code == 0
        calls.write("scripts/beside.py", "value = 66\n")
        request = calls.request(script)

        def answer() -> str:
            calls.give(request)
            return calls.receive()["op"]

        seen = answer()
        while seen == "begun":  # it looks every 0.2 seconds
            calls.receive()
            request = calls.request(script)
            seen = answer()
        assert seen == "stale"
