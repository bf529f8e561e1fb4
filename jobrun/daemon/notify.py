"""Telling systemd: READY, RELOADING, STOPPING and a status line (sd_notify(3)). Silent without systemd."""

import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Sends notifications to the socket that the service manager named, if it named one."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        # Taken out of the environment so that no job believes that it is meant.
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._last_status = ""

    def ready(self, status: str) -> None:
        """Start-up or a reload is complete."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; systemd wants the monotonic time with it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Shutdown has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`; sent only if it has changed."""
        if status != self._last_status:
            self._last_status = status
            self._send(f"STATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto(text.encode(), self._address)
        except OSError:
            # The manager went away or never listened; a daemon must not die of that.
            pass
