"""What a command can reach: the places of this host, the store to read, the daemon to ask.

Everything is opened when first used, so that a command pays only for what it
needs, and works with the daemon down wherever reading is enough.
"""

import os
import time
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

import typer

from jobrun.domain.errors import DaemonUnreachable
from jobrun.domain.instants import Instant

# Seconds. A daemon whose database is locked answers a wish after two waits of 2 s for the lock at worst.
_ACTING_TIMEOUT = 15.0

if TYPE_CHECKING:
    from jobrun.conf.paths import Places
    from jobrun.store.reader import History
    from jobrun.wire.client import Client


class Reach:
    """The general options of one command line, and what they lead to."""

    def __init__(self, config: str | None = None, state_dir: str | None = None, *, utc: bool = False) -> None:
        self.config = config
        self.state_dir = state_dir
        self.utc = utc
        self._places: Places | None = None
        self._history: History | None = None

    @property
    def places(self) -> "Places":
        """Where the job file and the state of this host are."""
        if self._places is None:
            from jobrun.conf.paths import find_places

            self._places = find_places(self.config, self.state_dir, os.environ, os.getuid())
        return self._places

    @property
    def zone(self) -> tzinfo | None:
        """The zone in which times are shown and read; None is the host's."""
        return UTC if self.utc else None

    @property
    def has_store(self) -> bool:
        """Whether a daemon has ever made a database here."""
        return self.places.database.exists()

    @property
    def history(self) -> "History":
        """The store, for reading. Raises StoreRefused."""
        if self._history is None:
            from jobrun.store.reader import History

            self._history = History(self.places.database)
        return self._history

    def client(self, timeout: float = 5.0) -> "Client":
        """The control socket's client; nothing is connected yet."""
        from jobrun.wire.client import Client

        return Client(self.places.found_socket, timeout)

    def ask(self, op: str, **args: Any) -> dict[str, Any]:
        """Ask the daemon. Raises DaemonUnreachable or the daemon's refusal."""
        return self.client(_ACTING_TIMEOUT).call(op, **args)

    def ping(self, timeout: float = 2.0) -> "dict[str, Any] | None":
        """The daemon's word about itself, or None if none is running here.

        Raises DaemonUnreachable if there may be one that we cannot hear: too busy, or not ours to ask.
        """
        try:
            if not self.places.found_socket.exists():
                return None
            return self.client(timeout).call("ping")
        except DaemonUnreachable as error:
            if isinstance(error.__cause__, FileNotFoundError | ConnectionError):
                return None
            raise

    @property
    def user(self) -> str:
        """Who asks, for the record."""
        name = os.environ.get("LOGNAME") or os.environ.get("USER")
        return name or f"uid {os.getuid()}"


def reach_of(context: typer.Context) -> Reach:
    """The reach of the command being carried out."""
    reach = context.obj
    assert isinstance(reach, Reach)
    return reach


def now() -> Instant:
    """This moment."""
    return time.time_ns() // 1000
