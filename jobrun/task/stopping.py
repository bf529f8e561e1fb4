"""How a call is told to end: signals that become exceptions in the job.

SIGTERM raises Stopped, the job's soft signal (or the worker's own timer)
raises SoftTimeout, each at most once a call, always in the main thread. What
comes inside `defer_stop()` waits for its end. While a coroutine waits, the
exception is thrown into it where it waits, instead of into the event loop.

Outside a call nothing is raised: the process says what a SIGTERM means then.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import os
import sys
import time

from jobrun.task.outcomes import SoftTimeout, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import FrameType, TracebackType

SIGTERM, SIGALRM, SIGINT = int(_signal.SIGTERM), int(_signal.SIGALRM), int(_signal.SIGINT)
_CANNOT_BE_CAUGHT = (9, 19)


class Stopping:
    """What this process knows about the end of its present call. There is one, `STOPPING`."""

    def __init__(self) -> None:
        self.owner = 0
        self.thread = 0
        self.outside: Callable[[], None] | None = None
        self.soft_signal: int | None = None
        self.soft_at: float | None = None
        self.stop_file: str | None = None
        self.is_timed = False
        self.is_active = False
        self.soft_told = False
        self.stop_told = False
        self.deferred = 0
        self.pending: BaseException | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[object] | None = None
        self.thrown: BaseException | None = None
        self.masks: dict[int, set[int]] = {}

    def install(self, outside: Callable[[], None] | None) -> None:
        """Take over SIGTERM and SIGINT in this process, from its main thread.

        `outside` is what a SIGTERM does while no call is made; None: what it does by default.
        """
        self.owner, self.thread, self.outside = os.getpid(), _thread.get_ident(), outside
        _signal.signal(SIGTERM, self.on_signal)
        _signal.signal(SIGINT, self.on_signal)
        os.register_at_fork(before=self.hold, after_in_parent=self.release, after_in_child=self.forget)

    def finish(self) -> None:
        """This process ends now anyway: a SIGTERM does not change its exit code any more."""
        _signal.signal(SIGTERM, _signal.SIG_IGN)

    def expect(self, soft_signal: int | None, after: float | None, stop_file: str | None = None) -> list[int]:
        """Say what the next call's soft limit is: its signal, and after how many seconds we raise ourselves.

        `stop_file`: a SIGTERM means this call only if that file exists; one
        that was sent to the call before, and comes late, is as one between
        calls. Returns the signals whose handlers this has changed.
        """
        self.stop_file = stop_file
        if soft_signal in _CANNOT_BE_CAUGHT:
            soft_signal = None
        self.soft_signal = soft_signal
        self.soft_at = None if after is None else time.monotonic() + after
        changed = []
        for number in (soft_signal, None if after is None else SIGALRM):
            if number is not None and _signal.getsignal(number) != self.on_signal:
                _signal.signal(number, self.on_signal)
                changed.append(number)
        return changed

    def arm(self) -> None:
        """From here on a signal is the next call's; what it is told waits for `begin`."""
        self.soft_told = self.stop_told = False
        self.deferred = 1
        self.pending = self.thrown = None
        self.is_active = True

    def begin(self) -> None:
        """From here on the exceptions are raised; one that is waiting, at once."""
        if not self.is_active:
            self.arm()
        self.deferred = 0
        if self.pending is not None:
            raise self.pending
        if self.soft_at is not None:
            self.is_timed = True
            _signal.setitimer(_signal.ITIMER_REAL, max(0.000001, self.soft_at - time.monotonic()))

    def end(self) -> None:
        """From here on they are not."""
        self.is_active = False
        if self.is_timed:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            self.is_timed = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The handler of all signals that tell a call something."""
        if not self.is_active:
            if number == SIGTERM:
                self._told_outside()
            return
        if number == SIGINT:
            raise KeyboardInterrupt
        if number == SIGALRM and not self.is_timed:
            return
        if self._is_soft(number):
            self.soft_told = True
            self._tell(SoftTimeout("the soft time limit has passed"))
        elif number == SIGTERM and self.stop_file is not None and not os.path.exists(self.stop_file):
            self._told_outside()
        elif number == SIGTERM and not self.stop_told:
            self.stop_told = True
            self._tell(Stopped("the run was told to stop"))

    def _is_soft(self, number: int) -> bool:
        if self.soft_told or number not in (SIGALRM, self.soft_signal):
            return False
        if number == SIGTERM and self.soft_at is not None:
            # One signal for both: the limit is over, or it is not.
            return time.monotonic() >= self.soft_at
        return True

    def _told_outside(self) -> None:
        if self.outside is not None:
            self.outside()
        else:
            _signal.signal(SIGTERM, _signal.SIG_DFL)
            os.kill(os.getpid(), SIGTERM)

    def _tell(self, error: BaseException) -> None:
        if self.deferred:
            self.pending = error if self.pending is None or isinstance(error, Stopped) else self.pending
        elif self.task is None or self.loop is None or self._is_running_task():
            raise error
        else:
            self.thrown = error
            self.loop.call_soon_threadsafe(self.task.cancel)

    def _is_running_task(self) -> bool:
        return bool(sys.modules["asyncio"].current_task(self.loop) is self.task)

    def take_thrown(self) -> BaseException | None:
        """The exception a coroutine is to get in place of its cancellation."""
        thrown, self.thrown = self.thrown, None
        return thrown

    def hold(self) -> None:
        """Before a fork: Python forgets a signal that reaches a child before the fork is over."""
        ours = [n for n in (SIGTERM, SIGALRM, self.soft_signal) if n is not None]
        self.masks[_thread.get_ident()] = _signal.pthread_sigmask(_signal.SIG_BLOCK, ours)

    def release(self) -> None:
        """After it, in the parent and in the child."""
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self.masks.pop(_thread.get_ident(), ()))

    def forget(self) -> None:
        """In a forked child: signals are what they are by default, unless the job has set them itself."""
        self.is_active = False
        self.task = self.loop = None
        for number in (SIGTERM, SIGALRM, self.soft_signal):
            if number is not None and _signal.getsignal(number) == self.on_signal:
                _signal.signal(number, _signal.SIG_DFL)
        if _signal.getsignal(SIGINT) == self.on_signal:
            _signal.signal(SIGINT, _signal.default_int_handler)
        self.release()


STOPPING = Stopping()


def should_stop() -> bool:
    """Whether the soft limit has passed or a stop was asked for: time to finish."""
    return STOPPING.soft_told or STOPPING.stop_told


class _Deferred:
    """The context manager of `defer_stop`."""

    def __enter__(self) -> None:
        if _thread.get_ident() == STOPPING.thread:
            STOPPING.deferred += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _thread.get_ident() != STOPPING.thread:
            return
        STOPPING.deferred = max(0, STOPPING.deferred - 1)
        if not STOPPING.deferred and STOPPING.pending is not None:
            pending, STOPPING.pending = STOPPING.pending, None
            raise pending


def defer_stop() -> _Deferred:
    """`with defer_stop():` around what must not be torn in two.

    A SoftTimeout or Stopped that comes meanwhile is raised at its end. The
    hard limit and the KILL after the grace period are not held up.
    """
    return _Deferred()
