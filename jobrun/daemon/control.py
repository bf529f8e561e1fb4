"""The control socket: who may ask, how a question is read, and how an answer goes back.

The socket has mode 0600 in a directory of mode 0700, and the caller's user id
is checked with SO_PEERCRED besides: the daemon's own user and root may ask. A
connection carries any number of requests, one line each, answered in order. A
socket outside of the state directory has a link inside, for whoever looks there.
"""

import asyncio
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jobrun.domain.errors import Bug, JobrunError
from jobrun.wire.message import (
    MAX_LINE,
    MessageError,
    Request,
    decode_request,
    encode_error,
    encode_reply,
)

Answer = Callable[[Request, str], Awaitable[dict[str, Any]]]
_PEERCRED = struct.Struct("3i")


class Control:
    """Serves one socket. Owns its server and its connections."""

    def __init__(self, path: Path, link: Path | None, answer: Answer, log: Callable[..., None]) -> None:
        self._path = path
        self._link = link
        self._answer = answer
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._inode = 0
        self._listener: socket.socket | None = None
        self._trouble = ""

    def bind(self) -> None:
        """Make the socket; nobody is answered yet. Raises JobrunError where it cannot be made.

        What a dead daemon left in the way is replaced: the lock proves it dead.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _clear(self._path)
            _bind(listener, self._path)
            self._inode = self._path.stat().st_ino
        except OSError as error:
            listener.close()
            raise _no_socket(self._path, error) from error
        self._listener = listener

    async def start(self) -> None:
        """Answer at the socket that was made."""
        listener, self._listener = self._listener, None
        assert listener is not None
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=MAX_LINE)
        if self._link is not None:
            self._make_link(self._link)

    def _make_link(self, link: Path) -> None:
        """The socket works without it, so a full disk or somebody's file in its place is only told."""
        try:
            _clear(link)
            link.symlink_to(self._path)
        except OSError as error:
            self._link = None
            self._log("control.unlinked", level="warning", path=str(link), error=error.strerror)

    def is_reachable(self) -> bool:
        """Whether the socket file, by both ways to it, is still the one that was bound."""
        try:
            return all(path.stat().st_ino == self._inode for path in (self._path, self._link or self._path))
        except OSError:
            return False

    async def restart(self) -> None:
        """Bind anew after somebody removed the socket file, or the link to it.

        What is in the way is told once; the next call tries again.
        """
        if self._server is not None:
            # First: Python 3.13 removes a file of the closed socket's inode, and inodes come again.
            self._server.close()
        try:
            self.bind()
        except JobrunError as error:
            if error.sentence != self._trouble:
                self._log("control.unreachable", level="warning", error=error.sentence, hint=error.hint)
            self._trouble = error.sentence
            return
        self._trouble = ""
        await self.start()
        self._log("control.rebound", path=str(self._path))

    async def stop(self) -> None:
        """Answer nobody any more and remove the socket file."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self.is_reachable():
            if self._link is not None:
                self._link.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer)
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                writer.write(encode_error(MessageError(f"a message is over the limit of {MAX_LINE} bytes")))
                await writer.drain()
                return
            if not line:
                return
            # After the question was read: who is still writing it when we hang up never sees the answer.
            if uid not in (0, os.geteuid()):
                writer.write(encode_error(_refusal_to(uid)))
                await writer.drain()
                return
            writer.write(await self._reply(line, _user_name(uid)))
            await writer.drain()

    async def _reply(self, line: bytes, by: str) -> bytes:
        try:
            return encode_reply(await self._answer(decode_request(line), by))
        except JobrunError as error:
            return encode_error(error)
        except Exception as error:  # noqa: BLE001 - the control gate: one bad request must not end the daemon
            self._log("control.bug", level="error", exc_info=error)
            return encode_error(
                Bug("The daemon could not answer.", "This is a bug; its log has the details.")
            )


def _clear(path: Path) -> None:
    """Remove a socket, or a link to one; anything else is somebody's file, and stays in the way."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISSOCK(mode) or stat.S_ISLNK(mode):
        path.unlink()


def _bind(listener: socket.socket, path: Path) -> None:
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _no_socket(path: Path, error: OSError) -> JobrunError:
    if not path.exists():
        return JobrunError(
            f"The control socket {path} cannot be made ({(error.strerror or '').lower()}).",
            "Choose another state directory with --state-dir, or change the permissions.",
        )
    return JobrunError(
        f"The control socket {path} cannot be made: there is a {'directory' if path.is_dir() else 'file'}.",
        "Move it away, or choose another state directory with --state-dir.",
    )


def _refusal_to(uid: int) -> JobrunError:
    return JobrunError(
        f"User {_user_name(uid)} may not control this daemon.",
        "It answers to its own user and to root.",
    )


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    connection = writer.get_extra_info("socket")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    _, uid, _ = _PEERCRED.unpack(raw)
    return int(uid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
