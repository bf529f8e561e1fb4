"""The children of this process: those it started, and those that fell to it.

The daemon is a child subreaper: a process whose parent ends becomes its child
instead of init's. So whatever a job leaves behind is found among the children
that were not started here. The record of those that were is the process's
own, as the kernel's list is; nobody else's child is ever waited for.
"""

import ctypes
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobrun.domain.run import ProcessIdentity
from jobrun.proc.identity import ProcStat, boot_id, pids, read_proc, read_stat

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(slots=True)
class _Kin:
    """What this process knows of its children; one per process, as the kernel's own list.

    `unreaped`: leaders started here and not yet waited for. `born`: leaders
    started here, `adopted`: by an earlier daemon; both until their tree is
    swept or given up. `idle`: those of them that are workers without a call,
    and whose earlier calls were swept. `left_alone`: (pid, start) of orphans
    that a job was allowed to leave behind.
    """

    is_subreaper: bool = False
    unreaped: dict[int, ProcessIdentity] = field(default_factory=dict)
    born: set[ProcessIdentity] = field(default_factory=set)
    adopted: set[ProcessIdentity] = field(default_factory=set)
    idle: set[ProcessIdentity] = field(default_factory=set)
    left_alone: set[tuple[int, int]] = field(default_factory=set)


_kin = _Kin()


def become_subreaper() -> bool:
    """Make orphans of our jobs our children (prctl(2), Linux 3.4). False where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    _kin.is_subreaper = bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    return _kin.is_subreaper


def note_started(identity: ProcessIdentity) -> None:
    """A leader was started here."""
    _kin.unreaped[identity.pid] = identity
    _kin.born.add(identity)


def note_adopted(identity: ProcessIdentity) -> None:
    """A leader that an earlier daemon started is watched now."""
    if is_ours(identity):
        _kin.unreaped[identity.pid] = identity
    _kin.adopted.add(identity)


def note_reaped(identity: ProcessIdentity) -> None:
    """A leader was waited for; its pid may be given out again."""
    if _kin.unreaped.get(identity.pid) == identity:
        del _kin.unreaped[identity.pid]


def note_swept(identity: ProcessIdentity) -> None:
    """Its tree is gone."""
    _kin.born.discard(identity)
    _kin.adopted.discard(identity)
    _kin.idle.discard(identity)


def note_idle(identity: ProcessIdentity) -> None:
    """A worker has no call: an orphan that nobody can place is not its own."""
    _kin.idle.add(identity)


def note_busy(identity: ProcessIdentity) -> None:
    """A worker has a call again."""
    _kin.idle.discard(identity)


def note_given_up(identity: ProcessIdentity) -> None:
    """Nobody will watch it any more. If its tree was not swept, what it left is left alone for good."""
    if identity in _kin.born or identity in _kin.adopted:
        note_swept(identity)
        _kin.left_alone = {(stat.pid, stat.start_ticks) for stat in _living_strangers()}


def is_watched(identity: ProcessIdentity) -> bool:
    """Whether we have had our eye on it since before it ended, until now."""
    return identity in _kin.born or identity in _kin.adopted


def is_unreaped(identity: ProcessIdentity) -> bool:
    """Whether it is our child and not yet waited for, so that its pid cannot be another's."""
    return _kin.unreaped.get(identity.pid) == identity


def is_ours(identity: ProcessIdentity) -> bool:
    """Whether the process is a child of this one (as after the daemon replaced itself by exec)."""
    stat = read_stat(identity.pid)
    if stat is None or stat.parent != os.getpid():
        return False
    return identity == ProcessIdentity(identity.pid, stat.start_ticks, boot_id())


def orphans_reach_us(identity: ProcessIdentity) -> bool:
    """Whether whatever this leader leaves behind must become our child.

    An earlier daemon's orphans went to init, so: only leaders started here.
    """
    return _kin.is_subreaper and identity in _kin.born


def orphans(identity: ProcessIdentity) -> list[ProcStat]:
    """Our living orphans that may be of this leader's tree, going by time and session.

    Those without any run's marker, which changed session and cleared their
    environment, belong to one of the leaders that were there when they began.
    See `is_only_candidate`.
    """
    return [stat for stat in _living_strangers() if stat.start_ticks >= identity.start_ticks]


def is_only_candidate(identity: ProcessIdentity, orphan: ProcStat) -> bool:
    """Whether no other watched leader can have brought this unmarked orphan about.

    While there is a choice it is spared; the last of the candidates takes it
    along, unless one of them was allowed to leave children.
    """
    if not orphans_reach_us(identity) or (orphan.pid, orphan.start_ticks) in _kin.left_alone:
        return False
    others = (_kin.born | _kin.adopted) - _kin.idle - {identity}
    return all(other.start_ticks > orphan.start_ticks for other in others)


def _living_strangers() -> list[ProcStat]:
    """Orphans of jobs: our children, not started here, in another session than ours, alive."""
    own_session = os.getsid(0)
    found = (read_stat(pid) for pid in strangers())
    return [stat for stat in found if stat is not None and not stat.is_dead and stat.session != own_session]


def strangers(own_pids: Collection[int] = ()) -> list[int]:
    """Our children that were not started here, nor named in `own_pids`; zombies included."""
    return [pid for pid in children() if pid not in _kin.unreaped and pid not in own_pids]


def children() -> list[int]:
    """Our children of every thread, zombies included, as the kernel lists them.

    Without that list (CONFIG_PROC_CHILDREN off) every process is asked for its parent.
    """
    if not _has_children_list():
        own = os.getpid()
        return [stat.pid for stat in map(read_stat, pids()) if stat is not None and stat.parent == own]
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  the hot path of every run's end
        found.extend(map(int, read_proc(f"/proc/self/task/{thread}/children").split()))
    return found


def _has_children_list() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def reap_tree(identity: ProcessIdentity) -> None:
    """Reap the ended orphans in this leader's group or session: only processes of its tree can be there."""
    for pid in strangers():
        stat = read_stat(pid)
        if stat is not None and stat.is_dead and identity.pid in (stat.group, stat.session):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def reap_strangers(own_pids: Collection[int] = ()) -> int:
    """Reap ended orphans of jobs, and return how many.

    Only zombies in a session that is not ours: a child of this process that
    somebody else waits for (a `subprocess.run`) shares our session. One that was
    given a session of its own must be named in `own_pids`.
    """
    reaped = 0
    own_session = os.getsid(0)
    for pid in strangers(own_pids):
        stat = read_stat(pid)
        if stat is None or not stat.is_dead or stat.session == own_session:
            continue
        with suppress(ChildProcessError):
            reaped += os.waitpid(pid, os.WNOHANG)[0] == pid
    return reaped


def has_strangers() -> bool:
    """Whether any orphan, dead or alive, has fallen to us: one look at the kernel's list."""
    return any(pid not in _kin.unreaped for pid in children())
