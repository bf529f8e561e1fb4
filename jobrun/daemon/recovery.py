"""At start: what became of the attempts that an earlier daemon left unfinished.

Alive (pid, kernel start time and boot id agree) is adopted. Ended: the status
file is the truth. Never begun (the surrounding sh left no first mark): the
attempt is given back. Begun, gone and silent: lost, to a host crash if the
host has booted since, else to the daemon's. Liveness is never judged by age.

What the dead daemon had decided and not yet done is done now: a KILL that was
due, a run that had to make way, files that were no longer needed.
"""

import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from jobrun.conf.paths import Places
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
from jobrun.domain.job import Job, Overlap
from jobrun.domain.run import Cause, Exit, Fence, ProcessIdentity, Run, Running, Starting, Stopping
from jobrun.proc.files import attempt_files, has_begun, read_status
from jobrun.proc.identity import age
from jobrun.proc.output import drop_files, keep_output
from jobrun.proc.spawn import adopt, find_started
from jobrun.proc.spec import Marker
from jobrun.proc.tree import sweep
from jobrun.store.reader import History


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
        if job.overlap is Overlap.REPLACE:
            newest[run.job] = max(run.id, newest.get(run.job, 0))
    for run, _ in runs:
        newer = newest.get(run.job, 0)
        if run.has_process and run.id < newer:
            event = StopRequested(now, Cause.SUPERSEDED, detail=f"run {newer} takes its place")
            yield Happened(run.id, event, run.fence)


def drop_leftovers(places: Places, history: History, live: Iterable[Run]) -> int:
    """Drop the working files of attempts whose end is durable: the daemon died before it came to that.

    Returns how many attempts that were.
    """
    current = {run.fence for run in live if run.has_process}
    dropped = 0
    for path in places.attempts.glob("*.status"):
        run_id, _, number = path.stem.partition(".")
        if not (run_id.isdecimal() and number.isdecimal()):
            continue
        fence = Fence(int(run_id), int(number))
        row = None if fence in current else history.run(fence.run_id)
        if row is None:
            continue
        kept = [output for output in history.outputs(fence.run_id) if output.fence == fence]
        files = attempt_files(
            fence,
            attempts_dir=places.attempts,
            logs_dir=places.logs,
            opened_at=row.run.created_at,
            split=True,
        )
        drop_files(files, kept)
        dropped += 1
    return dropped


def _recover_one(
    run: Run, job: Job, supervisor: Supervisor, post: Callable[[Happened], None], host: Host
) -> bool:
    files = supervisor.files_of(run, job)
    identity = _identity(run, host)
    group = supervisor.group_of(run, job)
    child = adopt(identity, files, group) if identity is not None else None
    fence = run.fence

    def tell(event: RunEvent) -> None:
        post(Happened(run.id, event, fence))

    if child is not None and identity is not None:
        supervisor.adopt(run, job, files, child)
        if isinstance(run.status, Starting):
            tell(Spawned(host.now - age(identity), identity))
        else:
            supervisor.carry_out(ArmLimits(fence, run.status.started_at))  # type: ignore[union-attr]
            if isinstance(run.status, Stopping):
                was_killed = run.status.killed_at is not None
                supervisor.carry_out(KillTree(fence) if was_killed else Terminate(fence))
        return True

    exit = read_status(files.status)
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
        told = replace(exit, left_behind=exit.left_behind + left)
        event = Exited(host.now, told, host.draw(), was_oom)
    post(Happened(run.id, event, fence, outputs))
    return False


def _identity(run: Run, host: Host) -> ProcessIdentity | None:
    """The process of the attempt: as recorded, or found by its environment if the record was cut off."""
    if isinstance(run.status, Running | Stopping):
        return run.status.process
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
