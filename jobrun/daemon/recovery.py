"""At start: what became of the attempts that an earlier daemon left unfinished.

Alive (pid, kernel start time and boot id agree) is adopted. Ended: the status
file is the truth. Never begun (the surrounding sh left no first mark): the
attempt is given back. Begun, gone and silent: lost, to a host crash if the
host has booted since, else to the daemon's. Liveness is never judged by age.

What the dead daemon had decided and not yet done is done now: a KILL that was
due, a run that had to make way, files that were no longer needed.
"""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from jobrun.daemon.begin import begin_of, end_after
from jobrun.daemon.calls import reported
from jobrun.daemon.inbox import Happened
from jobrun.daemon.supervisor import Supervisor
from jobrun.domain.events import (
    ArmLimits,
    Exited,
    KillTree,
    NeverBegan,
    RunEvent,
    Spawned,
    StopRequested,
    Terminate,
    Vanished,
)
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job, Overlap, is_warm
from jobrun.domain.overlap import is_for_later
from jobrun.domain.run import Cause, Exit, ProcessIdentity, Run, Running, Starting, Stopping, Trigger
from jobrun.proc.files import AttemptFiles, has_begun, read_status
from jobrun.proc.identity import age, identify, rest
from jobrun.proc.output import keep_output
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.spawn import adopt, find_started, is_worker
from jobrun.proc.spec import Marker
from jobrun.proc.spool import leader_of, read_said, revoke, worker_exit
from jobrun.proc.tree import sweep

# A worker writes its first mark right after it has claimed a call, in seconds.
_CLAIM_SETTLES = 0.5


@dataclass(frozen=True, slots=True)
class Host:
    """What recovery must know about this boot of the host."""

    boot_id: str
    store_id: str
    has_booted: bool
    now: Instant
    draw: Callable[[], float]


def recover(
    runs: Sequence[tuple[Run, Job]], supervisor: Supervisor, post: Callable[[Happened], None], host: Host
) -> int:
    """Adopt, or post what became of, every attempt among `runs`. Returns how many were adopted."""
    adopted = 0
    for run, job in runs:
        if run.has_process:
            adopted += _recover_one(run, job, supervisor, post, host)
    for message in _superseded(runs, host.now):
        post(message)
    return adopted


def _superseded(runs: Iterable[tuple[Run, Job]], now: Instant) -> Iterable[Happened]:
    """The stops that are due because a newer run of the job takes the place of all older ones.

    One that met its run between intent and process was only in memory.
    """
    newest: dict[str, int] = {}
    for run, job in runs:
        # One that has begun has ended the others before; a retry and one for later wait for them.
        waits = run.trigger is Trigger.RETRY or is_for_later(run)
        if job.overlap is Overlap.REPLACE and not run.attempt and not waits:
            newest[run.job] = max(run.id, newest.get(run.job, 0))
    for run, _ in runs:
        newer = newest.get(run.job, 0)
        if run.has_process and run.id < newer:
            event = StopRequested(now, Cause.SUPERSEDED, detail=f"run {newer} takes its place")
            yield Happened(run.id, event, run.fence)


def _recover_one(
    run: Run, job: Job, supervisor: Supervisor, post: Callable[[Happened], None], host: Host
) -> bool:
    files = supervisor.files_of(run, job)
    is_unheard = is_warm(job) and isinstance(run.status, Starting)
    if is_unheard:
        _take_back(str(files.status))
    identity = _identity(run, job, files, host)
    group = supervisor.group_of(run, job)
    child = adopt(identity, files, group) if identity is not None else None
    began: Spawned | None = None
    # What the file names is enough to tell of; to signal it, it must be known for a worker.
    leader = identity or leader_of(str(files.status)) if is_unheard else None
    if leader is not None:
        began = begin_of(run, str(files.status), leader, host.now)
    fence = run.fence

    def tell(event: RunEvent) -> None:
        post(Happened(run.id, event, fence))

    if child is not None and identity is not None:
        supervisor.adopt(run, job, files, child)
        if isinstance(run.status, Starting):
            # Of a warm call it is the worker that is as old as its process.
            began = began or Spawned(host.now if is_warm(job) else host.now - age(identity), identity)
            tell(began)
        else:
            supervisor.carry_out(ArmLimits(fence, run.status.started_at))  # type: ignore[union-attr]
            if isinstance(run.status, Stopping):
                was_killed = run.status.killed_at is not None
                supervisor.carry_out(KillTree(fence) if was_killed else Terminate(fence))
        return True

    exit = read_status(files.status) or worker_exit(files)
    if exit is None and not has_begun(files.status):
        supervisor.remember(fence, files)
        tell(_unbegun(run, host))
        return False
    was_oom = group is not None and group.was_oom
    if exit is None and was_oom:
        # The kernel's word, which outlives both: it killed the whole group, the surrounding sh with it.
        exit = Exit(ended_at=host.now, signal=signal.SIGKILL)
    if exit is not None and group is not None:
        exit = group.account(exit)
    left = 0
    if not job.leave_children:
        left = sweep(identity, Marker(run.id, host.store_id), group=group)
    outputs = tuple(keep_output(fence, files, job.log_max))
    supervisor.remember(fence, files, outputs)
    event = _vanished(run, host)
    if exit is not None:
        told = end_after(began, replace(exit, left_behind=exit.left_behind + left))
        report = read_said(files)
        event = Exited(host.now, told, host.draw(), was_oom, report, began)
        post(Happened(run.id, event, fence, (*outputs, *reported(fence, report))))
        return False
    post(Happened(run.id, event, fence, outputs))
    return False


def _take_back(status: str) -> None:
    """A call that no worker has claimed stays unbegun; one that has been says so within moments.

    An old worker may still have it in its socket, and would begin it beside the next attempt.
    """
    try:
        if revoke(status):
            return
    except SpawnRefused:
        # The disk is full: then a worker cannot claim it either.
        return
    until = time.monotonic() + _CLAIM_SETTLES
    while not has_begun(status) and time.monotonic() < until:
        rest(0.005)


def _identity(run: Run, job: Job, files: AttemptFiles, host: Host) -> ProcessIdentity | None:
    """The process of the attempt: as recorded, or found if the record was cut off: by its environment,
    a worker by what it wrote behind the call's status."""
    if isinstance(run.status, Running | Stopping):
        return run.status.process
    if is_warm(job):
        leader = leader_of(str(files.status))
        if leader is None or identify(leader.pid) != leader:
            return leader
        # The file may name any process of the host.
        return leader if is_worker(leader, host.store_id, files.spool.stat().st_uid) else None
    return find_started(host.store_id, run.fence)


def _unbegun(run: Run, host: Host) -> RunEvent:
    """Only a starting attempt can have not begun; a recorded process without any mark is a lost one.

    A power cut can take the marks of what had begun: after a boot, silence proves nothing.
    """
    if _went_down(run, host):
        return _vanished(run, host)
    if isinstance(run.status, Starting):
        detail = "the daemon ended before the process existed; the attempt is given back"
        return NeverBegan(host.now, Cause.DAEMON_CRASH, detail)
    return Vanished(host.now, Cause.DAEMON_CRASH, "it ended before it wrote its first mark")


def _vanished(run: Run, host: Host) -> RunEvent:
    if _went_down(run, host):
        return Vanished(host.now, Cause.HOST_CRASH, "the host went down while it ran")
    return Vanished(host.now, Cause.DAEMON_CRASH, "it ended while no daemon watched and left no status")


def _went_down(run: Run, host: Host) -> bool:
    """Whether the host has booted since the attempt; of one without a process only the last daemon's boot
    is known."""
    status = run.status
    if isinstance(status, Running | Stopping):
        return status.process.boot_id != host.boot_id
    return host.has_booted
