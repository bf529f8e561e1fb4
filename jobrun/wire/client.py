"""The client's end of the control socket. Blocking, bounded by a timeout, standard library only."""

import socket
from pathlib import Path
from typing import Any

from jobrun.domain.errors import DaemonUnreachable
from jobrun.wire.message import MAX_LINE, Request, decode_reply, encode_request

_READ = 1 << 16


class Client:
    """Calls the daemon that serves one state directory.

    `timeout` (seconds) bounds connecting and each wait for an answer; `call`
    takes a longer one for requests that wait by nature.
    """

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, op: str, *, answer_within: float | None = None, **args: Any) -> dict[str, Any]:
        """Send one request and return the data of its reply.

        `answer_within` replaces the timeout (seconds) for this call's answer.
        Raises DaemonUnreachable, or the error the daemon answered with.
        """
        line = encode_request(Request(op, args))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout)
            try:
                connection.connect(str(self._path))
                connection.sendall(line)
                connection.settimeout(self._timeout if answer_within is None else answer_within)
                reply = self._read_line(connection)
            except TimeoutError as error:
                raise DaemonUnreachable(
                    f"The daemon did not answer within {connection.gettimeout():g} s.",
                    "It may be very busy; look at its log, or try again.",
                ) from error
            except OSError as error:
                raise DaemonUnreachable(
                    f"No daemon answers at {self._path} ({(error.strerror or str(error)).lower()}).",
                    "Start one with `jobrun daemon`, or name its state directory with --state-dir.",
                ) from error
        return decode_reply(reply)

    @staticmethod
    def _read_line(connection: socket.socket) -> bytes:
        parts: list[bytes] = []
        size = 0
        while size <= MAX_LINE:
            part = connection.recv(_READ)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if part.endswith(b"\n"):
                return b"".join(parts)
        raise ConnectionResetError(None, "the daemon closed the connection before it answered")
