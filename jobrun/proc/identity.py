"""Which process is which: pid, kernel start time and boot id together.

The rule here: a pid alone names nothing, because the kernel hands it out
again. Everything that signals or adopts a process compares all three.
"""

import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobrun.domain.instants import SECOND, Duration
from jobrun.domain.run import ProcessIdentity

_KERNEL = (0, 2)
_PF_EXITING = 0x4
_EXEC_PAUSES = (0, 0.001, 0.004, 0.016)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcStat:
    """One line of /proc/PID/stat, as far as supervision needs it (proc(5))."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    threads: int
    start_ticks: int
    flags: int

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only waits to be reaped.

        One whose first thread ended before the others is shown as a zombie too, and runs.
        """
        return self.state in "ZXx" and self.threads <= 1

    @property
    def is_ending(self) -> bool:
        """Whether it is on its way out by itself, or by an earlier signal."""
        return bool(self.flags & _PF_EXITING) and self.threads <= 1


@cache
def boot_id() -> str:
    """The kernel's random name for this boot; it cannot change while we live."""
    return _BOOT_ID.read_text().strip()


def read_stat(pid: int) -> ProcStat | None:
    """What the kernel says of the process, or None if there is none of that pid."""
    raw = read_proc(f"/proc/{pid}/stat")
    if not raw:
        return None
    # The command name is in parentheses and may hold spaces and parentheses itself.
    fields = raw[raw.rfind(b")") + 2 :].split()
    parent, group, session, flags, threads, start = (int(fields[number]) for number in (1, 2, 3, 6, 17, 19))
    return ProcStat(pid, fields[0].decode(), parent, group, session, threads, start, flags)


def pids() -> list[int]:
    """The pid of every process of the host."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  twice as fast


def read_proc(path: str) -> bytes:
    """The whole of a /proc file; empty if it is gone or not ours to read.

    Unbuffered and by descriptor: this is read for every process of the host.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        raw = os.read(fd, 65536)
        if len(raw) < 4096:
            return raw
        parts = [raw]
        while raw:
            raw = os.read(fd, 1 << 20)
            parts.append(raw)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(fd)


def resident_memory(pid: int) -> int:
    """The resident memory of one process in bytes; 0 if it is gone (/proc/PID/statm, second field)."""
    fields = read_proc(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def cpu_time(pid: int) -> Duration:
    """User and system time of one process so far; 0 if it is gone (/proc/PID/stat, fields 14 and 15)."""
    raw = read_proc(f"/proc/{pid}/stat")
    fields = raw[raw.rfind(b")") + 2 :].split()
    ticks = int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0
    return ticks * (SECOND // os.sysconf("SC_CLK_TCK"))


def rest(seconds: float) -> None:
    """Sleep. Not by `time.sleep`: libfaketime with an unfaked monotonic clock has it refused (EINVAL)."""
    select.select((), (), (), seconds)


def environments(stats: Iterable[ProcStat]) -> dict[int, frozenset[bytes]]:
    """The environment (`NAME=value`) each process had at its exec, by pid; empty if it is not ours to read.

    In the middle of an exec a process has neither environment nor arguments
    for some microseconds of its own time, and /proc shows both empty. Such ones
    are looked at again, all together a few times: taken for nobody's they
    would escape. A process that is about to end looks the same, and then ends.
    """
    found: dict[int, frozenset[bytes]] = {}
    waiting = [stat for stat in stats if stat.parent not in _KERNEL]
    for pause in _EXEC_PAUSES:
        if pause:
            rest(pause)
            waiting = [stat for stat in waiting if _is_still(stat)]
        unsettled = []
        for stat in waiting:
            raw = read_proc(f"/proc/{stat.pid}/environ")
            if raw or read_proc(f"/proc/{stat.pid}/cmdline"):
                found[stat.pid] = frozenset(raw.split(b"\0"))
            else:
                unsettled.append(stat)
        waiting = unsettled
        if not waiting:
            break
    return found


def _is_still(stat: ProcStat) -> bool:
    now = read_stat(stat.pid)
    return now is not None and now.start_ticks == stat.start_ticks and not now.is_dead


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of the process that has this pid now (a zombie still has one), or None."""
    stat = read_stat(pid)
    return None if stat is None else ProcessIdentity(pid, stat.start_ticks, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs. A zombie has ended."""
    if identity.boot_id != boot_id():
        return False
    stat = read_stat(identity.pid)
    return stat is not None and stat.start_ticks == identity.start_ticks and not stat.is_dead


def send_signal(pid: int, start_ticks: int, number: int) -> bool:
    """Signal one process of this boot through a pidfd; False if it is gone, another one, or not ours.

    The pidfd is opened first and the start time compared after, so the pid
    cannot change hands in between.
    """
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        stat = read_stat(pid)
        if stat is None or stat.start_ticks != start_ticks or stat.is_dead:
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def age(identity: ProcessIdentity) -> Duration:
    """How long the process has run at the least, by a clock that no step of the wall clock touches.

    The kernel tells its start in ticks of 10 ms, cut off: the true age is up to
    a tick less than the difference. A limit must not come early, so that is taken off.
    """
    tick = SECOND // os.sysconf("SC_CLK_TCK")
    since_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return max(0, since_boot - (identity.start_ticks + 1) * tick)
