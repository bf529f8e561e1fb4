"""What an exit means: the outcome and cause of an attempt.

What we did to it comes first (a run we stopped for its timeout has timed out,
whatever it returned), what it did itself second. Exit 0 after our own
shutdown's TERM is the job's word that its work is done. An exception that a
report names counts only with an exit code that says the call failed: job code
can write the report.
"""

import signal

from jobrun.domain.instants import format_duration
from jobrun.domain.job import Job, soft_signal_of
from jobrun.domain.report import Raised, Report
from jobrun.domain.retry import Failure, signal_name, signal_number
from jobrun.domain.run import AttemptEnd, Cause, Exit, Outcome, Run, Running, Stopping

RAISED, NOTHING_TO_CALL, TRY_AGAIN = 1, 2, 75
"""What a Python call exits with if it did not return; 75 (EX_TEMPFAIL) also asks for another try."""
_LONGEST_DETAIL = 200

_STOPPED: dict[Cause, Outcome] = {
    Cause.TIMEOUT: Outcome.TIMED_OUT,
    Cause.OOM: Outcome.FAILED,
    Cause.PROCESSES: Outcome.FAILED,
    Cause.USER: Outcome.CANCELLED,
    Cause.SUPERSEDED: Outcome.CANCELLED,
    Cause.REMOVED: Outcome.CANCELLED,
    Cause.SHUTDOWN: Outcome.CANCELLED,
}


def judge(run: Run, exit: Exit, job: Job, *, oom: bool = False, report: Report | None = None) -> AttemptEnd:
    """The closing facts of the run's current attempt, given how its process ended."""
    outcome, cause, detail = _verdict(run, exit, job, oom, raised_in(exit, report))
    return AttemptEnd(
        ended_at=exit.ended_at,
        outcome=outcome,
        cause=cause,
        detail=detail,
        exit_code=exit.exit_code,
        signal=exit.signal,
        user_time=exit.user_time,
        system_time=exit.system_time,
        max_rss=exit.max_rss,
        left_behind=exit.left_behind,
        killed=isinstance(run.status, Stopping) and run.status.killed_at is not None,
    )


def raised_in(exit: Exit, report: Report | None) -> Raised | None:
    """The exception that ended the attempt, if the exit code agrees with its report.

    `sys.exit(n)` is an exit code, whichever n is.
    """
    if report is None or report.error is None or exit.exit_code not in (RAISED, NOTHING_TO_CALL, TRY_AGAIN):
        return None
    raised = report.error
    return None if raised.type == "SystemExit" and _is_number(raised.message) else raised


def failure_of(end: AttemptEnd, exit: Exit, report: Report | None) -> Failure:
    """What an end means to the retry policy."""
    raised = raised_in(exit, report)
    asked = report.retry_in if report is not None and exit.exit_code == TRY_AGAIN else None
    if raised is None:
        return Failure(end.outcome, end.exit_code, end.signal, retry_in=asked)
    return Failure(
        end.outcome,
        end.exit_code,
        end.signal,
        names=raised.names,
        retry_in=asked if raised.retry_in is None else raised.retry_in,
        final=raised.final,
    )


def _verdict(
    run: Run, exit: Exit, job: Job, oom: bool, raised: Raised | None
) -> tuple[Outcome, Cause | None, str]:
    status = run.status
    if isinstance(status, Stopping) and not (status.cause is Cause.SHUTDOWN and exit.exit_code == 0):
        return _STOPPED[status.cause], status.cause, _stopped_words(status, job)
    if oom:
        return Outcome.FAILED, Cause.OOM, "the kernel killed it for lack of memory"
    if exit.exit_code == 0:
        return Outcome.SUCCEEDED, None, ""
    if raised is not None:
        return _raised_verdict(raised, job)
    if exit.exit_code is not None:
        return Outcome.FAILED, Cause.EXIT_CODE, f"exit code {exit.exit_code}"
    if exit.signal is None:
        return Outcome.LOST, Cause.DAEMON_CRASH, "it ended while no daemon watched and left no status"
    if (
        isinstance(status, Running)
        and status.soft_sent_at is not None
        and exit.signal == signal_number(soft_signal_of(job))
    ):
        return Outcome.TIMED_OUT, Cause.SOFT_TIMEOUT, f"ended by {soft_signal_of(job)} at its soft timeout"
    if _ran_out_of_cpu(exit, job):
        limit = format_duration(job.limits.cpu_time or 0)
        return Outcome.FAILED, Cause.CPU_TIME, f"used more than its CPU time of {limit}"
    return Outcome.FAILED, Cause.SIGNAL, f"killed by {signal_name(exit.signal)}"


def _raised_verdict(raised: Raised, job: Job) -> tuple[Outcome, Cause, str]:
    if raised.final:
        return Outcome.FAILED, Cause.DEAD, _one_line(raised.message or raised.short_type)
    if raised.is_ours("SoftTimeout") and job.soft_timeout is not None:
        # A warm worker has the timer itself, so the run need not know that the signal was sent.
        limit = format_duration(job.soft_timeout)
        return (
            Outcome.TIMED_OUT,
            Cause.SOFT_TIMEOUT,
            f"SoftTimeout ended it after its soft timeout of {limit}",
        )
    words = f"{raised.short_type}: {raised.message}" if raised.message else raised.short_type
    return Outcome.FAILED, Cause.EXCEPTION, _one_line(words)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_DETAIL else f"{line[: _LONGEST_DETAIL - 1]}…"


def _stopped_words(status: Stopping, job: Job) -> str:
    ended = "killed" if status.killed_at is not None else "ended"
    match status.cause:
        case Cause.TIMEOUT:
            return f"{ended} after its timeout of {format_duration(job.timeout or 0)}"
        case Cause.OOM:
            return f"{ended} for using more memory than its limit"
        case Cause.PROCESSES:
            return f"{ended} for having more than {job.limits.processes} processes"
        case Cause.SHUTDOWN:
            return "interrupted by the daemon's shutdown; the attempt is given back"
        case Cause.SUPERSEDED:
            return f"{ended} to make way for a newer run"
        case _:
            return f"{ended} on request"


def _ran_out_of_cpu(exit: Exit, job: Job) -> bool:
    limit = job.limits.cpu_time
    if limit is None:
        return False
    if exit.signal == signal.SIGXCPU:
        return True
    used = (exit.user_time or 0) + (exit.system_time or 0)
    return exit.signal == signal.SIGKILL and used >= limit
