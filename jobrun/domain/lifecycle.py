"""The state machine of a run: one table, and `step`, which looks things up in it.

    delayed → queued → starting → running → stopping → done

A pair (status, event) that is not in the table is an error, never a silent
no-op: a late event about an attempt that is over must be told apart by its
fence before it gets here. `step` is pure; it returns the run after the event,
the facts about attempts that go with the change, and the effects to carry out
once both are durable.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jobrun.domain.events import (
    Admitted,
    ArmLimits,
    ClockMoved,
    DelayOver,
    Effect,
    Exited,
    Forget,
    GraceOver,
    HardLimit,
    KillTree,
    MemoryExceeded,
    NeverBegan,
    Recall,
    RunEvent,
    SendSignal,
    SoftLimit,
    Spawned,
    SpawnFailed,
    StartAttempt,
    StopRequested,
    Terminate,
    TooManyProcesses,
    Vanished,
    WakeAt,
)
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job, OnLost, is_warm, soft_signal_of
from jobrun.domain.ledger import AttemptClosed, AttemptOpened, AttemptStarted
from jobrun.domain.retry import Failure, decide_retry
from jobrun.domain.run import (
    AttemptEnd,
    Cause,
    Delayed,
    DelayReason,
    Done,
    Exit,
    Outcome,
    Queued,
    Run,
    Running,
    Starting,
    Status,
    Stopping,
)
from jobrun.domain.value import value
from jobrun.domain.verdict import failure_of, judge

AttemptFact = AttemptOpened | AttemptStarted | AttemptClosed


class NoSuchTransition(Exception):
    """The table has no entry for this status and this event. A bug in whoever posted it."""


@value(frozen=True, slots=True)
class Step:
    """What one event did to one run. `began` is when its attempt began, if that is told with its end."""

    after: Run
    facts: tuple[AttemptFact, ...] = ()
    effects: tuple[Effect, ...] = ()
    began: Instant | None = None


def step(run: Run, event: RunEvent, job: Job) -> Step:
    """Apply one event to one run, under the job definition the run was decided with."""
    handler = TABLE.get((type(run.status), type(event)))
    if handler is None:
        raise NoSuchTransition(f"run {run.id} is {run.state}; {type(event).__name__} does not apply")
    return handler(run, event, job)


def _release(run: Run, event: DelayOver, _job: Job) -> Step:
    """Its moment has come; or not yet, if the clock was set after the timer had been."""
    status = _as_delayed(run)
    if event.at < status.until:
        return Step(run, (), (WakeAt(run.id, status.until),))
    return Step(run.moved(Queued(event.at)))


def _wait_as_long(run: Run, event: ClockMoved, _job: Job) -> Step:
    """A retry and a spread start wait for a span; only a start that somebody asked for has a time of day."""
    status = _as_delayed(run)
    if status.reason is DelayReason.REQUESTED:
        return Step(run)
    after = run.moved(replace(status, until=status.until + event.by))
    return Step(after, (), (WakeAt(run.id, status.until + event.by),))


def _admit(run: Run, event: Admitted, _job: Job) -> Step:
    after = run.moved(Starting(event.at), attempt=run.attempt + 1, charged=run.charged + 1)
    fence = after.fence
    return Step(after, (AttemptOpened(fence, event.at),), (StartAttempt(fence),))


def _started(run: Run, event: Spawned, _job: Job) -> Step:
    fence = run.fence
    return Step(
        run.moved(Running(event.process, event.at)),
        (AttemptStarted(fence, event.process, event.at),),
        (ArmLimits(fence, event.at),),
    )


def _not_started(run: Run, event: SpawnFailed, job: Job) -> Step:
    end = AttemptEnd(ended_at=event.at, outcome=Outcome.FAILED, cause=Cause.SPAWN, detail=event.sentence)
    return _close(run, end, job, event.draw, Failure(Outcome.FAILED, spawn=True))


def _give_back_unbegun(run: Run, event: NeverBegan, _job: Job) -> Step:
    end = AttemptEnd(
        ended_at=event.at,
        outcome=Outcome.CANCELLED,
        cause=event.cause,
        detail=event.detail,
    )
    return _give_back(run, end)


def _stopped_unbegun(run: Run, event: NeverBegan, job: Job) -> Step:
    """It was being stopped before it had begun: why it ends is what it was stopped for."""
    return _exited(run, Exited(event.at, Exit(ended_at=event.at), 0.0), job)


def _recall(run: Run, _event: StopRequested, job: Job) -> Step:
    """Between intent and act a wish stays with whoever has it, and waits for the process.

    A call handed to a warm worker may wait there long, behind others. It can be
    taken back; then it never began, and the wish meets the run in its queue.
    """
    return Step(run, (), (Recall(run.fence),) if is_warm(job) else ())


def _soft_limit(run: Run, event: SoftLimit, job: Job) -> Step:
    status = _as_running(run)
    if status.soft_sent_at is not None:
        return Step(run)
    after = run.moved(replace(status, soft_sent_at=event.at))
    return Step(after, (), (SendSignal(run.fence, soft_signal_of(job)),))


def _hard_limit(run: Run, event: HardLimit, _job: Job) -> Step:
    return _stop(run, event.at, Cause.TIMEOUT)


def _memory_limit(run: Run, event: MemoryExceeded, _job: Job) -> Step:
    return _stop(run, event.at, Cause.OOM)


def _process_limit(run: Run, event: TooManyProcesses, _job: Job) -> Step:
    """No TERM and no grace: what multiplies would only use them to multiply further."""
    status = _as_running(run)
    stopping = Stopping(status.process, status.started_at, event.at, Cause.PROCESSES, killed_at=event.at)
    return Step(run.moved(stopping), (), (KillTree(run.fence),))


def _stop_running(run: Run, event: StopRequested, _job: Job) -> Step:
    return _stop(run, event.at, event.cause)


def _stop(run: Run, at: Instant, cause: Cause) -> Step:
    status = _as_running(run)
    after = run.moved(Stopping(status.process, status.started_at, at, cause))
    return Step(after, (), (Terminate(run.fence),))


def _stop_harder(run: Run, event: StopRequested, job: Job) -> Step:
    """A second wish to stop: one that ends the run outranks one after which it would go on.

    Our shutdown gives the attempt back, and a limit may be followed by a retry.
    """
    status = _as_stopping(run)
    is_limit = status.cause not in (Cause.SHUTDOWN, Cause.USER, Cause.SUPERSEDED, Cause.REMOVED)
    goes_on = status.cause is Cause.SHUTDOWN or (is_limit and run.charged < job.retry.attempts)
    if goes_on and event.cause is not Cause.SHUTDOWN:
        return Step(run.moved(replace(status, cause=event.cause)))
    return Step(run)


def _kill(run: Run, event: GraceOver, _job: Job) -> Step:
    status = _as_stopping(run)
    if status.killed_at is not None:
        return Step(run)
    after = run.moved(replace(status, killed_at=event.at))
    return Step(after, (), (KillTree(run.fence),))


def _kill_at_once(run: Run, event: TooManyProcesses, job: Job) -> Step:
    """It multiplies while it is being stopped: the grace is over, the reason to stop it stays."""
    return _kill(run, GraceOver(event.at), job)


def _ignore(run: Run, _event: RunEvent, _job: Job) -> Step:
    return Step(run)


def _drop_waiting(run: Run, event: StopRequested, _job: Job) -> Step:
    """A run that has no process ends where it stands: cancelled by a user, else skipped.

    Our shutdown is about processes: a run that ended just before the wish came goes on waiting for its retry.
    """
    if event.cause is Cause.SHUTDOWN:
        return Step(run)
    outcome = Outcome.CANCELLED if event.cause is Cause.USER or run.attempt else Outcome.SKIPPED
    return Step(run.moved(Done(outcome, event.cause, event.at, event.detail)))


def _exited(run: Run, event: Exited, job: Job, begun: Instant | None = None) -> Step:
    end = judge(run, event.exit, job, oom=event.oom, report=event.report)
    end = _ended_in_time(end, run, event.at, begun)
    if end.outcome is Outcome.SUCCEEDED:
        return _to(run, _done(end), end)
    if end.cause is Cause.SHUTDOWN:
        return _give_back(run, end)
    if end.outcome is Outcome.LOST:
        return _lost(run, end, job)
    return _close(run, end, job, event.draw, failure_of(end, event.exit, event.report))


def _came_and_went(run: Run, event: Exited, job: Job) -> Step:
    """An attempt whose end is known by the time its begin is told: most calls that take a moment."""
    if event.began is None:
        return _exited(run, event, job)
    began = event.began
    ended = _exited(run, event, job, began.at)
    started = AttemptStarted(run.fence, began.process, began.at)
    return Step(ended.after, (started, *ended.facts), ended.effects, began.at)


def _ended_in_time(end: AttemptEnd, run: Run, now: Instant, begun: Instant | None) -> AttemptEnd:
    """The end as dated by the status file, unless the clock was set meanwhile and makes nonsense of it."""
    status = run.status
    if begun is None:
        begun = status.started_at if isinstance(status, Running | Stopping) else 0
    return end if begun <= end.ended_at <= now else replace(end, ended_at=now)


def _vanished(run: Run, event: Vanished, job: Job) -> Step:
    end = AttemptEnd(ended_at=event.at, outcome=Outcome.LOST, cause=event.cause, detail=event.detail)
    status = run.status
    if isinstance(status, Stopping) and status.cause is Cause.SHUTDOWN:
        return _give_back(run, replace(end, outcome=Outcome.CANCELLED, cause=Cause.SHUTDOWN))
    return _lost(run, end, job)


def _lost(run: Run, end: AttemptEnd, job: Job) -> Step:
    lost = replace(run, lost=run.lost + 1, charged=run.charged - 1)
    if job.on_lost is OnLost.RETRY and lost.lost <= job.max_lost:
        return _to(lost, Queued(end.ended_at), end)
    return _to(lost, _done(end), end)


def _give_back(run: Run, end: AttemptEnd) -> Step:
    return _to(replace(run, charged=run.charged - 1), Queued(end.ended_at), end)


def _close(run: Run, end: AttemptEnd, job: Job, draw: float, failure: Failure) -> Step:
    retry_at: Instant | None = None
    if end.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        retry_at = decide_retry(job.retry, run.charged, failure, end.ended_at, draw)
    if retry_at is None:
        return _to(run, _done(end), end)
    return _to(run, Delayed(retry_at, DelayReason.RETRY), end, WakeAt(run.id, retry_at))


def _to(run: Run, status: Status, end: AttemptEnd, *effects: Effect) -> Step:
    fence = run.fence
    return Step(run.moved(status), (AttemptClosed(fence, end),), (Forget(fence), *effects))


def _done(end: AttemptEnd) -> Done:
    return Done(end.outcome, end.cause, end.ended_at, end.detail, end.exit_code, end.signal)


def _as_delayed(run: Run) -> Delayed:
    assert isinstance(run.status, Delayed)
    return run.status


def _as_running(run: Run) -> Running:
    assert isinstance(run.status, Running)
    return run.status


def _as_stopping(run: Run) -> Stopping:
    assert isinstance(run.status, Stopping)
    return run.status


Handler = Callable[[Run, Any, Job], Step]

TABLE: dict[tuple[type[Status], type[RunEvent]], Handler] = {
    (Delayed, DelayOver): _release,
    (Delayed, ClockMoved): _wait_as_long,
    (Delayed, StopRequested): _drop_waiting,
    (Queued, DelayOver): _ignore,
    (Queued, Admitted): _admit,
    (Queued, StopRequested): _drop_waiting,
    (Starting, Spawned): _started,
    (Starting, SpawnFailed): _not_started,
    (Starting, NeverBegan): _give_back_unbegun,
    (Starting, StopRequested): _recall,
    (Starting, Exited): _came_and_went,
    (Starting, Vanished): _vanished,
    (Running, NeverBegan): _give_back_unbegun,
    (Running, SoftLimit): _soft_limit,
    (Running, HardLimit): _hard_limit,
    (Running, MemoryExceeded): _memory_limit,
    (Running, TooManyProcesses): _process_limit,
    (Running, StopRequested): _stop_running,
    (Running, Exited): _exited,
    (Running, Vanished): _vanished,
    (Stopping, NeverBegan): _stopped_unbegun,
    (Stopping, SoftLimit): _ignore,
    (Stopping, HardLimit): _ignore,
    (Stopping, MemoryExceeded): _ignore,
    (Stopping, TooManyProcesses): _kill_at_once,
    (Stopping, StopRequested): _stop_harder,
    (Stopping, GraceOver): _kill,
    (Stopping, Exited): _exited,
    (Stopping, Vanished): _vanished,
}

__all__ = ["TABLE", "Exit", "NoSuchTransition", "Step", "step"]
