"""What a call finds around it in a warm worker, and how it is put back after each.

What importing the job's code did to the process stays, as it belongs to the
code; what the call did is undone. What cannot be undone is a reason to retire.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]
import _thread
import gc
import os
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SIGNALS = sorted(_signal.valid_signals())
_LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CORE,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_STACK,
)
_TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)
_NO_TIMERS = [(0.0, 0.0)] * len(_TIMERS)


class Surroundings:
    """The state of the process between calls."""

    def __init__(self) -> None:
        self._environ, self._environb = os.environ, os.environb
        self._given: dict[bytes, bytes] = {}
        self._own: dict[bytes, bytes] = {}
        self._limits = [*map(resource.getrlimit, _LIMITS)]
        self._account = _account()
        self._priority = os.getpriority(os.PRIO_PROCESS, 0)
        self._argv, self._words = sys.argv, list(sys.argv)
        self.note()

    def note(self) -> None:
        """Take what is now for what is to be put back: at the start, and after an import."""
        self._cwd = _directory()
        self._umask = _umask()
        self._handlers = [*map(_signal.getsignal, _SIGNALS)]
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._locale = _locale.setlocale(_locale.LC_ALL, None)
        self._path, self._entries = sys.path, list(sys.path)
        self._hooks = sys.excepthook, sys.unraisablehook, sys.displayhook, sys.breakpointhook
        self._thread_hook = _thread_hook()
        self._recursion = sys.getrecursionlimit()
        self._trace, self._profile = sys.gettrace(), sys.getprofile()
        self._thread_tracing = _thread_tracing()
        self._is_collecting = gc.isenabled()
        self._variables = dict(_variables())
        # Each tzset makes a new one.
        self._zone = time.tzname

    def enter(self, env: dict[bytes, bytes], argv: list[str]) -> None:
        """Give the call its variables and arguments. One of the last call that this one has not goes."""
        environ, given = self._environb, self._given
        for name, value in env.items():
            if given.get(name) != value:
                if name not in given and name in environ:
                    self._own[name] = environ[name]
                environ[name] = self._variables[name] = value
        if given.keys() != env.keys():
            for name in given.keys() - env.keys():
                if name in self._own:
                    environ[name] = self._variables[name] = self._own.pop(name)
                else:
                    del environ[name], self._variables[name]
        self._given = env
        self._argv[:] = self._words = argv

    def leave(self) -> None:
        """Take the last call's variables away: none is made any more."""
        self.enter({}, self._words)

    def limit(self, cpu: float | None, memory: int | None, open_files: int | None) -> None:
        """Set the call's soft limits; a limit above the hard one is cut to it."""
        if cpu is not None:
            used = resource.getrusage(resource.RUSAGE_SELF)
            _set_soft(resource.RLIMIT_CPU, max(1, -int(-(used.ru_utime + used.ru_stime + cpu) // 1)))
        if memory is not None:
            _set_soft(resource.RLIMIT_AS, memory)
        if open_files is not None:
            _set_soft(resource.RLIMIT_NOFILE, open_files)

    def expect_handlers(self, numbers: list[int]) -> None:
        """The handlers of these signals are ours now, and stay."""
        for number in numbers:
            self._handlers[_SIGNALS.index(number)] = _signal.getsignal(number)

    def stop_tracing(self) -> None:
        """Before all else, as what is traced is not what it is otherwise, and is slow."""
        if sys.gettrace() is not self._trace:
            sys.settrace(self._trace)
        if sys.getprofile() is not self._profile:
            sys.setprofile(self._profile)
        if _thread_tracing() != self._thread_tracing:
            threading = sys.modules["threading"]
            threading._trace_hook, threading._profile_hook = self._thread_tracing  # type: ignore[attr-defined]

    def put_back(self) -> str | None:
        """Undo what the call has changed. Returns what could not be undone: a word, the reason to retire."""
        stuck = [self.lift_limits(), self._put_back_place()]
        self._put_back_signals()
        self._put_back_interpreter()
        if self._environ is not os.environ or _variables() != self._variables:
            self._put_back_variables()
        if time.tzname is not self._zone:
            self._set_zone()
        if _locale.setlocale(_locale.LC_ALL, None) != self._locale:
            _locale.setlocale(_locale.LC_ALL, self._locale)
        if os.getpriority(os.PRIO_PROCESS, 0) != self._priority:
            stuck.append(_tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, self._priority), "priority"))
        if _account() != self._account:
            stuck.append("account")
        return next((word for word in stuck if word), None)

    def lift_limits(self) -> str | None:
        """The worker's own limits again. Returns what `put_back` does."""
        limits = [*map(resource.getrlimit, _LIMITS)]
        if limits == self._limits:
            return None
        stuck = None
        for kind, now, before in zip(_LIMITS, limits, self._limits):
            if now != before:
                try:
                    resource.setrlimit(kind, before)
                except (OSError, ValueError):
                    stuck = "limits"
        return stuck

    def _put_back_place(self) -> str | None:
        os.umask(self._umask)
        cwd = self._cwd
        if cwd is None or _directory() == cwd:
            return None
        return _tried(lambda: os.chdir(cwd), "cwd")

    def _put_back_signals(self) -> None:
        if [*map(_signal.getitimer, _TIMERS)] != _NO_TIMERS:
            for timer in _TIMERS:
                _signal.setitimer(timer, 0)
        handlers = [*map(_signal.getsignal, _SIGNALS)]
        if handlers != self._handlers:
            for number, now, before in zip(_SIGNALS, handlers, self._handlers):
                if now != before and before is not None:
                    _signal.signal(number, before)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)

    def _put_back_interpreter(self) -> None:
        sys.argv = self._argv
        if self._argv != self._words:
            self._argv[:] = self._words
        sys.path = self._path
        if self._path != self._entries:
            self._path[:] = self._entries
        sys.excepthook, sys.unraisablehook, sys.displayhook, sys.breakpointhook = self._hooks
        if _thread_hook() is not self._thread_hook:
            sys.modules["threading"].excepthook = self._thread_hook  # type: ignore[attr-defined]
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        if gc.isenabled() is not self._is_collecting:
            (gc.enable if self._is_collecting else gc.disable)()

    def _put_back_variables(self) -> None:
        os.environ = self._environ  # noqa: B003  the very object it was, which os.environb shares
        variables = dict(_variables())
        for name in variables.keys() - self._variables.keys():
            del os.environb[name]
        for name, value in self._variables.items():
            if variables.get(name) != value:
                os.environb[name] = value
        if variables.get(b"TZ") != self._variables.get(b"TZ"):
            # C looks at it in mktime and others, without a tzset of the job's.
            self._set_zone()

    def _set_zone(self) -> None:
        time.tzset()
        self._zone = time.tzname


def _variables() -> dict[bytes, bytes]:
    """The environment as bytes. The mapping itself where it can be had, which costs nothing to compare."""
    found = getattr(os.environb, "_data", None)
    return dict(os.environb) if found is None else found


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _account() -> tuple[int, int]:
    return os.geteuid(), os.getegid()


def _thread_hook() -> Any:
    # The default one is there before `threading` is loaded.
    return getattr(sys.modules.get("threading"), "excepthook", _thread._excepthook)


def _thread_tracing() -> tuple[Any, Any]:
    """What `threading.settrace` and `threading.setprofile` have set for threads to come."""
    threading: Any = sys.modules.get("threading")
    return (None, None) if threading is None else (threading._trace_hook, threading._profile_hook)


def _set_soft(kind: int, wanted: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _tried(change: Callable[[], object], word: str) -> str | None:
    try:
        change()
    except (OSError, ValueError):
        return word
    return None
