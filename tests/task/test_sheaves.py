"""Many calls in one message: one job that they share, and what becomes of those that are not made."""

import json
from pathlib import Path

import pytest

from tests.task.support import WorkerRig, is_quiet, until

TASKS = r"""
import pathlib, os, threading, time

def add(a, b): return a + b
def fence(): return [os.environ["JOBRUN_RUN_ID"], os.environ["JOBRUN_ATTEMPT"]]
def grow(list, dict): list.append(1); dict["n"] = dict.get("n", 0) + 1; return [list, dict]
def size(text): return len(text)
def told(): return {k: v for k, v in os.environ.items() if k.startswith("JOBRUN_")}
def leave_thread(): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
def say(): print("said by a call")
def nothing(): pass
def goodbye(): print("said by the hook")
def wait():
    pathlib.Path("ready").write_text("x")
    while not os.path.exists("go"): time.sleep(0.005)
"""


@pytest.fixture
def calls(rig: WorkerRig) -> WorkerRig:
    rig.write("tasks.py", TASKS)
    return rig.start()


def stale(requests: list[dict]) -> list[dict]:
    return [{"op": "stale", "fence": request["fence"]} for request in requests]


def results(calls: WorkerRig, number: int) -> list:
    """Of so many calls, which were begun and ended one after the other."""
    seen = [calls.receive() for _ in range(2 * number)]
    assert [message["op"] for message in seen] == ["begun", "ended"] * number
    return [message["report"]["result"] for message in seen[1::2]]


def test_a_sheaf_is_made_in_its_order(calls: WorkerRig):
    requests = [calls.request("tasks:fence") for _ in range(32)]
    calls.give(*requests)
    seen = [calls.receive() for _ in range(64)]
    assert [message["op"] for message in seen] == ["begun", "ended"] * 32
    assert [message["fence"] for message in seen[::2]] == [request["fence"] for request in requests]
    assert [message["report"]["result"] for message in seen[1::2]] == [[str(n), "1"] for n in range(1, 33)]


def test_the_end_of_a_call_and_the_begin_of_the_next_come_together(calls: WorkerRig):
    calls.give(*[calls.request("tasks:add", 1, 2) for _ in range(3)])
    told = [json.loads(calls.socket.recv(1 << 16)) for _ in range(4)]
    operations = [
        [message["op"] for message in (each if isinstance(each, list) else [each])] for each in told
    ]
    assert operations == [["begun"], ["ended", "begun"], ["ended", "begun"], ["ended"]]


def test_each_call_has_arguments_of_its_own(calls: WorkerRig):
    calls.give(*[calls.request("tasks:grow", [0], {"n": 5}) for _ in range(3)])
    assert results(calls, 3) == [[[0, 1], {"n": 6}]] * 3


def test_variables_and_data_of_one_call_are_no_other_calls(calls: WorkerRig):
    own = calls.request("tasks:told", env={"JOBRUN_QUEUE": "other", "JOBRUN_SCHEDULED_AT": "x"}, data="[1]")
    calls.give(own)
    calls.give(*[calls.request("tasks:told") for _ in range(2)])
    first, second, third = results(calls, 3)
    assert (first["JOBRUN_QUEUE"], first["JOBRUN_SCHEDULED_AT"]) == ("other", "x")
    assert Path(first["JOBRUN_DATA"]).read_text() == "[1]"
    plain = {"JOBRUN_SCHEDULED_AT", "JOBRUN_DATA"}
    assert first.keys() - plain == second.keys() == third.keys()
    for number, told in ((2, second), (3, third)):
        prefix = str(calls.spool / f"{number}.1")
        assert told["JOBRUN_QUEUE"] == "default"
        assert (told["JOBRUN_RESULT"], told["JOBRUN_NOTES"]) == (f"{prefix}.result", f"{prefix}.notes")


def test_a_number_that_is_said_again_means_the_new_job(calls: WorkerRig):
    request = calls.request("tasks:add", 1, 2)
    calls.give(request)
    calls.send({"op": "job", "job": 0, **request["job"], "args": [3, 4]})
    calls.send({"op": "calls", "job": 0, "calls": ["2.1"]})
    assert results(calls, 2) == [3, 7]


def test_a_large_job_comes_in_a_file(calls: WorkerRig):
    job = calls.request("tasks:size", "x" * 3_000_000)["job"]
    path = calls.spool / "0.7.job4"
    path.write_text(json.dumps({"op": "job", "job": 4, **job}))
    calls.send({"op": "job", "job": 4, "file": str(path)})
    calls.send({"op": "calls", "job": 4, "calls": ["1.1", "2.1"]})
    assert results(calls, 2) == [3_000_000] * 2
    assert not path.exists()


def test_a_job_that_cannot_be_read_has_its_calls_refused(calls: WorkerRig):
    calls.send({"op": "job", "job": 4, "file": str(calls.home / "no.json")})
    calls.send({"op": "calls", "job": 4, "calls": ["1.1", ["2.1", None, "[1]"]]})
    for fence in ("1.1", "2.1"):
        refused = calls.receive()
        assert (refused["op"], refused["fence"], refused["errno"]) == ("refused", fence, 2)
    assert calls.call("tasks:add", 1, 2).result == 3


def test_calls_of_a_job_that_was_never_said_are_refused(calls: WorkerRig):
    calls.send({"op": "calls", "job": 9, "calls": ["1.1"]})
    assert calls.receive()["op"] == "refused"


def test_one_that_was_taken_back_is_left_out(calls: WorkerRig):
    requests = [calls.request("tasks:fence") for _ in range(3)]
    Path(requests[1]["status"]).touch()
    calls.give(*requests)
    seen = [calls.receive() for _ in range(5)]
    assert [message["op"] for message in seen] == ["begun", "ended", "dropped", "begun", "ended"]
    assert seen[2]["fence"] == requests[1]["fence"]


def test_a_worker_that_retires_gives_the_rest_back(calls: WorkerRig):
    calls.call("tasks:fence")
    sheaf = [calls.request("tasks:leave_thread") for _ in range(3)]
    later = calls.request("tasks:fence")
    with calls.held():
        calls.give(*sheaf, later)
    assert calls.receive()["op"] == "begun"
    assert calls.receive()["retire"] == "threads"
    assert [calls.receive() for _ in range(3)] == stale([*sheaf[1:], later])
    assert calls.at_end()
    assert not any(Path(request["status"]).exists() for request in (*sheaf[1:], later))


def test_without_the_daemon_the_rest_is_not_begun(calls: WorkerRig):
    requests = [calls.request("tasks:wait") for _ in range(3)]
    calls.give(*requests)
    until((calls.home / "ready").exists, "the first call")
    calls.socket.close()
    (calls.home / "go").write_text("x")
    assert calls.wait() == 0
    assert [Path(request["status"]).exists() for request in requests] == [True, False, False]
    assert calls.said() == ""


def test_a_worker_that_dies_in_a_sheaf_has_claimed_one_call(calls: WorkerRig):
    requests = [calls.request("tasks:wait") for _ in range(3)]
    calls.give(*requests)
    until((calls.home / "ready").exists, "the first call")
    calls.signal(9)
    calls.wait()
    assert [Path(request["status"]).exists() for request in requests] == [True, False, False]


@pytest.mark.parametrize("last", ["made", "taken back", "refused"])
@pytest.mark.parametrize("first", ["nothing", "say"])
def test_what_is_printed_after_a_sheaf_is_in_the_workers_log(rig: WorkerRig, first: str, last: str):
    rig.write("tasks.py", TASKS)
    calls = rig.start(on_stop="tasks:goodbye")
    before, after = calls.request(f"tasks:{first}"), calls.request(f"tasks:{first}")
    if last == "taken back":
        Path(after["status"]).touch()
    if last == "refused":
        Path(after["out"]).mkdir()
    calls.give(before, after)
    calls.retire()
    assert calls.said() == "said by the hook\n"
    said = "said by a call\n"
    for request in (before, after)[: 2 if last == "made" else 1]:
        path = Path(request["out"])
        assert (path.read_text() if first == "say" else path.exists()) == (said if first == "say" else False)


def test_an_empty_sheaf_is_no_trouble(calls: WorkerRig):
    calls.call("tasks:fence")
    calls.send({"op": "calls", "job": 0, "calls": []})
    assert calls.call("tasks:add", 1, 2).result == 3
    assert is_quiet(calls.socket)
