"""Tests run two at a time; one that is marked `alone` has no other beside it.

Two locks, taken in this order and held until a test's fixtures are gone. The
gate: everybody goes through it, and a test that will be alone keeps it while it
waits and runs. The floor: that test has it to itself, the others share it.
Without the gate the others could hand the floor on between them for ever. The
kernel lets go of both when a process dies, and directories that are there
anyway serve as the files to lock: nothing is made, nothing is cleaned up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

GATE, FLOOR = Path(__file__).parent / "project", Path(__file__).parent / "daemon"


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        # Said, and not left to the close: a child that a test forked may still have the file open.
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


@contextmanager
def place(*, alone: bool, gate: Path = GATE, floor: Path = FLOOR) -> Iterator[None]:
    """A place among the tests of this checkout, whichever processes run them."""
    with ExitStack() as held:
        with ExitStack() as way_in:
            way_in.enter_context(_locked(gate, fcntl.LOCK_EX))
            held.enter_context(_locked(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
            if alone:
                held.push(way_in.pop_all())
        yield
