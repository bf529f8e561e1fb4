"""The status file of a warm call: making it is the claim to the call, its end is the truth about it.

A header of 256 bytes in the form that the sh around a command writes it, then
JSON: which worker makes the call, and at the end the report. The end of the
header is written last, or in one page with what follows it.
"""

from __future__ import annotations

import os

HEADER_SIZE = 256
_PAGE = 4096
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_BEGAN = b"began\n".ljust(HEADER_SIZE - 1) + b"\n"


class StatusFile:
    """The status file of the present call."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._tail = worker.encode("utf-8")
        self._path = ""
        self._fd = -1
        self._inode = 0

    def claim(self, path: str) -> None:
        """Make the file. Raises FileExistsError if somebody has it, OSError if it cannot be made."""
        fd = os.open(path, _FLAGS, 0o600)
        text = _BEGAN + self._tail
        try:
            _write(fd, text, 0)
            self._inode = os.fstat(fd).st_ino
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        self._path, self._fd = path, fd

    def drop(self) -> None:
        """Take the claim back: nothing was run."""
        os.close(self._fd)
        os.unlink(self._path)

    def complete(self, code: int, times: tuple[float, float, float, float], report: str) -> bool:
        """Write the end. Returns whether the report is in it: a full disk has room for the rest only."""
        lines = [f"{_time(times[0])} {_time(times[1])}", f"{_time(times[2])} {_time(times[3])}"]
        header = f"began\nexit {code}\n{lines[0]}\n{lines[1]}\nend\n".encode("ascii")
        header = header.ljust(HEADER_SIZE - 1) + b"\n"
        tail = self._tail if report == "{}" else f"{self._worker[:-1]},{report[1:]}".encode()
        fd = self._descriptor()
        if fd < 0:
            return False
        try:
            return self._write_end(fd, header, tail)
        finally:
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
            return os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return -1


def _write(fd: int, raw: bytes, offset: int) -> None:
    """All of it; a disk that is full gets to say so at the second try."""
    while raw:
        size = os.pwrite(fd, raw, offset)
        raw, offset = raw[size:], offset + size


def _time(seconds: float) -> str:
    """A span as the shell's `times` writes it."""
    minutes = int(seconds // 60)
    return f"{minutes}m{max(0.0, seconds - 60 * minutes):.6f}s"
