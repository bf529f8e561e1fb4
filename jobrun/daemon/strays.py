"""Workers of an earlier daemon that do not come to their end.

A worker whose daemon has died ends by itself, after the call it makes, if it
makes one: that one is adopted with its run. What hangs in a hook or in a pool's
`autoscaler` does neither, and has nobody else to end it.
"""

from collections.abc import Callable

from jobrun.daemon.crew import FAREWELL
from jobrun.domain.run import ProcessIdentity
from jobrun.proc import kin
from jobrun.proc.identity import is_alive
from jobrun.proc.spawn import find_workers
from jobrun.proc.spec import Marker
from jobrun.proc.tree import kill_tree


class Strays:
    """Looks for them once, and ends those that are still there a while later."""

    def __init__(self, store_id: str, log: Callable[..., None]) -> None:
        self._store_id = store_id
        self._log = log
        self._found: list[ProcessIdentity] | None = None
        self._since = 0.0

    def look(self, now: float) -> None:
        """Once a second; `now` is by the loop's clock."""
        if self._found is None:
            self._since = now
            self._found = [one for one in find_workers(self._store_id) if not kin.is_watched(one)]
        elif self._found and now - self._since > FAREWELL:
            for identity in self._found:
                if is_alive(identity) and not kin.is_watched(identity):
                    self._log("worker.killed", level="warning", pid=identity.pid, why="its daemon has died")
                    kill_tree(identity, Marker(0, self._store_id))
            self._found = []
