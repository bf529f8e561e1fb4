"""What this host offers for supervision: asked of the kernel, without changing anything that lasts.

For `jobrun doctor`. Everything is told as plain values; what they mean for a
reader is said there.
"""

import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from jobrun.domain.instants import Instant

_PR_GET_CHILD_SUBREAPER = 37  # prctl(2)
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_SYSTEMD_PATIENCE = 2.0
_TIMEX_BYTES = 512  # more than `struct timex` has on any Linux


def has_subreaper() -> bool:
    """Whether orphans of jobs can be made children of the daemon (Linux 3.4)."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(ctypes.c_int()), 0, 0, 0) == 0)


def has_pidfd() -> bool:
    """Whether processes can be watched and signalled for sure, whoever has their pid later (Linux 5.3)."""
    try:
        descriptor = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(descriptor, 0)
        finally:
            os.close(descriptor)
    except (OSError, AttributeError):
        return False
    return True


def is_clock_synchronised() -> bool | None:
    """What the kernel was told by whoever keeps the clock right; None if it does not say."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "adjtimex"):
        return None
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))  # modes 0: only reads
    return None if state < 0 else bool(state != _TIME_ERROR)


def is_going_down(environ: Mapping[str, str]) -> bool:
    """Whether the systemd that started us is taking everything down: the host, or the user's session.

    `environ` is our own as it was at the start: systemd.exec(5) says what it sets.
    False without systemd, and where it does not answer.
    """
    if "INVOCATION_ID" not in environ:
        return False
    whose = ["--user"] if "MANAGERPID" in environ else []
    try:
        done = subprocess.run(
            ["systemctl", *whose, "is-system-running"],
            check=False,
            timeout=_SYSTEMD_PATIENCE,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=dict(environ),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == b"stopping"


def kernel() -> str:
    """The kernel's release."""
    return os.uname().release


def limits_of(pid: int | None) -> dict[str, tuple[int | None, int | None]]:
    """Soft and hard limits (None: unlimited) of open files and of processes, of a process or of ourselves."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for name, which in (("open files", resource.RLIMIT_NOFILE), ("processes", resource.RLIMIT_NPROC)):
        try:
            pair = resource.prlimit(pid, which) if pid is not None else resource.getrlimit(which)
        except (OSError, ValueError):
            continue
        soft, hard = (None if value == resource.RLIM_INFINITY else value for value in pair)
        found[name] = (soft, hard)
    return found


def last_touch(lock: Path) -> Instant | None:
    """When a daemon last touched its lock, as each does every second; None if none has."""
    try:
        return lock.stat().st_mtime_ns // 1000
    except OSError:
        return None


def holder_of_lock(path: Path, table: Path = Path("/proc/locks")) -> int | None:
    """The process that holds the file flocked (proc(5)); None if nobody does, or it cannot be told."""
    try:
        about = path.stat()
        lines = table.read_text().splitlines()
    except OSError:
        return None
    wanted = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    for line in lines:
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[3] == "WRITE" and words[5] == wanted:
            return int(words[4])
    return None
