"""Results, notes and reports that no reader could read: the run ends, and says what is not kept."""

import json

import pytest
from daemon.workerlive import MODULE, WorkerDaemon, worker_daemon
from live import until

from jobrun.domain.errors import UsageError
from jobrun.domain.run import Cause, Outcome

ODD = '''
import json

def nest(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value

def long(digits):
    sys.set_int_max_str_digits(0)
    return 10 ** (digits - 1)

def left(text):
    with open(os.environ["JOBRUN_RESULT"], "w") as file:
        file.write(text)

def left_and_gone(text):
    left(text)
    os._exit(0)

def kept_and_failed(depth):
    from jobrun.task import result
    try:
        raise ConnectionError("no answer")
    finally:
        result(nest(depth))

def note(text):
    with open(os.environ["JOBRUN_NOTES"], "w") as file:
        file.write(text)

def unreadable():
    """What a worker of ours never does: give back what no reader can read."""
    names = sys._getframe(1).f_globals
    usual = names["to_json"]
    def once(value):
        names["to_json"] = usual
        return "[" * 5000 + "]" * 5000
    names["to_json"] = once
    return 1

class Sly(Exception):
    def __str__(self):
        sys.exit(0)

def sly():
    raise Sly
'''
PYTHON = '[jobs.{name}]\npython = "tasks:{target}"\nargs = {args}\n'


@pytest.fixture
def daemon_of(daemon):
    def make(job_file: str) -> WorkerDaemon:
        found = worker_daemon(daemon, job_file)
        (found.code / "tasks.py").write_text(MODULE + ODD)
        return found.start()

    return make


def job(name: str, target: str, *args: object, **more: object) -> str:
    text = PYTHON.format(name=name, target=target, args=json.dumps(args))
    return text + "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())


def test_half_a_surrogate_pair_in_a_result_file(daemon_of):
    half = r'"\ud800"'
    shell = "[jobs.shell]\ncommand = '''printf '%s' '\"\\ud800\"' > $JOBRUN_RESULT'''\n"
    jobs = daemon_of(shell + job("warm", "left_and_gone", half))
    for name in ("shell", "warm"):
        run = jobs.run(name)
        assert run.status.outcome is Outcome.SUCCEEDED
        assert json.loads(jobs.result(run.id)) == "\ud800"


@pytest.mark.parametrize("text", ["NaN", "[1e999]", "[" * 101 + "]" * 101, "1" * 601])
def test_a_result_file_that_is_not_json_for_all_is_not_kept(daemon_of, text: str):
    jobs = daemon_of(f"[jobs.shell]\ncommand = 'echo {text} > $JOBRUN_RESULT'\n" + job("warm", "left", text))
    for name in ("shell", "warm"):
        run = jobs.run(name)
        assert run.status.outcome is Outcome.SUCCEEDED
        assert jobs.result(run.id) is None
    assert "is not kept" in jobs.printed(run.id)


@pytest.mark.parametrize("isolation", ["warm", "fresh"])
def test_a_result_no_reader_could_read_fails_the_run(daemon_of, isolation: str):
    jobs = daemon_of(
        job("deep", "nest", 985, isolation=isolation)
        + job("deeper", "nest", 101, isolation=isolation)
        + job("long", "long", 6000, isolation=isolation)
        + job("shorter", "long", 601, isolation=isolation)
        + job("fits", "nest", 100, isolation=isolation)
        + job("too", "long", 600, isolation=isolation)
    )
    for name in ("deep", "deeper", "long", "shorter"):
        status = jobs.run(name).status
        assert (status.outcome, status.cause) == (Outcome.FAILED, Cause.EXCEPTION)
        assert status.detail.startswith("BadResult: ")
    for name in ("fits", "too"):
        run = jobs.run(name)
        assert (run.status.outcome, run.status.detail) == (Outcome.SUCCEEDED, "")
        assert jobs.result(run.id) is not None


def test_what_the_daemon_cannot_read_of_a_call_ends_it_and_no_other(daemon_of):
    text = job("odd", "unreadable") + job("good", "add", 1, 2)
    jobs = daemon_of("[pools.default]\nmax = 1\n" + text)
    jobs.run("good")
    odd, good = jobs.live.run("odd"), jobs.live.run("good")
    status = jobs.live.done(odd).status
    assert (status.outcome, status.cause) == (Outcome.FAILED, Cause.EXCEPTION)
    assert status.detail == "BadResult: what the worker said of the call's end cannot be read"
    assert jobs.live.done(good).id == good
    until(lambda: all(worker["state"] == "idle" for worker in jobs.workers()), "the place to be free")


@pytest.mark.parametrize(
    "text",
    [
        '{"at": 1, "percent": ' + "9" * 400 + "}",
        '{"at": 1, "meta": {"a": ' + "[" * 480 + "]" * 480 + "}}",
        r'{"at": 1, "state": "\ud800", "meta": {"\ud800": "\udfff"}}',
    ],
)
def test_notes_no_reader_could_read(daemon_of, text: str):
    run = daemon_of(job("j", "note", text)).run("j")
    assert run.status.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("isolation", ["warm", "fresh"])
def test_an_exception_whose_text_leaves_is_a_failure(daemon_of, isolation: str):
    status = daemon_of(job("j", "sly", isolation=isolation)).run("j").status
    assert (status.outcome, status.cause) == (Outcome.FAILED, Cause.EXCEPTION)
    assert status.detail.startswith("Sly: ")


def test_sys_exit_is_an_exit_code_whichever_it_is(daemon_of):
    codes = (1, 2, 3, 75)
    jobs = daemon_of("".join(job(f"j{code}", "quit", code) for code in codes))
    for code in codes:
        status = jobs.run(f"j{code}").status
        assert (status.cause, status.detail) == (Cause.EXIT_CODE, f"exit code {code}")


@pytest.mark.parametrize("data", [float("inf"), [float("nan")], 10**600])
def test_the_daemon_refuses_data_that_is_not_json(daemon_of, data: object):
    jobs = daemon_of(job("j", "nap", 0))
    for args in ({"data": data}, {"bulk": [1, data]}):
        with pytest.raises(UsageError, match="not JSON"):
            jobs.live.client.call("run", job="j", **args)
    assert jobs.live.runs() == []
