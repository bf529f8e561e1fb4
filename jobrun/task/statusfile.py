"""The status file of a warm call: making it is the claim to the call, its end is the truth about it.

A header of 256 bytes in the form that the sh around a command writes it, then
JSON: which worker makes the call, and at the end when it began and the report.
The end of the header is written last, or in one page with what follows it.
"""

from __future__ import annotations

import errno
import os

HEADER_SIZE = 256
_PAGE = 4096
_OPEN = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_MAKE = _OPEN | os.O_CREAT
_CLAIM = _MAKE | os.O_EXCL
_MOST_SPARES = 500
# Of file systems that know no second name for a file.
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES)
_BEGAN = b"began\n".ljust(HEADER_SIZE - 1) + b"\n"


class _Spare:
    """A file that calls use one after the other, and how long it is at most."""

    __slots__ = ("path", "size")

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0


class StatusFile:
    """The status file of the present call.

    A file that is made and removed for every call costs some file systems half
    a millisecond (ext4 without a journal looks again at every inode removed in
    the last seconds before it gives out one). So a worker keeps spare files:
    the claim is a second name for one of them, which is as exclusive as making
    a file, and shows the whole first mark at once. A spare file is free again
    when the daemon has removed the call's name for it.
    """

    def __init__(self, worker: str, number: int = 0) -> None:
        self._worker = worker
        self._number = number
        self._tail = worker.encode("utf-8")
        self._path = ""
        self._fd = -1
        self._inode = 0
        self._spares: list[_Spare] = []
        self._spare: _Spare | None = None
        self._made = 0
        self._can_link = True

    def claim(self, path: str) -> None:
        """Make the file. Raises FileExistsError if somebody has it, OSError if it cannot be made."""
        if self._can_link:
            try:
                self._claim_by_link(path)
                return
            except FileExistsError:
                raise
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._can_link = False
        self._spare = None
        fd = os.open(path, _CLAIM, 0o600)
        try:
            _write(fd, _BEGAN + self._tail, 0)
            self._inode = os.fstat(fd).st_ino
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        self._path, self._fd = path, fd

    def _claim_by_link(self, path: str) -> None:
        spare, fd = self._free_spare(path.rpartition("/")[0])
        self._spares.append(spare)
        try:
            # Blanks over what the last call has left: they mean nothing behind JSON.
            text = (_BEGAN + self._tail).ljust(min(spare.size, _PAGE))
            _write(fd, text, 0)
            if spare.size > len(text):
                os.ftruncate(fd, len(text))
            spare.size = len(text)
            os.link(spare.path, path)
        except OSError:
            os.close(fd)
            raise
        self._path, self._fd, self._spare = path, fd, spare

    def _free_spare(self, directory: str) -> tuple[_Spare, int]:
        """The spare file that was used longest ago, if its call is forgotten; else a new one. It is open."""
        if self._spares:
            oldest = self._spares[0]
            try:
                fd = os.open(oldest.path, _OPEN)
            except FileNotFoundError:
                del self._spares[0]
            else:
                about = os.fstat(fd)
                if about.st_nlink == 1:
                    self._inode = about.st_ino
                    del self._spares[0]
                    return oldest, fd
                os.close(fd)
        if len(self._spares) >= _MOST_SPARES:
            # Somebody else gives our files further names: then each call has one of its own.
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        self._made += 1
        spare = _Spare(f"{directory}/0.{self._number}.spare{self._made}")
        fd = os.open(spare.path, _MAKE, 0o600)
        self._inode = os.fstat(fd).st_ino
        return spare, fd

    def drop(self) -> None:
        """Take the claim back: nothing was run."""
        os.close(self._fd)
        os.unlink(self._path)

    def discard(self) -> None:
        """There will be no further call: the spare files go."""
        while self._spares:
            try:
                os.unlink(self._spares.pop().path)
            except OSError:
                pass

    def complete(self, code: int, times: tuple[float, float, float, float], report: str, begun: int) -> bool:
        """Write the end; `begun` is when the call began, in microseconds of the wall clock.

        Returns whether the report is in it: a full disk has room for the rest only.
        """
        lines = [f"{_time(times[0])} {_time(times[1])}", f"{_time(times[2])} {_time(times[3])}"]
        header = f"began\nexit {code}\n{lines[0]}\n{lines[1]}\nend\n".encode("ascii")
        header = header.ljust(HEADER_SIZE - 1) + b"\n"
        more = "}" if report == "{}" else f",{report[1:]}"
        tail = f'{self._worker[:-1]},"begun":{begun}{more}'.encode()
        fd = self._descriptor()
        if fd < 0:
            return False
        try:
            return self._write_end(fd, header, tail)
        finally:
            if self._spare is not None:
                self._spare.size = max(self._spare.size, HEADER_SIZE + len(tail))
            os.close(fd)

    def _write_end(self, fd: int, header: bytes, tail: bytes) -> bool:
        is_kept = True
        try:
            if len(header) + len(tail) <= _PAGE:
                _write(fd, header + tail, 0)
                return True
            _write(fd, tail, HEADER_SIZE)
        except OSError:
            is_kept = False
            os.ftruncate(fd, HEADER_SIZE + len(self._tail))
            _write(fd, self._tail, HEADER_SIZE)
        _write(fd, header, 0)
        return is_kept

    def _descriptor(self) -> int:
        """The open file; opened anew if the job has closed it, -1 if it is not there any more."""
        try:
            if os.fstat(self._fd).st_ino == self._inode:
                return self._fd
        except OSError:
            pass
        try:
            return os.open(self._path, _OPEN)
        except OSError:
            return -1


def _write(fd: int, raw: bytes, offset: int) -> None:
    """All of it; a disk that is full gets to say so at the second try."""
    size = os.pwrite(fd, raw, offset)
    if size < len(raw):
        _write(fd, raw[size:], offset + size)


def _time(seconds: float) -> str:
    """A span as the shell's `times` writes it."""
    if not seconds:
        return "0m0.000000s"
    minutes = int(seconds // 60)
    return f"{minutes}m{max(0.0, seconds - 60 * minutes):.6f}s"
