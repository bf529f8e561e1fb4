"""Signalling, killing and sweeping the whole process tree of an attempt.

A tree is everything that descends from the leader, is in its session or
process group, or carries the run's marker in its environment: whoever escapes
by one road is met on another. The leader itself is the surrounding sh; it is
spared until it has written the status, which it does once nothing runs below it.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from jobrun.domain.run import ProcessIdentity
from jobrun.proc import cgroup, kin
from jobrun.proc.cgroup import AttemptCgroup
from jobrun.proc.environment import RUN_ID, STORE_ID
from jobrun.proc.identity import (
    ProcStat,
    boot_id,
    environments,
    is_alive,
    pids,
    read_stat,
    rest,
    send_signal,
)
from jobrun.proc.kin import become_subreaper, reap_strangers
from jobrun.proc.spec import Marker

__all__ = [
    "become_subreaper",
    "kill_rest",
    "kill_tree",
    "left_by_call",
    "living_below",
    "reap_strangers",
    "signal_main",
    "signal_tree",
    "stop_group",
    "sweep",
    "sweep_call",
    "tree_rss",
    "tree_size",
]

PATIENCE = 2.0
_RUN_ID, _STORE_ID = RUN_ID.encode(), STORE_ID.encode()
_LEADER_PATIENCE = 0.25
_FREEZE_PATIENCE = 0.1
_MIN_PAUSE, _MAX_PAUSE = 0.0005, 0.02


def signal_tree(identity: ProcessIdentity, marker: Marker, number: int) -> int:
    """Send a signal to the whole tree, and return how many processes outside the leader's group got it.

    TERM, HUP and INT are followed by CONT: a stopped process would keep them
    pending for ever. The group is signalled as one only while its leader is
    certainly the process it was; else each process by itself.
    """
    wakes = number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    as_group = _holds_its_pid(identity)
    if as_group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(identity.pid, number)
            if wakes:
                os.killpg(identity.pid, signal.SIGCONT)
    reached = 0
    for stat in tree(identity, marker):
        if as_group and stat.group == identity.pid:
            continue
        reached += send_signal(stat.pid, stat.start_ticks, number)
        if wakes:
            send_signal(stat.pid, stat.start_ticks, signal.SIGCONT)
    return reached


def signal_main(leader: ProcessIdentity, number: int) -> bool:
    """Send a signal to the command itself, the child of the surrounding sh, and to nothing below it."""
    children = [stat for stat in _all_processes(leader.start_ticks) if stat.parent == leader.pid]
    return any(send_signal(stat.pid, stat.start_ticks, number) for stat in children)


def kill_tree(identity: ProcessIdentity, marker: Marker, patience: float = PATIENCE) -> int:
    """KILL the whole tree and return how many processes that were, the surrounding sh not counted.

    Takes milliseconds; at most `patience` seconds against a tree that grows as
    fast as it is killed. The group is stopped first, so that nothing in it
    can fork while it is counted.
    """
    leads = is_alive(identity)
    group = cgroup.group_of(identity)
    if group is not None:
        group.freeze(_FREEZE_PATIENCE)
    elif leads:
        stop_group(identity)
    try:
        killed = _kill_all(lambda: tree(identity, marker), identity.pid if leads else 0, patience)
    finally:
        if group is not None:
            group.thaw()
        if leads:
            send_signal(identity.pid, identity.start_ticks, signal.SIGCONT)
    if leads and not _ends_within(identity, _LEADER_PATIENCE):
        send_signal(identity.pid, identity.start_ticks, signal.SIGKILL)
    return killed


def sweep(
    identity: ProcessIdentity | None,
    marker: Marker,
    patience: float = PATIENCE,
    *,
    group: AttemptCgroup | None = None,
) -> int:
    """After the leader's end: KILL whatever is left of its tree, and return how many that were.

    The usual case, nothing left, costs two system calls and one look at our
    own children, if this process started the leader; else every process of
    the host is asked for the marker. `identity` is None where it was never known;
    then `group` is the attempt's control group, if it may have one.
    """
    group = cgroup.group_of(identity) or group
    left_in_group = group.pids() if group is not None and group.is_populated else []
    if group is not None and left_in_group:
        group.kill(patience)
    killed = len(left_in_group)
    if identity is None or not kin.orphans_reach_us(identity) or not _left_nothing(identity, marker):
        killed += _kill_all(lambda: tree(identity, marker), 0, patience)
    if group is not None:
        group.remove()
    if identity is not None:
        cgroup.forget(identity)
        kin.note_swept(identity)
    return killed


def sweep_call(
    leader: ProcessIdentity,
    python: ProcessIdentity | None,
    marker: Marker,
    kept: Collection[tuple[int, int]] = (),
    patience: float = PATIENCE,
) -> int:
    """After the end of a call in a worker that lives on: KILL what the call left, and return how many.

    `leader` is the worker's sh and `python` its interpreter, which are spared, and so
    are the processes (pid, start) in `kept`: the worker had them before the call.
    """
    spared = {(leader.pid, leader.start_ticks), *kept}
    if python is not None:
        spared.add((python.pid, python.start_ticks))

    def left() -> list[ProcStat]:
        return [stat for stat in tree(leader, marker) if (stat.pid, stat.start_ticks) not in spared]

    return _kill_all(left, 0, patience)


def left_by_call(
    leader: ProcessIdentity,
    python: ProcessIdentity | None,
    marker: Marker,
    kept: Collection[tuple[int, int]] = (),
) -> set[tuple[int, int]]:
    """What `sweep_call` would KILL now, as (pid, start): for a call that may leave its children."""
    spared = {(one.pid, one.start_ticks) for one in (leader, python) if one is not None}
    return {(stat.pid, stat.start_ticks) for stat in tree(leader, marker)} - spared - set(kept)


def kill_rest(leader: ProcessIdentity, kept: Collection[tuple[int, int]], markers: Iterable[Marker]) -> None:
    """KILL a worker's tree, living or ended, but for what its calls were allowed to leave.

    That is the processes in `kept`, those that carry a marker, and what descends from either.
    """
    wanted = [_marks(marker) for marker in markers]

    def rest_of() -> list[ProcStat]:
        found = tree(leader, Marker(0, ""))
        marked = {pid for pid, env in environments(found).items() if any(marks <= env for marks in wanted)}
        everyone = _all_processes(leader.start_ticks)
        roots = marked | {stat.pid for stat in everyone if (stat.pid, stat.start_ticks) in kept}
        spared = {stat.pid for stat in _relatives(everyone, None, roots)}
        return [stat for stat in found if stat.pid not in spared]

    _kill_all(rest_of, 0, PATIENCE)


def living_below(leader: ProcessIdentity, python: ProcessIdentity) -> frozenset[tuple[int, int]]:
    """The processes of a worker that are neither its sh nor its interpreter, as (pid, start)."""
    own = {leader.pid, python.pid}
    everyone = _all_processes(leader.start_ticks)
    return frozenset(
        (stat.pid, stat.start_ticks) for stat in _relatives(everyone, leader, ()) if stat.pid not in own
    )


def tree_rss(identity: ProcessIdentity, marker: Marker) -> int:
    """The resident memory of the tree in bytes; pages shared between its processes count in each."""
    import psutil  # only a job with a memory limit pays for it

    total = 0
    for stat in _relatives(_all_processes(identity.start_ticks), identity, _orphans_of(identity, marker)):
        with suppress(psutil.Error):
            total += psutil.Process(stat.pid).memory_info().rss
    return total


def tree_size(identity: ProcessIdentity, marker: Marker, enough: int) -> int:
    """How many processes and threads the tree has, the surrounding sh not counted.

    Not counted to the end if its group and session alone have more than `enough`.
    """
    everyone = _all_processes(identity.start_ticks)
    near = [stat for stat in everyone if identity.pid in (stat.group, stat.session)]
    if _tasks(near, identity) > enough and _holds_its_pid(identity):
        return _tasks(near, identity)
    return _tasks(_relatives(everyone, identity, _orphans_of(identity, marker)), identity)


def _tasks(stats: Iterable[ProcStat], identity: ProcessIdentity) -> int:
    return sum(max(1, stat.threads) for stat in stats if stat.pid != identity.pid)


def stop_group(identity: ProcessIdentity) -> None:
    """STOP the leader's group, so that nothing in it can fork until `kill_tree` comes."""
    if _holds_its_pid(identity):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(identity.pid, signal.SIGSTOP)


def tree(identity: ProcessIdentity | None, marker: Marker) -> list[ProcStat]:
    """The living processes of the tree, the leader included if it lives; by a look at every process.

    Never ourselves nor init.
    """
    if identity is None:
        everyone = _all_processes(0)
        return _relatives(everyone, None, carriers(everyone, marker))
    if identity.boot_id != boot_id():
        return []
    everyone = _all_processes(identity.start_ticks)
    marked = carriers(everyone, marker)
    group = cgroup.group_of(identity)
    if group is not None:
        marked.update(group.pids())
    return _relatives(everyone, identity, marked.union(_orphans_of(identity, marker)))


def carriers(stats: Iterable[ProcStat], marker: Marker) -> set[int]:
    """The pids of those that have the run's marker in their environment, as it was at their exec."""
    wanted = _marks(marker)
    return {pid for pid, environ in environments(stats).items() if wanted <= environ}


def _marks(marker: Marker) -> frozenset[bytes]:
    run, store = b"%s=%d" % (_RUN_ID, marker.run_id), b"%s=%s" % (_STORE_ID, marker.store_id.encode())
    return frozenset((run, store))


def _all_processes(since: int) -> list[ProcStat]:
    """Every living process of the host started at or after `since` ticks, but ourselves and init."""
    spared = {1, os.getpid()}
    found = (read_stat(pid) for pid in pids() if pid not in spared)
    return [stat for stat in found if stat is not None and not stat.is_dead and stat.start_ticks >= since]


def _relatives(
    everyone: list[ProcStat], identity: ProcessIdentity | None, marked: Iterable[int]
) -> list[ProcStat]:
    """The marked ones, the leader's session, group and descendants, and the descendants of all these."""
    by_pid = {stat.pid: stat for stat in everyone}
    children: dict[int, list[int]] = {}
    for stat in everyone:
        children.setdefault(stat.parent, []).append(stat.pid)
    waiting = list(marked)
    if identity is not None and _number_is_theirs(identity):
        pid = identity.pid
        waiting += [pid] if pid in by_pid else []
        waiting += [stat.pid for stat in everyone if pid in (stat.session, stat.group)]
        waiting += children.get(pid, [])
    found: dict[int, ProcStat] = {}
    while waiting:
        member = waiting.pop()
        if member in by_pid and member not in found:
            found[member] = by_pid[member]
            waiting += children.get(member, [])
    return list(found.values())


def _number_is_theirs(identity: ProcessIdentity) -> bool:
    """Whether the leader's pid, as the name of a session or group, still means its tree.

    The kernel does not reuse a number while a session or group bears it, so it
    does if the leader exists, or ended under our eyes a moment ago. Of one
    that ended long before, the number may have been given out and freed again.
    """
    stat = read_stat(identity.pid)
    if stat is None:
        return kin.is_watched(identity)
    return stat.start_ticks == identity.start_ticks


def _holds_its_pid(identity: ProcessIdentity) -> bool:
    """Whether the leader exists, running or not yet reaped, so that its group is certainly its own."""
    if identity.boot_id != boot_id():
        return False
    stat = read_stat(identity.pid)
    return stat is not None and stat.start_ticks == identity.start_ticks


def _left_nothing(identity: ProcessIdentity, marker: Marker) -> bool:
    """Whether the leader's group is empty and none of our orphans may be of its tree."""
    if kin.is_unreaped(identity):
        return False
    if _has_group(identity.pid):
        kin.reap_tree(identity)
        if _has_group(identity.pid):
            return False
    return not _orphans_of(identity, marker)


def _has_group(number: int) -> bool:
    """Whether the process group has members; zombies count."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _orphans_of(identity: ProcessIdentity, marker: Marker) -> set[int]:
    """Those of our orphans that carry the run's marker, or carry none and can be no other run's."""
    orphans = kin.orphans(identity)
    if not orphans:
        return set()
    wanted = _marks(marker)
    found = set()
    environ_of = environments(orphans)
    for orphan in orphans:
        environ = environ_of.get(orphan.pid, frozenset())
        is_marked = any(item.startswith(_RUN_ID + b"=") for item in environ)
        if wanted <= environ if is_marked else kin.is_only_candidate(identity, orphan):
            found.add(orphan.pid)
    return found


def _kill_all(find: Callable[[], list[ProcStat]], spared: int, patience: float) -> int:
    """KILL what `find` finds, again and again until it finds nothing twice; `spared` is a pid left alone."""
    killed: set[tuple[int, int]] = set()
    until = time.monotonic() + patience
    pause = _MIN_PAUSE
    quiet = 0
    while quiet < 2:
        targets = [stat for stat in find() if stat.pid != spared]
        for stat in targets:
            if not stat.is_ending and send_signal(stat.pid, stat.start_ticks, signal.SIGKILL):
                killed.add((stat.pid, stat.start_ticks))
        # One empty look can miss a process in the middle of its exec, whose environment is not there yet.
        quiet = 0 if targets else quiet + (1 if killed else 2)
        if time.monotonic() > until:
            break
        if quiet < 2:
            rest(pause)
            pause = min(pause * 2, _MAX_PAUSE)
    return len(killed)


def _ends_within(identity: ProcessIdentity, seconds: float) -> bool:
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError:
        return True
    try:
        if not is_alive(identity):
            return True
        ready = select.poll()
        ready.register(fd, select.POLLIN)
        return bool(ready.poll(seconds * 1000))
    finally:
        os.close(fd)
