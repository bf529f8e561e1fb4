"""Runs from request to history row, through the real daemon and real processes."""

import json
import time
from itertools import pairwise

import pytest
from live import is_running, until

from jobrun.domain.errors import Conflict, NotFound, UsageError
from jobrun.domain.instants import SECOND
from jobrun.domain.run import Cause, Delayed, Done, Outcome

JOBS = r"""
[jobs.ok]
command = "echo hello; echo oops >&2"

[jobs.array]
command = ["printf", "%s|", "a b", "$HOME", "*"]

[jobs.fails]
command = "exit 3"

[jobs.killed]
command = "kill -SEGV $$"

[jobs.missing]
command = ["/no/such/program"]

[jobs.retried]
command = "test $JOBRUN_ATTEMPT = 3"
attempts = 5
backoff = "fixed"
delay = "50ms"

[jobs.exhausted]
command = "exit 9"
attempts = 2
delay = "10ms"

[jobs.not_retried]
command = "exit 2"
attempts = 5
delay = "10ms"
no_retry_on = [2]

[jobs.slow]
command = "sleep 60"

[jobs.environment]
command = "env"
env = { USER_NAME = "ann", GREETING = "hello ${USER_NAME}" }

[jobs.timeout]
command = "trap '' TERM; sleep 60 & echo $!; sleep 60"
timeout = "300ms"
grace = "300ms"

[jobs.soft]
command = "trap 'echo cleaning up; exit 0' USR1; sleep 60 & wait"
soft_timeout = "200ms"
soft_signal = "SIGUSR1"
timeout = "30s"

[jobs.python]
python = "json:dumps"
args = [[1, 2]]
"""


@pytest.fixture
def live(daemon):
    return daemon(JOBS).start()


def outcome(run):
    return run.status.outcome, run.status.cause


def test_success_and_its_output(live):
    run = live.done(live.run("ok"))
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert run.status.exit_code == 0
    (output,) = live.history.outputs(run.id)
    assert output.body == b"hello\noops\n"
    (attempt,) = live.history.attempts(run.id)
    assert attempt.end.outcome == "succeeded"
    assert attempt.end.user_time is not None
    assert attempt.opened_at <= attempt.started_at <= attempt.end.ended_at


def test_an_array_meets_no_shell(live):
    run = live.done(live.run("array"))
    assert live.history.outputs(run.id)[0].body == b"a b|$HOME|*|"


@pytest.mark.parametrize(
    ("job", "expected", "words"),
    [
        ("fails", (Outcome.FAILED, Cause.EXIT_CODE), "exit code 3"),
        ("killed", (Outcome.FAILED, Cause.SIGNAL), "SIGSEGV"),
        ("missing", (Outcome.FAILED, Cause.SPAWN), "no such file"),
    ],
)
def test_failures_say_why(live, job, expected, words):
    run = live.done(live.run(job))
    assert outcome(run) == expected
    assert words in run.status.detail.lower() or words in run.status.detail


def test_retries_happen_until_success_and_every_attempt_is_a_row(live):
    run = live.done(live.run("retried"))
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    attempts = live.history.attempts(run.id)
    assert [a.end.outcome for a in attempts] == ["failed", "failed", "succeeded"]
    gap = attempts[1].opened_at - attempts[0].end.ended_at
    assert 50_000 <= gap < 5 * SECOND


def test_exhausted_and_not_retryable(live):
    assert live.done(live.run("exhausted")).attempt == 2
    assert live.done(live.run("not_retried")).attempt == 1


def test_the_environment_of_a_job(live):
    run = live.done(live.run("environment"))
    printed = dict(line.split("=", 1) for line in live.history.outputs(run.id)[0].body.decode().splitlines())
    assert printed["JOBRUN_RUN_ID"] == str(run.id)
    assert printed["JOBRUN_JOB"] == "environment"
    assert printed["JOBRUN_ATTEMPT"] == printed["JOBRUN_MAX_ATTEMPTS"] == "1"
    assert printed["JOBRUN_QUEUE"] == "default"
    assert printed["GREETING"] == "hello ann"
    assert "NOTIFY_SOCKET" not in printed
    assert "VIRTUAL_ENV" not in printed


def test_a_timeout_takes_the_whole_tree_and_is_recorded(live):
    """TRAPS, Processes: signals that reach only the shell."""
    run = live.done(live.run("timeout"))
    assert outcome(run) == (Outcome.TIMED_OUT, Cause.TIMEOUT)
    (attempt,) = live.history.attempts(run.id)
    assert attempt.end.killed
    child = int(live.history.outputs(run.id)[0].body.split()[0])
    assert not is_running(child)


def test_a_soft_timeout_lets_the_job_clean_up(live):
    run = live.done(live.run("soft"))
    assert outcome(run) == (Outcome.SUCCEEDED, None)
    assert b"cleaning up" in live.history.outputs(run.id)[0].body


def test_a_python_call(live):
    assert outcome(live.done(live.run("python"))) == (Outcome.SUCCEEDED, None)


def test_cancel_running_and_waiting(live):
    running = live.run("slow")
    live.in_state(running, "running")
    later = live.run("ok", at=(time.time_ns() // 1000) + 3600 * SECOND)
    assert isinstance(live.see(later).status, Delayed)
    answer = live.client.call("cancel", runs=[running, later])
    assert answer["cancelled"] == [running, later]
    for run_id in (running, later):
        assert outcome(live.done(run_id)) == (Outcome.CANCELLED, Cause.USER)
    assert live.client.call("cancel", runs=[running])["already_done"] == [running]


def test_a_run_asked_for_later_starts_later(live):
    moment = time.time_ns() // 1000 + SECOND
    run = live.done(live.run("ok", at=moment))
    assert live.history.attempts(run.id)[0].opened_at >= moment


def test_a_run_for_later_leaves_the_schedule_alone_and_then_waits(daemon, tmp_path):
    """A job that somebody wants once more tomorrow must not stand still until then."""
    gate = tmp_path / "gate"
    live = daemon(
        '[jobs.tick]\nevery = "1s"\ncommand = "true"\n'
        f'[jobs.held]\ncommand = "while [ ! -e {gate} ]; do sleep 0.02; done"\n'
    ).start()
    later = live.run("tick", at=time.time_ns() // 1000 + 3600 * SECOND)
    until(lambda: len(live.runs("tick")) > 2, "two slots of the schedule")
    assert {run.status.cause for run in live.runs("tick") if isinstance(run.status, Done)} == {None}
    assert isinstance(live.see(later).status, Delayed)
    first = live.run("held")
    live.in_state(first, "running")
    second = live.run("held", at=time.time_ns() // 1000 + SECOND)
    until(lambda: live.see(second).state == "queued", "its moment")
    assert live.see(first).state == "running"
    gate.touch()
    assert outcome(live.done(second)) == (Outcome.SUCCEEDED, None)
    assert live.history.attempts(second)[0].opened_at >= live.history.attempts(first)[0].end.ended_at


def test_a_run_for_later_takes_its_place_at_its_moment_under_replace(daemon):
    live = daemon('[jobs.j]\ncommand = "[ $JOBRUN_RUN_ID = 2 ] || sleep 300"\noverlap = "replace"\n').start()
    first = live.run("j")
    live.in_state(first, "running")
    second = live.run("j", at=time.time_ns() // 1000 + SECOND)
    assert live.see(first).state == "running"
    assert outcome(live.done(first)) == (Outcome.CANCELLED, Cause.SUPERSEDED)
    assert outcome(live.done(second)) == (Outcome.SUCCEEDED, None)


@pytest.mark.parametrize("rule", ["skip", "queue_one", "replace"])
def test_retries_of_one_job_wait_for_each_other(daemon, rule, tmp_path):
    """Each has data of its own; one that is skipped would count as retried, and its work be lost."""
    live = daemon(
        f'[jobs.j]\ncommand = \'[ -e {tmp_path}/good ] && cat "$JOBRUN_DATA"\'\noverlap = "{rule}"\n'
    ).start()
    failed = [live.done(live.run("j", data=text)).id for text in ("a", "b", "c")]
    (tmp_path / "good").touch()
    pairs = live.client.call("retry", failed=True)["retried"]
    assert [pair["run"] for pair in pairs] == failed
    again = [live.done(pair["new"]) for pair in pairs]
    assert [outcome(run) for run in again] == [(Outcome.SUCCEEDED, None)] * 3
    assert [live.history.outputs(run.id)[0].body for run in again] == [b'"a"', b'"b"', b'"c"']
    ends = [(a.opened_at, a.end.ended_at) for run in again for a in live.history.attempts(run.id)]
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


def test_submit_and_retry(live):
    table = {"command": ["sh", "-c", "exit 4"], "timeout": "10s"}
    submitted = live.client.call("submit", name="sh", table=table)["run"]
    run = live.done(submitted)
    assert run.job == "submit:sh"
    assert run.status.exit_code == 4
    (again,) = live.client.call("retry", runs=[submitted])["retried"]
    second = live.done(again["new"])
    assert (second.retry_of, second.status.exit_code) == (submitted, 4)
    assert live.client.call("retry", failed=True)["retried"][0]["run"] == second.id


def test_two_submissions_of_one_program_both_run(live):
    table = {"command": ["sleep", "30"]}
    for run_id in [live.client.call("submit", name="sleep", table=table)["run"] for _ in range(2)]:
        live.in_state(run_id, "running")


def test_wait_answers_when_the_run_ends(live):
    run_id = live.run("soft")
    answer = live.client.call("wait", runs=[run_id], timeout=20, answer_within=25)
    assert answer["runs"][0]["outcome"] == "succeeded"
    slow = live.run("slow")
    assert live.client.call("wait", runs=[slow], timeout=0.05, answer_within=5)["timed_out"]


def test_refusals_name_what_is_wrong(live):
    with pytest.raises(NotFound) as caught:
        live.client.call("run", job="okay")
    assert "ok" in caught.value.hint
    with pytest.raises(NotFound):
        live.client.call("cancel", runs=[4711])
    with pytest.raises(UsageError):
        live.client.call("cancel", runs="all")
    with pytest.raises(UsageError):
        live.client.call("fly")
    slow = live.run("slow")
    with pytest.raises(Conflict, match="not finished"):
        live.client.call("retry", runs=[slow])


def test_working_files_are_gone_when_the_end_is_durable(live):
    for job in ("ok", "fails", "missing", "retried"):
        live.done(live.run(job))
    until(lambda: not list(live.places.attempts.iterdir()), "the working files to go")
    assert not [path for path in live.places.logs.rglob("*") if path.is_file()]


def test_a_large_output_stays_a_file_with_head_and_tail(daemon):
    live = daemon(
        """
[jobs.chatty]
command = "seq 1 20000"
log_max = "40K"
"""
    ).start()
    run = live.done(live.run("chatty"))
    (output,) = live.history.outputs(run.id)
    text = (live.state / output.path).read_text()
    assert text.startswith("1\n2\n")
    assert text.endswith("19999\n20000\n")
    assert f"{output.dropped} bytes dropped" in text
    assert output.size - output.dropped == 40 << 10


def test_a_grandchild_that_holds_the_output_does_not_keep_the_run_open(daemon):
    """TRAPS, Processes: a run that never ends because a child keeps the pipe open (yacron #70)."""
    live = daemon(
        """
[jobs.leaves]
command = "setsid sleep 300 & echo $!"

[jobs.allowed]
command = "setsid sleep 300 & echo $!"
leave_children = true
"""
    ).start()
    run = live.done(live.run("leaves"))
    assert run.status.outcome is Outcome.SUCCEEDED
    assert live.history.attempts(run.id)[0].end.left_behind >= 1
    assert not is_running(int(live.history.outputs(run.id)[0].body))
    allowed = live.done(live.run("allowed"))
    assert is_running(int(live.history.outputs(allowed.id)[0].body))


def test_log_lines_as_json(daemon):
    live = daemon(JOBS).start("--log-format", "json")
    live.done(live.run("fails"))
    live.stop()
    events = [json.loads(line) for line in live.log().splitlines()]
    done = next(event for event in events if event["event"] == "run.done")
    assert (done["level"], done["outcome"], done["cause"]) == ("error", "failed", "exit_code")
    assert [event["event"] for event in events][-1] == "daemon.stopped"
