"""The worker's end of the socket to the daemon: a JSON object in each datagram.

Plain reads and writes on the descriptor, which job code may have closed or
used for something else: it is looked at after every call.
"""

from __future__ import annotations

import _socket
import json
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_SENT = 60_000
_LARGEST_RECEIVED = 256 << 10
_SHUT_RD = 0


class Channel:
    """Messages from and to the daemon, as long as there is one."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_inheritable(fd, False)
        self._inode = os.fstat(fd).st_ino
        self._buffer = bytearray(_LARGEST_RECEIVED)
        self._parts = [self._buffer]
        self._poll = select.poll()
        self._poll.register(fd, 0)
        self._input = select.poll()
        self._input.register(fd, select.POLLIN)
        self._held = ""
        self.is_lost = False

    def receive(self) -> dict[str, Any] | None:
        """The next message; None if there will be none. Waits without limit."""
        try:
            size = os.readv(self._fd, self._parts)
        except ConnectionError:
            return None
        if not size:
            return None
        return json.loads(self._buffer[:size].decode("utf-8"))  # type: ignore[no-any-return]

    def send_soon(self, text: str, *, is_followed: bool) -> None:
        """Send one message together with the next one, if the next call is there already.

        `is_followed`: it is, in the message that was received last.
        """
        self.flush()
        if not self.is_lost and (is_followed or self._input.poll(0)):
            self._held = text
        else:
            self.send(text)

    def flush(self) -> None:
        """Send what waits for a next message."""
        text, self._held = self._held, ""
        if text:
            self.send(text)

    def send(self, text: str) -> None:
        """Send one message. If nobody is there to read it, the files tell instead."""
        if self.is_lost:
            return
        if self._held:
            if len(self._held) + len(text) < LARGEST_SENT:
                text, self._held = f"[{self._held},{text}]", ""
            else:
                self.flush()
        try:
            os.write(self._fd, text.encode("utf-8"))
        except (ConnectionError, BrokenPipeError):
            self.is_lost = True

    def is_closed(self) -> bool:
        """Whether the other end is gone, so that no call may be begun, not even one already received."""
        return self.is_lost or bool(self._poll.poll(0))

    def is_intact(self) -> bool:
        """Whether the descriptor is still the socket."""
        try:
            is_ours = os.fstat(self._fd).st_ino == self._inode
        except OSError:
            is_ours = False
        self.is_lost = self.is_lost or not is_ours
        return is_ours

    def close_reading(self) -> None:
        """Let nothing more come in: what was sent before is still received, and then the end."""
        if self.is_lost:
            return
        socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, self._fd)
        try:
            socket.shutdown(_SHUT_RD)
        except OSError:
            pass
        finally:
            socket.detach()
