"""The state machine: every pair of the table, and what must never happen."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain import events as ev
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Isolation, Job, Limits, OnLost, PythonCall, RetryPolicy, ShellCommand
from jobrun.domain.ledger import AttemptClosed, AttemptOpened, AttemptStarted
from jobrun.domain.lifecycle import TABLE, NoSuchTransition, step
from jobrun.domain.report import Raised, Report
from jobrun.domain.run import (
    Cause,
    Delayed,
    DelayReason,
    Done,
    Exit,
    Outcome,
    ProcessIdentity,
    Queued,
    Run,
    Running,
    Starting,
    Stopping,
    Trigger,
)

JOB = Job(name="j", body=ShellCommand("true"), timeout=5 * SECOND)
RETRYING = replace(JOB, retry=RetryPolicy(attempts=3, delay=2 * SECOND))
PROCESS = ProcessIdentity(100, 200, "boot")
STATUSES = {
    Delayed: Delayed(50, DelayReason.SPREAD),
    Queued: Queued(50),
    Starting: Starting(60),
    Running: Running(PROCESS, 70),
    Stopping: Stopping(PROCESS, 70, 80, Cause.USER),
    Done: Done(Outcome.SUCCEEDED, None, 90),
}
EVENTS = [
    ev.DelayOver(100),
    ev.Admitted(100),
    ev.Spawned(100, PROCESS),
    ev.SpawnFailed(100, "no such file or directory", 0.5),
    ev.NeverBegan(100, Cause.DAEMON_CRASH, "given back"),
    ev.SoftLimit(100),
    ev.HardLimit(100),
    ev.MemoryExceeded(100, 1),
    ev.TooManyProcesses(100, 99),
    ev.StopRequested(100, Cause.USER),
    ev.GraceOver(100),
    ev.Exited(100, Exit(ended_at=99, exit_code=0), 0.5),
    ev.Vanished(100, Cause.HOST_CRASH, "the host went down"),
]


def run_in(status, **changes) -> Run:
    started = isinstance(status, Starting | Running | Stopping)
    base = Run(
        id=7,
        job="j",
        queue="default",
        definition_id=1,
        trigger=Trigger.SCHEDULE,
        status=status,
        created_at=40,
        attempt=1 if started else 0,
        charged=1 if started else 0,
        max_attempts=1,
    )
    return replace(base, **changes)


def exited(code=None, signal=None, **changes):
    return ev.Exited(100, Exit(ended_at=99, exit_code=code, signal=signal, **changes), 0.5)


@pytest.mark.parametrize(
    ("status", "event"),
    list(itertools.product(STATUSES.values(), EVENTS)),
    ids=lambda value: type(value).__name__,
)
def test_every_pair_is_in_the_table_or_an_error(status, event):
    run = run_in(status)
    if (type(status), type(event)) in TABLE:
        assert step(run, event, JOB).after.id == run.id
    else:
        with pytest.raises(NoSuchTransition, match=f"run 7 is {run.state}"):
            step(run, event, JOB)


def test_nothing_follows_done():
    assert not [pair for pair in TABLE if pair[0] is Done]


def test_intent_comes_before_the_act():
    taken = step(run_in(Queued(50)), ev.Admitted(100), JOB)
    assert taken.after.status == Starting(100)
    assert taken.after.attempt == taken.after.charged == 1
    assert taken.facts == (AttemptOpened(taken.after.fence, 100),)
    assert taken.effects == (ev.StartAttempt(taken.after.fence),)


def test_a_started_attempt_gets_its_limits():
    taken = step(run_in(Starting(60)), ev.Spawned(100, PROCESS), JOB)
    assert taken.after.status == Running(PROCESS, 100)
    assert taken.facts == (AttemptStarted(taken.after.fence, PROCESS, 100),)
    assert taken.effects == (ev.ArmLimits(taken.after.fence, 100),)


@pytest.mark.parametrize("code", [0, 3, 75])
def test_a_begin_that_comes_with_the_end_is_as_one_that_came_before(code):
    starting = run_in(Starting(60), max_attempts=3)
    began, ended = ev.Spawned(70, PROCESS), ev.Exited(100, Exit(ended_at=99, exit_code=code), 0.5)
    first = step(starting, began, RETRYING)
    second = step(first.after, ended, RETRYING)
    once = step(starting, replace(ended, began=began), RETRYING)
    assert (once.began, once.after) == (began.at, second.after)
    assert once.facts == first.facts + second.facts
    # Limits of an attempt that is over are not armed any more.
    assert once.effects == second.effects


@pytest.mark.parametrize(
    ("code", "signal", "outcome", "cause", "detail"),
    [
        (0, None, Outcome.SUCCEEDED, None, ""),
        (3, None, Outcome.FAILED, Cause.EXIT_CODE, "exit code 3"),
        (None, 11, Outcome.FAILED, Cause.SIGNAL, "killed by SIGSEGV"),
        (None, None, Outcome.LOST, Cause.DAEMON_CRASH, "left no status"),
    ],
)
def test_what_an_exit_means(code, signal, outcome, cause, detail):
    status = step(run_in(STATUSES[Running]), exited(code, signal), JOB).after.status
    assert isinstance(status, Done)
    assert (status.outcome, status.cause) == (outcome, cause)
    assert detail in status.detail


def test_a_run_stopped_for_its_timeout_has_timed_out_whatever_it_returned():
    stopping = step(run_in(STATUSES[Running]), ev.HardLimit(80), JOB)
    assert stopping.effects == (ev.Terminate(stopping.after.fence),)
    status = step(stopping.after, exited(0), JOB).after.status
    assert (status.outcome, status.cause) == (Outcome.TIMED_OUT, Cause.TIMEOUT)


def test_kill_follows_grace_once():
    killed = step(run_in(STATUSES[Stopping]), ev.GraceOver(100), JOB)
    assert killed.effects == (ev.KillTree(killed.after.fence),)
    assert step(killed.after, ev.GraceOver(101), JOB).effects == ()
    end = step(killed.after, exited(None, 9), JOB).facts[0]
    assert isinstance(end, AttemptClosed)
    assert end.end.killed


def test_death_by_the_soft_signal_is_a_timeout_and_exit_zero_after_it_is_not():
    softened = step(run_in(STATUSES[Running]), ev.SoftLimit(80), JOB)
    assert softened.effects == (ev.SendSignal(softened.after.fence, "SIGTERM"),)
    assert step(softened.after, ev.SoftLimit(81), JOB).effects == ()
    by_signal = step(softened.after, exited(None, 15), JOB).after.status
    assert (by_signal.outcome, by_signal.cause) == (Outcome.TIMED_OUT, Cause.SOFT_TIMEOUT)
    assert step(softened.after, exited(0), JOB).after.status.outcome is Outcome.SUCCEEDED


def raised(name="ValueError", message="no", *, code=1, bases=(), **more):
    error = Raised(f"app.{name}" if "." not in name else name, bases, message, **more)
    return ev.Exited(100, Exit(ended_at=99, exit_code=code), 0.5, report=Report(error=error))


PYTHON = Job(name="j", body=PythonCall("app:run"), timeout=9 * SECOND, soft_timeout=5 * SECOND)
TRYING = replace(PYTHON, retry=RetryPolicy(attempts=3, delay=2 * SECOND, retry_on=("OSError",)))


@pytest.mark.parametrize("code", [1, 2, 75])
def test_an_exception_is_the_cause_and_its_words_are_the_detail(code):
    status = step(
        run_in(STATUSES[Running]), raised(message="it is\n  not so", code=code), PYTHON
    ).after.status
    assert (status.outcome, status.cause) == (Outcome.FAILED, Cause.EXCEPTION)
    assert (status.detail, status.exit_code) == ("ValueError: it is not so", code)


def test_the_detail_is_one_line_of_bounded_length():
    status = step(run_in(STATUSES[Running]), raised(message="x" * 1000), PYTHON).after.status
    assert len(status.detail) == 200
    assert step(run_in(STATUSES[Running]), raised(message=""), PYTHON).after.status.detail == "ValueError"


@pytest.mark.parametrize(
    ("code", "outcome", "cause"), [(0, Outcome.SUCCEEDED, None), (3, Outcome.FAILED, Cause.EXIT_CODE)]
)
def test_a_report_that_the_exit_code_contradicts_is_not_believed(code, outcome, cause):
    """Job code can write the report: what the process did counts."""
    status = step(run_in(STATUSES[Running]), raised(code=code, final=True), PYTHON).after.status
    assert (status.outcome, status.cause) == (outcome, cause)


def test_a_death_by_signal_is_no_exception_whatever_the_report_says():
    event = replace(raised(), exit=Exit(ended_at=99, signal=11))
    assert step(run_in(STATUSES[Running]), event, PYTHON).after.status.cause is Cause.SIGNAL


def test_dead_is_final_with_tries_left():
    dead = raised("jobrun.task.Dead", "the card has expired", final=True, bases=("OSError",))
    status = step(run_in(STATUSES[Running]), dead, TRYING).after.status
    assert (status.outcome, status.cause) == (Outcome.FAILED, Cause.DEAD)
    assert status.detail == "the card has expired"


def test_an_exception_is_tried_again_if_a_base_is_in_retry_on():
    again = step(run_in(STATUSES[Running]), raised("Odd", bases=("ConnectionError", "OSError")), TRYING)
    assert again.after.status == Delayed(99 + 2 * SECOND, DelayReason.RETRY)
    assert isinstance(step(run_in(STATUSES[Running]), raised("Odd"), TRYING).after.status, Done)


def test_a_job_chooses_the_moment_of_its_next_try_and_not_their_number():
    retry = raised("jobrun.task.Retry", code=75, retry_in=7 * SECOND)
    assert step(run_in(STATUSES[Running]), retry, TRYING).after.status.until == 99 + 7 * SECOND
    last = step(run_in(STATUSES[Running], attempt=3, charged=3), retry, TRYING).after.status
    assert (last.outcome, last.cause) == (Outcome.FAILED, Cause.EXCEPTION)


def test_a_shell_jobs_wish_counts_with_exit_code_75_only():
    job = replace(RETRYING, retry=replace(RETRYING.retry, retry_on=("exit:3",)))
    for code, until in ((75, 99 + 7 * SECOND), (3, 99 + 2 * SECOND)):
        event = replace(exited(code), report=Report(retry_in=7 * SECOND))
        assert step(run_in(STATUSES[Running]), event, job).after.status.until == until
    plain = replace(exited(1), report=Report(retry_in=7 * SECOND))
    assert isinstance(step(run_in(STATUSES[Running]), plain, job).after.status, Done)


def test_an_uncaught_soft_timeout_is_a_timeout():
    late = raised("jobrun.task.SoftTimeout", "", bases=("SoftTimeout", "Exception"))
    status = step(run_in(STATUSES[Running]), late, PYTHON).after.status
    assert (status.outcome, status.cause) == (Outcome.TIMED_OUT, Cause.SOFT_TIMEOUT)
    unlimited = replace(PYTHON, soft_timeout=None)
    assert step(run_in(STATUSES[Running]), late, unlimited).after.status.cause is Cause.EXCEPTION


def test_a_python_jobs_soft_signal_is_not_the_one_that_stops_it():
    softened = step(run_in(STATUSES[Running]), ev.SoftLimit(80), PYTHON)
    assert softened.effects == (ev.SendSignal(softened.after.fence, "SIGUSR1"),)
    ended = step(softened.after, exited(None, 10), PYTHON).after.status
    assert (ended.outcome, ended.cause) == (Outcome.TIMED_OUT, Cause.SOFT_TIMEOUT)
    chosen = replace(PYTHON, soft_signal="SIGINT")
    assert step(run_in(STATUSES[Running]), ev.SoftLimit(80), chosen).effects[0].signal == "SIGINT"


def test_what_it_was_stopped_for_outranks_the_exception_that_came_of_it():
    for cause, outcome in ((Cause.USER, Outcome.CANCELLED), (Cause.TIMEOUT, Outcome.TIMED_OUT)):
        stopped = raised("jobrun.task.Stopped", "")
        status = step(run_in(Stopping(PROCESS, 70, 80, cause)), stopped, PYTHON).after.status
        assert (status.outcome, status.cause) == (outcome, cause)


def test_only_a_call_in_a_warm_worker_can_be_taken_back_between_intent_and_act():
    wish = ev.StopRequested(100, Cause.USER)
    run = run_in(STATUSES[Starting])
    warm = step(run, wish, PYTHON)
    assert (warm.after, warm.facts, warm.effects) == (run, (), (ev.Recall(run.fence),))
    fresh = replace(PYTHON, body=replace(PYTHON.body, isolation=Isolation.FRESH))
    for job in (fresh, JOB):
        assert step(run, wish, job) == type(warm)(run)


def test_cpu_time_is_told_from_other_kills():
    job = replace(JOB, limits=Limits(cpu_time=2 * SECOND))
    used = exited(None, 9, user_time=2 * SECOND, system_time=0)
    assert step(run_in(STATUSES[Running]), used, job).after.status.cause is Cause.CPU_TIME
    unused = exited(None, 9, user_time=SECOND, system_time=0)
    assert step(run_in(STATUSES[Running]), unused, job).after.status.cause is Cause.SIGNAL


def test_a_failed_try_with_tries_left_waits_and_an_exhausted_one_ends():
    failed = step(run_in(STATUSES[Running]), exited(1), RETRYING)
    assert failed.after.status == Delayed(99 + 2 * SECOND, DelayReason.RETRY)
    assert failed.effects == (ev.Forget(failed.after.fence), ev.WakeAt(7, 99 + 2 * SECOND))
    last = step(run_in(STATUSES[Running], attempt=3, charged=3), exited(1), RETRYING)
    assert isinstance(last.after.status, Done)


def test_shutdown_gives_the_attempt_back():
    """TRAPS, Operation: shutdown that burns an attempt."""
    stopping = step(run_in(STATUSES[Running]), ev.StopRequested(80, Cause.SHUTDOWN), JOB)
    back = step(stopping.after, exited(None, 15), JOB)
    assert back.after.status == Queued(99)
    assert (back.after.attempt, back.after.charged) == (1, 0)
    again = step(back.after, ev.Admitted(200), JOB)
    assert (again.after.attempt, again.after.charged) == (2, 1)


def test_exit_zero_after_our_shutdown_is_the_jobs_word_that_it_is_done():
    stopping = step(run_in(STATUSES[Running]), ev.StopRequested(80, Cause.SHUTDOWN), JOB)
    assert step(stopping.after, exited(0), JOB).after.status.outcome is Outcome.SUCCEEDED


def test_a_users_cancel_outranks_our_shutdown():
    stopping = step(run_in(STATUSES[Running]), ev.StopRequested(80, Cause.SHUTDOWN), JOB).after
    cancelled = step(stopping, ev.StopRequested(81, Cause.USER), JOB).after
    assert step(cancelled, exited(None, 15), JOB).after.status.outcome is Outcome.CANCELLED


def test_a_users_cancel_outranks_a_limit_after_which_the_run_would_go_on():
    timed_out = step(run_in(STATUSES[Running]), ev.HardLimit(80), RETRYING).after
    cancelled = step(timed_out, ev.StopRequested(81, Cause.USER), RETRYING).after
    assert step(cancelled, exited(None, 15), RETRYING).after.status.outcome is Outcome.CANCELLED
    last = run_in(STATUSES[Running], attempt=3, charged=3)
    timed_out = step(last, ev.HardLimit(80), RETRYING).after
    same = step(timed_out, ev.StopRequested(81, Cause.USER), RETRYING).after
    assert step(same, exited(None, 15), RETRYING).after.status.outcome is Outcome.TIMED_OUT


def test_a_lost_run_is_counted_apart_and_capped():
    """TRAPS, Processes: a poisoned job that kills its worker is re-run for ever; max_lost caps it."""
    job = replace(JOB, on_lost=OnLost.RETRY, max_lost=2)
    run, vanished = run_in(STATUSES[Running]), ev.Vanished(100, Cause.HOST_CRASH, "the host went down")
    for expected in (1, 2):
        run = step(run, vanished, job).after
        assert isinstance(run.status, Queued)
        assert (run.lost, run.charged) == (expected, 0)
        run = step(run, ev.Admitted(200), job).after
        run = step(run, ev.Spawned(201, PROCESS), job).after
    assert step(run, vanished, job).after.status.outcome is Outcome.LOST


def test_by_default_a_lost_run_is_not_started_again():
    status = step(run_in(STATUSES[Running]), EVENTS[-1], JOB).after.status
    assert (status.outcome, status.cause) == (Outcome.LOST, Cause.HOST_CRASH)


def test_waiting_runs_end_where_they_stand():
    for status in (STATUSES[Delayed], STATUSES[Queued]):
        user = step(run_in(status), ev.StopRequested(100, Cause.USER), JOB).after.status
        assert user.outcome is Outcome.CANCELLED
        newer = step(run_in(status), ev.StopRequested(100, Cause.SUPERSEDED), JOB).after.status
        assert newer.outcome is Outcome.SKIPPED


def test_our_shutdown_leaves_a_run_waiting_that_has_no_process_any_more():
    """Its attempt failed between the look at what runs and the wish to stop it: the retry is not lost."""
    for status in (STATUSES[Delayed], STATUSES[Queued]):
        run = run_in(status, attempt=1, charged=1)
        assert step(run, ev.StopRequested(100, Cause.SHUTDOWN), RETRYING).after is run


def test_a_spawn_failure_is_a_failure_with_its_sentence():
    status = step(run_in(STATUSES[Starting]), EVENTS[3], JOB).after.status
    assert (status.outcome, status.cause, status.detail) == (
        Outcome.FAILED,
        Cause.SPAWN,
        "no such file or directory",
    )


@given(st.lists(st.sampled_from(EVENTS), max_size=60), st.sampled_from([JOB, RETRYING]))
def test_any_history_of_accepted_events_keeps_the_books_straight(history, job):
    run = run_in(STATUSES[Queued])
    opened = closed = 0
    for event in history:
        if (type(run.status), type(event)) not in TABLE:
            continue
        taken = step(run, event, job)
        opened += sum(isinstance(fact, AttemptOpened) for fact in taken.facts)
        closed += sum(isinstance(fact, AttemptClosed) for fact in taken.facts)
        run = taken.after
        assert opened == run.attempt
        assert opened - closed == run.has_process
        assert 0 <= run.charged <= run.attempt
        if isinstance(run.status, Delayed) and run.status.reason is DelayReason.RETRY:
            assert run.charged < job.retry.attempts
