"""The lock of a state directory: one daemon serves it.

A lock of the kernel's, so a dead daemon never holds it. It is held on the open
file, while the next daemon looks at the name: whoever removes the file lets a
second one in. So the name is looked at once a second, and made anew.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobrun.domain.errors import Conflict, JobrunError


class Lock:
    """Held while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._is_lost = False

    def take(self) -> None:
        """Take it. Raises Conflict if another daemon holds it."""
        try:
            descriptor = self._open()
        except OSError as error:
            raise JobrunError(
                f"The lock {self._path} cannot be opened ({(error.strerror or '').lower()}).",
                "The state directory must be writable for the daemon's user.",
            ) from error
        if not _hold(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Conflict(
                f"Another daemon (pid {holder}) serves the state directory {self._path.parent}.",
                "One state directory serves one daemon: stop it with `jobrun stop`, or use --state-dir.",
            )
        self._descriptor = descriptor

    def touch(self, log: Callable[..., None]) -> None:
        """Say by the file's time that we are alive. A lock that was removed is made again."""
        try:
            os.utime(self._descriptor)
            if not self._is_at_its_path():
                self._take_again(log)
        except OSError:
            # The time is for `why` alone; the lock is looked at again in a second.
            pass

    def release(self) -> None:
        """Let the next daemon have it."""
        os.close(self._descriptor)

    def _is_at_its_path(self) -> bool:
        ours = os.fstat(self._descriptor)
        with suppress(FileNotFoundError):
            return os.path.samestat(ours, self._path.stat())
        return False

    def _take_again(self, log: Callable[..., None]) -> None:
        descriptor = self._open()
        if _hold(descriptor):
            os.close(self._descriptor)
            self._descriptor = descriptor
            log("lock.remade", level="warning", path=str(self._path), text="somebody removed the lock")
            self._is_lost = False
            return
        if not self._is_lost:
            text = "somebody removed the lock, and a second daemon serves the same state: stop one of them"
            log("lock.lost", level="error", path=str(self._path), pid=_holder(descriptor), text=text)
        self._is_lost = True
        os.close(descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold the state directory's lock. Raises Conflict."""
    lock = Lock(path)
    lock.take()
    try:
        yield lock
    finally:
        lock.release()


def _hold(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    seen = os.fstat(descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    # The file's time says when a daemon was last alive; it stays until this one has read it.
    os.utime(descriptor, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    return True


def _holder(descriptor: int) -> str:
    return os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
