"""Holding all starts for a moment when the host cannot start processes."""

import asyncio
from collections.abc import Callable

from jobrun.daemon.engine import Engine
from jobrun.daemon.inbox import Nudge


class Hold:
    """Keeps the engine from admitting runs for a while, and remembers why. Owns its one timer."""

    def __init__(self, engine: Engine, log: Callable[..., None]) -> None:
        self.trouble = ""
        self._engine = engine
        self._log = log
        self._over: asyncio.TimerHandle | None = None

    def hold(self, wait: float, why: str) -> None:
        """The host cannot start processes: try again after `wait` seconds. Without a `why` it can again."""
        loop = asyncio.get_running_loop()
        self._engine.hold_until = loop.time() + wait
        if why:
            self._log("spawn.trouble", level="error", error=why, again_in=wait)
        elif self.trouble:
            self._log("spawn.recovered", was=self.trouble)
        self.trouble = why
        self.stop()
        self._over = loop.call_later(wait, self._try_again)

    def stop(self) -> None:
        """Forget the timer."""
        if self._over is not None:
            self._over.cancel()
            self._over = None

    def _try_again(self) -> None:
        """The trouble is told until a start succeeds, or nobody wants one any more."""
        if not any(run.state == "queued" for run in self._engine.book.runs.values()):
            self.trouble = ""
        self._engine.post(Nudge())
