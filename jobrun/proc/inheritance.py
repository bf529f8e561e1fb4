"""What a child would inherit from the daemon by accident, and how it does not.

Called once when the daemon starts, before any thread: signals that were
blocked or ignored when we were started (nohup, a background job of a shell)
would be so in every job, and a raised limit of open files too.
"""

import resource
import signal
from types import FrameType

_soft_open_files: int | None = None
# Python ignores these two itself, and Popen's restore_signals undoes exactly them.
_PYTHON_IGNORES = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def clean_inheritance() -> None:
    """Unblock every signal, and catch those we were told to ignore.

    Caught signals go back to their default at exec, ignored ones would stay
    ignored. Must run in the main thread.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        if number not in _PYTHON_IGNORES and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """The daemon goes on ignoring the signal; its children will not."""


def raise_open_files() -> int:
    """Raise our own soft limit of open files to the hard one, and return it.

    Each running job costs the daemon a descriptor. Jobs get the old soft limit back.
    """
    global _soft_open_files  # noqa: PLW0603  the limit is the process's, and so is this record of it
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if _soft_open_files is None:
            _soft_open_files = soft
    return hard


def soft_open_files() -> int | None:
    """The soft limit a job gets back, or None if ours was never raised."""
    return _soft_open_files
