"""What a Python job can say and be told, through the real daemon: in a warm worker and in a fresh process."""

import json
import os
import sys
from pathlib import Path

import pytest
from daemon.workerlive import worker_daemon
from live import until

from jobrun.domain.run import Cause, Delayed, Outcome
from jobrun.proc.checkpoints import read_index, run_directory
from jobrun.proc.spool import find_progress

CODE = """
import os
import sys
from pathlib import Path
from jobrun.task import Dead, Retry, checkpoint, context, progress, result

def about():
    us = context()
    return {"run": us.run_id, "attempt": us.attempt, "of": us.max_attempts, "job": us.job,
            "queue": us.queue, "data": us.data, "cwd": os.getcwd()}

def again():
    if context().attempt < 3:
        raise Retry(in_=0.05)
    return "third time"

def dead():
    raise Dead("the customer is gone")

def flaky():
    if context().attempt == 1:
        raise BrokenPipeError("line is down")
    raise KeyError("no such thing")

def counts(gate):
    progress(3, 12, state="COUNTING", epoch=7)
    while not os.path.exists(gate):
        os.sched_yield()
    progress(100)

def steps():
    for step in range(5):
        yield (step + 1, 5)
    return "all"

async def later():
    return "later"

def train(fail_at):
    start = 0
    found = checkpoint.latest()
    if found:
        start = int(Path(found).read_text())
    for step in range(start, 10):
        path = Path(checkpoint.directory()) / f"model_{step}"
        path.write_text(str(step))
        checkpoint.save(path, step)
        if step == fail_at and context().attempt == 1:
            raise RuntimeError("lost power")
    return start

def pid():
    return os.getpid()

def uid():
    print(os.getuid(), os.getgroups())
    return os.getuid()

def odd():
    return object()

def told():
    own = ("JOBRUN_WORKER", "JOBRUN_STATE_DIR", "JOBRUN_CONFIG")
    return {name: value for name, value in os.environ.items() if name[:7] == "JOBRUN_" and name not in own}
"""


@pytest.fixture(params=["warm", "fresh"])
def jobs(daemon, request):
    """Makes a started daemon with these jobs, in the isolation of the parameter."""

    def make(text: str):
        workers = worker_daemon(daemon, f'isolation = "{request.param}"\n{text}')
        (workers.code / "said.py").write_text(CODE)
        return workers.start()

    return make


def outcome(run):
    return run.status.outcome, run.status.cause


def report(workers, run_id):
    return workers.live.history.reports(run_id)[-1][1]


def test_a_job_learns_who_it_is(jobs):
    workers = jobs(
        '[jobs.j]\npython = "said:about"\nattempts = 4\nqueue = "gpu"\ndata = { to = "a@b", n = 1 }\n'
    )
    told = json.loads(workers.result(workers.run("j").id))
    assert told["cwd"] and told.pop("cwd")
    assert told == {
        "run": 1,
        "attempt": 1,
        "of": 4,
        "job": "j",
        "queue": "gpu",
        "data": {"to": "a@b", "n": 1},
    }
    own = workers.run("j", data={"to": "c@d"})
    assert json.loads(workers.result(own.id))["data"] == {"to": "c@d"}


SHOW = """
import json, os, said
with open(os.environ["JOBRUN_RESULT"], "w") as file:
    json.dump(said.told(), file)
"""


def test_every_kind_of_job_is_told_the_same(daemon):
    """A warm worker derives most of it from the fence; the others get it from the daemon."""
    bodies = {
        "warm": 'python = "said:told"\nisolation = "warm"',
        "fresh": 'python = "said:told"\nisolation = "fresh"',
        "shell": f'command = "{sys.executable} {{code}}/show.py"\nenv = {{ PYTHONPATH = "{OURS}" }}',
    }
    shared = 'queue = "gpu"\nattempts = 3\ndata = [1]\n'
    tables = (f"[jobs.{name}]\n{body}\n{shared}" for name, body in bodies.items())
    workers = worker_daemon(daemon, "".join(tables))
    (workers.code / "said.py").write_text(CODE)
    (workers.code / "show.py").write_text(SHOW)
    workers.start()
    seen = {}
    for name in bodies:
        run = workers.run(name)
        assert run.status.outcome is Outcome.SUCCEEDED, workers.printed(run.id)
        text = workers.result(run.id).replace(f"/{run.fence}.", "/FENCE.")
        seen[name] = json.loads(text)
        assert (seen[name].pop("JOBRUN_RUN_ID"), seen[name].pop("JOBRUN_JOB")) == (str(run.id), name)
    assert seen["warm"] == seen["fresh"] == seen["shell"]
    assert seen["warm"].keys() >= {"JOBRUN_QUEUE", "JOBRUN_MAX_ATTEMPTS", "JOBRUN_DATA", "JOBRUN_NOTES"}


TRIES = """
import time, os
from jobrun.task import context

def tries(gate):
    us = context()
    with open(f"{gate}.{us.job}", "a") as file:
        print(f"try {us.attempt} of {us.max_attempts}", file=file)
    while not os.path.exists(gate):
        time.sleep(0.01)
    assert us.attempt == us.max_attempts
"""


def test_a_try_that_was_given_back_is_not_counted_to_the_job(daemon):
    """What it is told must answer whether this is its last try; the fence counts every attempt."""
    say = "echo try $JOBRUN_ATTEMPT of $JOBRUN_MAX_ATTEMPTS"
    until_gate = "until [ -e {gate} ]; do sleep 0.02; done; test $JOBRUN_ATTEMPT = 2"
    bodies = {
        "warm": 'python = "tries:tries"\nargs = ["{gate}"]\nisolation = "warm"',
        "fresh": 'python = "tries:tries"\nargs = ["{gate}"]\nisolation = "fresh"',
        "shell": f'command = "{say} >> {{gate}}.$JOBRUN_JOB; {until_gate}"',
    }
    tables = (f'[jobs.{name}]\n{body}\nattempts = 2\ndelay = "10ms"\n' for name, body in bodies.items())
    workers = worker_daemon(daemon, "".join(tables))
    (workers.code / "tries.py").write_text(TRIES)
    workers.start()
    runs = [workers.live.run(name) for name in bodies]

    def told() -> list[list[str]]:
        paths = [Path(f"{workers.gate}.{name}") for name in bodies]
        return [path.read_text().splitlines() if path.exists() else [] for path in paths]

    until(lambda: all(told()), "all to begin")
    workers.live.client.call("stop", mode="kill")
    assert workers.live.wait() == 0
    workers.start()
    until(lambda: all(len(lines) == 2 for lines in told()), "all to begin again")
    workers.gate.touch()
    ended = [workers.live.done(run_id) for run_id in runs]
    assert [(run.status.outcome, run.attempt, run.charged) for run in ended] == [
        (Outcome.SUCCEEDED, 3, 2)
    ] * 3
    assert told() == [["try 1 of 2", "try 1 of 2", "try 2 of 2"]] * 3


def test_a_retry_of_its_own(jobs):
    workers = jobs('[jobs.j]\npython = "said:again"\nattempts = 3\ndelay = "10m"\n')
    run = workers.run("j")
    assert (run.status.outcome, run.attempt) == (Outcome.SUCCEEDED, 3)
    assert workers.result(run.id) == '"third time"'


def test_dead_is_not_tried_again(jobs):
    workers = jobs('[jobs.j]\npython = "said:dead"\nattempts = 5\ndelay = "10ms"\n')
    run = workers.run("j")
    assert outcome(run) == (Outcome.FAILED, Cause.DEAD)
    assert "the customer is gone" in run.status.detail
    assert run.attempt == 1


def test_retry_on_names_exceptions_through_their_bases(jobs):
    workers = jobs(
        '[jobs.j]\npython = "said:flaky"\nattempts = 9\ndelay = "10ms"\nretry_on = ["ConnectionError"]\n'
    )
    run = workers.run("j")
    assert outcome(run) == (Outcome.FAILED, Cause.EXCEPTION)
    assert run.attempt == 2
    assert run.status.detail == "KeyError: 'no such thing'"
    error = report(workers, run.id).error
    assert error.type == "KeyError" or error.type.endswith(".KeyError")
    assert "said.py" in error.traceback


def test_progress_is_seen_while_it_runs_and_kept(jobs):
    workers = jobs('[jobs.j]\npython = "said:counts"\nargs = ["{gate}"]\n')
    run_id = workers.live.run("j")
    run = workers.live.in_state(run_id, "running")
    seen = until(lambda: find_progress(run.fence, workers.live.places.attempts), "progress")
    assert (seen.percent, seen.state, seen.meta) == (25.0, "COUNTING", {"epoch": 7})
    workers.gate.touch()
    workers.live.done(run_id)
    assert report(workers, run_id).progress.percent == 100.0


def test_generators_and_coroutines(jobs):
    workers = jobs('[jobs.g]\npython = "said:steps"\n[jobs.c]\npython = "said:later"\n')
    run = workers.run("g")
    assert workers.result(run.id) == '"all"'
    assert report(workers, run.id).progress.percent == 100.0
    assert workers.result(workers.run("c").id) == '"later"'


def test_a_result_that_is_not_json(jobs):
    workers = jobs('[jobs.j]\npython = "said:odd"\n')
    run = workers.run("j")
    assert outcome(run) == (Outcome.FAILED, Cause.EXCEPTION)
    assert "JSON" in run.status.detail


def test_a_script_with_arguments(jobs):
    workers = jobs('[jobs.j]\npython = "{code}/main.py"\nargs = ["a", "b c"]\n')
    (workers.code / "main.py").write_text(
        "import sys\nprint(__name__, sys.argv[1:])\nsys.exit(len(sys.argv))\n"
    )
    run = workers.run("j")
    assert run.status.exit_code == 3
    assert workers.printed(run.id) == "__main__ ['a', 'b c']\n"


def test_a_retry_goes_on_from_the_newest_checkpoint(jobs):
    workers = jobs(
        '[jobs.j]\npython = "said:train"\nargs = [6]\nattempts = 2\ndelay = "10ms"\n'
        "checkpoint = { keep = 2 }\n"
    )
    run = workers.run("j")
    assert (run.status.outcome, run.attempt) == (Outcome.SUCCEEDED, 2)
    assert workers.result(run.id) == "6"
    kept = read_index(run_directory("j", run.id, workers.live.state))
    assert [entry["step"] for entry in kept] == [8, 9]
    again = workers.run("j", resume_from="latest")
    assert workers.result(again.id) == "9"


@pytest.mark.parametrize("isolation", ["warm", "fresh"])
def test_without_resume_a_retry_begins_anew(jobs, isolation):
    workers = jobs(
        f'[jobs.j]\npython = "anew:train"\nisolation = "{isolation}"\nattempts = 2\ndelay = "10ms"\n'
        "checkpoint = { resume = false }\n"
    )
    (workers.code / "anew.py").write_text(
        "from jobrun.task import Retry, checkpoint, context\n"
        "def train():\n"
        "    start = checkpoint.latest()\n"
        "    with open('state', 'w') as file: file.write('x')\n"
        "    checkpoint.save('state', context().attempt)\n"
        "    if context().attempt == 1: raise Retry()\n"
        "    return [start and start.name, checkpoint.latest().name]\n"
    )
    run = workers.run("j")
    assert (run.status.outcome, run.attempt) == (Outcome.SUCCEEDED, 2)
    assert json.loads(workers.result(run.id)) == [None, "state_step_2"]


def test_a_shell_job_speaks_by_files(daemon):
    workers = worker_daemon(
        daemon,
        """
[jobs.j]
command = '''
echo "{\\"sum\\": 3, \\"data\\": $(cat $JOBRUN_DATA)}" > $JOBRUN_RESULT
'''
data = [1, 2]
""",
    ).start()
    run = workers.run("j")
    assert json.loads(workers.result(run.id)) == {"sum": 3, "data": [1, 2]}


OTHERS_PYTHON = Path("/usr/bin/python3")
OURS = Path(__file__).resolve().parents[2]


def is_open_to_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not OTHERS_PYTHON.exists(), reason="no Python that others may run")
@pytest.mark.skipif(not is_open_to_others(OURS), reason="others may not read where jobrun lies")
def test_another_account(jobs):
    workers = jobs(
        f'[jobs.j]\npython = "said:uid"\nuser = "nobody"\n'
        f'interpreter = "{OTHERS_PYTHON}"\ncheckpoint = true\n'
    )
    for folder in (workers.live.directory, *workers.live.directory.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    run = workers.run("j")
    assert run.status.outcome is Outcome.SUCCEEDED, (run, workers.printed(run.id))
    assert workers.result(run.id) == "65534"
    (output,) = workers.live.history.outputs(run.id)
    assert output.body is not None and output.body.startswith(b"65534 ")


def test_a_foreign_interpreter_without_jobrun(jobs):
    old = sorted(Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python3.9"))
    if not old:
        pytest.skip("no Python 3.9 here")
    workers = jobs(f'[jobs.j]\npython = "said:about"\ninterpreter = "{old[-1]}"\n')
    run = workers.run("j")
    assert run.status.outcome is Outcome.SUCCEEDED, workers.printed(run.id)


def test_a_delayed_retry_waits_as_long_as_it_was_asked(jobs):
    workers = jobs('[jobs.j]\npython = "said:again"\nattempts = 2\n')
    module = workers.code / "said.py"
    module.write_text(CODE.replace("in_=0.05", 'in_="2h"'))
    run_id = workers.live.run("j")
    run = workers.live.in_state(run_id, "delayed")
    assert isinstance(run.status, Delayed)
    (attempt,) = workers.live.history.attempts(run_id)
    assert run.status.until == attempt.end.ended_at + 7_200_000_000
