"""Which process is which: pid, kernel start time and boot id together.

The rule here: a pid alone names nothing, because the kernel hands it out
again. Everything that signals or adopts a process compares all three.
"""

import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobrun.domain.run import ProcessIdentity

_KERNEL = (0, 2)
_EXEC_LOOKS = 6
_EXEC_PAUSE = 0.001
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcStat:
    """One line of /proc/PID/stat, as far as supervision needs it (proc(5))."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only waits to be reaped."""
        return self.state in "ZXx"


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
    return ProcStat(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


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


def read_environ(stat: ProcStat) -> frozenset[bytes]:
    """The environment a process had at its exec, as `NAME=value`; empty if it is not ours to read.

    In the middle of an exec a process has neither environment nor arguments
    for some microseconds of its time (/proc shows both empty). It is waited for,
    since a look in that moment would take one of a run's processes for nobody's.
    """
    if stat.parent in _KERNEL:
        return frozenset()
    for attempt in range(_EXEC_LOOKS):
        raw = read_proc(f"/proc/{stat.pid}/environ")
        if raw or read_proc(f"/proc/{stat.pid}/cmdline"):
            return frozenset(raw.split(b"\0"))
        time.sleep(_EXEC_PAUSE * attempt**2)
    return frozenset()


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
