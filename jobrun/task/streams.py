"""Standard input and output of a warm worker: pointed at a call's own files, and back.

Descriptors are switched, not only Python's objects, so that the output of C
code and of children is the call's. A file that nothing was written to is
renamed for the next call: most calls are silent.
"""

from __future__ import annotations

import os

from jobrun.task.textstreams import StandardObjects, point_at_null

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOG = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class _OutFile:
    """One stream's file: open for a call, or empty and waiting for the next."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.fd = -1
        self.inode = 0

    def open(self, path: str) -> int:
        """The descriptor of the call's file. Raises OSError."""
        if self.path is not None:
            try:
                os.rename(self.path, path)
                self.path = path
                return self.fd
            except OSError:
                self.discard()
        self.fd = os.open(path, _LOG, 0o600)
        self.inode = os.fstat(self.fd).st_ino
        self.path = path
        return self.fd

    def size(self) -> int:
        """How much was written to it; asked by name if the job has closed or replaced the descriptor."""
        try:
            about = os.fstat(self.fd)
            if about.st_ino == self.inode:
                return about.st_size
        except OSError:
            pass
        path, self.path = self.path, None
        try:
            return os.stat(str(path)).st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Let go of the file."""
        if self.path is not None:
            self.path = None
            os.close(self.fd)

    def discard(self) -> None:
        """Remove the file, if it waits for a call that will not come."""
        path = self.path
        if path is not None:
            self.close()
            try:
                os.unlink(path)
            except OSError:
                pass


class Streams:
    """Descriptors 0, 1 and 2 of the worker, with Python's objects on them."""

    def __init__(self) -> None:
        self._out, self._err = _OutFile(), _OutFile()
        self._is_split = self._is_away = False
        self._log = [(fd, os.fstat(fd).st_ino) for fd in (os.dup(1), os.dup(2))]
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(null, 0)
        os.close(null)
        self._null = os.fstat(0).st_rdev
        self._objects = StandardObjects()
        self._flush_c = _c_flush()

    def begin(self, out: str, err: str | None) -> None:
        """Point standard output and error at these files. Raises OSError; then they are where they were."""
        fd = self._out.open(out)
        try:
            second = fd if err is None else self._err.open(err)
        except OSError:
            self._out.discard()
            raise
        os.dup2(fd, 1)
        os.dup2(second, 2)
        self._is_split = err is not None

    def note(self) -> None:
        """What importing code made of Python's objects stays."""
        self._objects.note()

    def flush(self) -> str | None:
        """Write what Python and C still hold of the call's output, and put Python's objects back.

        Returns what the next call could not rely on: a word, the reason to retire.
        """
        is_in_place = self._is_in_place()
        self._objects.flush()
        if self._flush_c is not None:
            self._flush_c(None)
        if not self._objects.put_back():
            return "streams"
        return None if is_in_place else "descriptors"

    def _is_in_place(self) -> bool:
        """Whether the descriptors are what the call was given. One that was closed, and is something else
        now, may be closed again by whoever opened that."""
        second = self._err if self._is_split else self._out
        try:
            return (
                os.fstat(1).st_ino == self._out.inode
                and os.fstat(2).st_ino == second.inode
                and os.fstat(0).st_rdev == self._null
            )
        except OSError:
            return False

    def end(self, *, may_keep: bool, is_followed: bool) -> tuple[int, int]:
        """Point them back at the worker's own log. Returns the sizes of both files.

        `may_keep`: nobody else can write to the files any more, so an empty one may serve again.
        `is_followed`: the next call comes at once and points them at its own, or `come_back` is called.
        """
        sizes = self._out.size(), self._err.size() if self._is_split else 0
        self._is_away = is_followed and may_keep and not any(sizes)
        if not self._is_away:
            self.restore()
        if sizes[0] or not may_keep:
            self._out.close()
        if self._is_split and (sizes[1] or not may_keep):
            self._err.close()
        return sizes

    def restore(self) -> bool:
        """Point all three at what they are between calls. Returns whether the worker's log was there."""
        is_intact = True
        for number, (fd, inode) in enumerate(self._log, 1):
            try:
                if os.fstat(fd).st_ino != inode:
                    raise OSError
                os.dup2(fd, number)
            except OSError:
                is_intact = False
                point_at_null(number, os.O_WRONLY)
        self._restore_input()
        return is_intact

    def come_back(self) -> None:
        """No call comes that points them at files of its own."""
        if self._is_away:
            self._is_away = False
            self.restore()

    def _restore_input(self) -> None:
        try:
            if os.fstat(0).st_rdev != self._null:
                point_at_null(0, os.O_RDONLY)
        except OSError:
            point_at_null(0, os.O_RDONLY)

    def discard(self) -> None:
        """Remove the empty files that wait for a next call."""
        self._out.discard()
        self._err.discard()


def _c_flush() -> Any:
    """The C library's fflush, where this Python has ctypes."""
    try:
        import ctypes

        return ctypes.PyDLL(None).fflush
    except (ImportError, OSError, AttributeError):
        return None
