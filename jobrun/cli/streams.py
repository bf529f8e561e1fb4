"""Standard streams that are missing (`jobrun status >&-`), and a stdout that has failed.

Whatever is opened next would get the number that is free, and the database be
written to by `print`. So the number is taken before anything else is opened: by
a descriptor that gives an error to whoever needs the stream, as the closed one
would, except for stderr, which swallows what is said to it: remarks must not
fail what was asked for.
"""

import os
import sys


def fill_missing() -> None:
    """Give this process the standard streams that it lacks. To be called before anything is opened."""
    if sys.stdin is None:
        sys.stdin = open(_null(os.O_WRONLY), encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(_null(os.O_RDONLY), "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_null(os.O_WRONLY), "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def drop_output() -> None:
    """Let what was not written to stdout go nowhere, so that the interpreter's end does not fail with it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _null(mode: int) -> int:
    """/dev/null under the lowest free number, which is the missing stream's; for child processes too."""
    descriptor = os.open(os.devnull, mode)
    os.set_inheritable(descriptor, True)
    return descriptor
