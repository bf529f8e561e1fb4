"""Files in whose place a job's account may have put something else: a FIFO, a link, a folder.

The rule: such a file is opened here and nowhere else, never followed anywhere, and never waited for. What
stands where a file of ours is to be made goes first; what was odd about it is noted for the daemon's log.
"""

import errno
import os
import stat
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o600
_TRIES = 5
_MOST_NOTES = 100
_IN_THE_WAY = frozenset({errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP})

_notes: deque[str] = deque(maxlen=_MOST_NOTES)


def open_regular(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """Open a file that is there. Raises OSError, also if it is no regular file."""
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def read_regular(path: Path | str, most: int) -> bytes | None:
    """The first bytes of such a file, at most so many; None if it cannot be read."""
    with suppress(OSError):
        fd = open_regular(path)
        with os.fdopen(fd, "rb") as file:
            return file.read(most)
    return None


def make_regular(path: Path | str, flags: int = os.O_WRONLY) -> int:
    """Make a file anew, in place of whatever stands there, and open it. Raises OSError."""
    flags |= os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for _ in range(_TRIES):
        try:
            return os.open(path, flags, _PRIVATE)
        except FileExistsError:
            clear_place(path)
    return os.open(path, flags, _PRIVATE)


def is_in_the_way(error: OSError) -> bool:
    """Whether a file could not be made for what stands in its place, which is no trouble of the host's."""
    return error.errno in _IN_THE_WAY


def clear_place(path: Path | str) -> None:
    """Remove what stands there, and note it. A folder, which may be of any size, is set aside.

    Raises OSError.
    """
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            aside = set_aside(path)
            note_odd(f"a folder stood in the place of {path}; it is {aside} now")
        else:
            os.unlink(path)  # noqa: PTH108  paths are texts here
            note_odd(f"something stood in the place of {path}; it was removed")
    except FileNotFoundError:
        return


def set_aside(path: Path | str) -> str:
    """Give it a name beside, which means nothing to anybody. Returns that. Raises OSError."""
    aside = f"{os.path.dirname(path)}/aside.{time.time_ns()}"  # noqa: PTH120  paths are texts here
    os.rename(path, aside)  # noqa: PTH104
    return aside


def remove_file(path: Path | str) -> None:
    """Remove a file that may be there; whatever else stands there is out of the way too."""
    try:
        os.unlink(path)  # noqa: PTH108  the hot path of every run's end
    except FileNotFoundError:
        return
    except OSError:
        with suppress(OSError):
            clear_place(path)


def note_odd(what: str) -> None:
    """Remember something odd for the daemon's log; of very many the oldest are forgotten."""
    _notes.append(what)


def take_odd() -> list[str]:
    """What was noted since the last time."""
    found = list(_notes)
    _notes.clear()
    return found
