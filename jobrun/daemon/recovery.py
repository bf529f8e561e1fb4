"""At start: what became of the attempts that an earlier daemon left unfinished.

Alive (pid, kernel start time and boot id agree) is adopted. Ended: the status
file is the truth. Never begun (the surrounding sh left no first mark): the
attempt is given back. Begun, gone and silent: lost, to a host crash if the
host has booted since, else to the daemon's. Liveness is never judged by age.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from jobrun.daemon.inbox import Happened
from jobrun.daemon.supervisor import Supervisor
from jobrun.domain.events import (
    ArmLimits,
    Exited,
    NeverBegan,
    RunEvent,
    Spawned,
    Terminate,
    Vanished,
)
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job
from jobrun.domain.run import Cause, ProcessIdentity, Run, Running, Starting, Stopping
from jobrun.proc.files import has_begun, read_status
from jobrun.proc.output import keep_output
from jobrun.proc.spawn import adopt, find_started
from jobrun.proc.spec import Marker
from jobrun.proc.tree import sweep


@dataclass(frozen=True, slots=True)
class Host:
    """What recovery must know about this boot of the host."""

    boot_id: str
    store_id: str
    now: Instant
    draw: Callable[[], float]


def recover(
    runs: Iterable[tuple[Run, Job]], supervisor: Supervisor, post: Callable[[Happened], None], host: Host
) -> int:
    """Adopt, or post what became of, every attempt among `runs`. Returns how many were adopted."""
    adopted = 0
    for run, job in runs:
        if run.has_process:
            adopted += _recover_one(run, job, supervisor, post, host)
    return adopted


def _recover_one(
    run: Run, job: Job, supervisor: Supervisor, post: Callable[[Happened], None], host: Host
) -> bool:
    files = supervisor.files_of(run, job)
    identity = _identity(run, host)
    child = adopt(identity, files, supervisor.group_of(run, job)) if identity is not None else None
    fence = run.fence

    def tell(event: RunEvent) -> None:
        post(Happened(run.id, event, fence))

    if child is not None and identity is not None:
        supervisor.adopt(run, job, files, child)
        if isinstance(run.status, Starting):
            tell(Spawned(host.now, identity))
        else:
            supervisor.carry_out(ArmLimits(fence, run.status.started_at))  # type: ignore[union-attr]
            if isinstance(run.status, Stopping):
                supervisor.carry_out(Terminate(fence))
        return True

    exit = read_status(files.status)
    if exit is None and not has_begun(files.status):
        supervisor.remember(fence, files)
        tell(_unbegun(run, host.now))
        return False
    left = 0
    if not job.leave_children:
        left = sweep(identity, Marker(run.id, host.store_id))
    outputs = tuple(keep_output(fence, files, job.log_max))
    supervisor.remember(fence, files, outputs)
    event = _vanished(run, host)
    if exit is not None:
        event = Exited(host.now, replace(exit, left_behind=exit.left_behind + left), host.draw())
    post(Happened(run.id, event, fence, outputs))
    return False


def _identity(run: Run, host: Host) -> ProcessIdentity | None:
    """The process of the attempt: as recorded, or found by its environment if the record was cut off."""
    if isinstance(run.status, Running | Stopping):
        return run.status.process
    return find_started(host.store_id, run.fence)


def _unbegun(run: Run, now: Instant) -> RunEvent:
    """Only a starting attempt can have not begun; a recorded process without any mark is a lost one."""
    if isinstance(run.status, Starting):
        detail = "the daemon ended before the process existed; the attempt is given back"
        return NeverBegan(now, Cause.DAEMON_CRASH, detail)
    return Vanished(now, Cause.DAEMON_CRASH, "it ended before it wrote its first mark")


def _vanished(run: Run, host: Host) -> RunEvent:
    status = run.status
    if isinstance(status, Running | Stopping) and status.process.boot_id != host.boot_id:
        return Vanished(host.now, Cause.HOST_CRASH, "the host went down while it ran")
    return Vanished(host.now, Cause.DAEMON_CRASH, "it ended while no daemon watched and left no status")
