"""Where the log goes: nothing here waits for whoever reads it.

A reader may stand still (a pager, a pipe nobody empties, a terminal held by
Ctrl-S), and the daemon must not stand still with it. O_NONBLOCK is no way out on
the stream itself: it belongs to the open file, which a shell and other programs
share. So a pipe or terminal is opened once more for us, and a socket is told
with each message not to wait; where neither can be, we look before we write.
What cannot be written is kept, up to a bound, then counted.
"""

import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

MOST_KEPT = 1 << 20
# A reader that only lags gets this long, in seconds, before what it did not take is kept.
_LAG = 0.1
# As much as a pipe takes as a whole or not at all: PIPE_BUF on Linux.
_PIECE = 4096

Send = Callable[[bytes], int]


class Outlet:
    """Writes lines to a stream in their order. `dropped` words the line that says how many are missing."""

    def __init__(self, stream: TextIO, dropped: Callable[[int], str]) -> None:
        self._encoding = stream.encoding or "utf-8"
        self._dropped = dropped
        self._poll = select.poll()
        self._send = self._open(stream)
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._missing = 0

    def write(self, lines: str) -> None:
        """Write whole lines, or keep them until they can be written."""
        was_behind = bool(self._kept or self._missing)
        self._keep(lines.encode(self._encoding, "backslashreplace"))
        self.flush(0.0 if was_behind else _LAG)

    def flush(self, patience: float = 0.0) -> bool:
        """Write what is kept, waiting at most that many seconds; whether nothing is left."""
        deadline = time.monotonic() + patience
        while self._kept or self._missing:
            if not self._kept:
                line, self._missing = self._dropped(self._missing), 0
                self._kept.append(line.encode(self._encoding, "backslashreplace"))
                self._size += len(self._kept[0])
            try:
                self._advance(self._send(self._kept[0]))
            except BlockingIOError:
                if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    return False
                if time.monotonic() >= deadline:
                    return False
            except (OSError, ValueError):
                # Closed, full, or without a reader for now: no reason to end, nor to forget the lines.
                return False
        return True

    def _keep(self, lines: bytes) -> None:
        if self._missing or (self._kept and self._size + len(lines) > MOST_KEPT):
            self._missing += lines.count(b"\n")
        elif lines:
            self._kept.append(lines)
            self._size += len(lines)

    def _advance(self, written: int) -> None:
        rest = self._kept.popleft()[written:]
        self._size -= written
        if rest:
            self._kept.appendleft(rest)

    def _open(self, stream: TextIO) -> Send:
        """What writes to the stream as much as it takes now; BlockingIOError if it takes nothing."""
        try:
            fd = stream.fileno()
            mode = os.fstat(fd).st_mode
        except (OSError, ValueError):
            return _whole(stream)
        if stat.S_ISSOCK(mode):
            own = socket.socket(fileno=os.dup(fd))
            self._poll.register(own, select.POLLOUT)
            return lambda lines: own.send(lines, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return self._open_anew(fd)
        return lambda lines: os.write(fd, lines)

    def _open_anew(self, fd: int) -> Send:
        try:
            again = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            # Somebody else's pipe or terminal.
            self._poll.register(fd, select.POLLOUT)
            return self._piece_by_piece(fd)
        self._poll.register(again, select.POLLOUT)
        return lambda lines: os.write(again, lines)

    def _piece_by_piece(self, fd: int) -> Send:
        def send(lines: bytes) -> int:
            if not self._poll.poll(0):
                raise BlockingIOError
            return os.write(fd, lines[:_PIECE])

        return send


def _whole(stream: TextIO) -> Send:
    def send(lines: bytes) -> int:
        stream.write(lines.decode(stream.encoding or "utf-8"))
        stream.flush()
        return len(lines)

    return send
