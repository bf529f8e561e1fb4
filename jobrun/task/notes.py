"""Progress: what a run says about itself while it runs.

The notes file ($JOBRUN_NOTES) has two places of 1,024 bytes, each written by
one pwrite: the first for progress, the second for the wish of another try.
Nothing waits, nothing is locked, and progress raises nothing: a job must not
fail because nobody could be told how far it is.
"""

from __future__ import annotations

import json
import math
import os
import time

from jobrun.task.outcomes import SoftTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOTES_SIZE = 2048
SLOT_SIZE = 1024
_LONGEST_STATE = 200
_encode = json.JSONEncoder(default=str, allow_nan=False).encode


class _Notes:
    """The open notes file of the present run. There is one, `_NOTES`."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.fd = -1
        self.inode = 0

    def descriptor(self, path: str) -> int:
        """The file of that path, made if it is not there. Raises OSError."""
        # The number alone proves nothing: a job may have closed it and opened something else.
        if path == self.path and self._is_ours():
            return self.fd
        self.close()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        about = os.fstat(fd)
        if about.st_size < NOTES_SIZE:
            os.ftruncate(fd, NOTES_SIZE)
        self.path, self.fd, self.inode = path, fd, about.st_ino
        return fd

    def close(self) -> None:
        """Give the descriptor back, if it is still ours."""
        if self.path is not None:
            if self._is_ours():
                os.close(self.fd)
            self.path = None

    def _is_ours(self) -> bool:
        try:
            return os.fstat(self.fd).st_ino == self.inode
        except OSError:
            return False


_NOTES = _Notes()


def progress(
    percent: float | None = None, total: float | None = None, /, *, state: str | None = None, **meta: Any
) -> None:
    """Say how far the run is.

    `progress(40)` is 40 percent, `progress(3, 12)` is 3 of 12 done, which is
    25. `state` names what it is doing, further keywords are kept beside it
    (JSON values; what does not fit into a kilobyte is left out). Each call
    replaces what the one before it said. It costs a few microseconds, never
    waits and never raises; outside jobrun it does nothing.
    """
    path = os.environ.get("JOBRUN_NOTES")
    if not path:
        return
    try:
        text = _slot_text(_percent(percent, total), state, meta)
        os.pwrite(_NOTES.descriptor(path), text, 0)
    except SoftTimeout:  # came by a signal, and has nothing to do with us
        raise
    except Exception:  # whatever it was: see the head of this file
        return


def forget_notes() -> None:
    """Close the notes of a run that is over."""
    _NOTES.close()


def _percent(done: float | None, total: float | None) -> float | None:
    if done is None:
        return None
    done = float(done)
    if total is not None:
        total = float(total)
        done = 100.0 * done / total if total > 0 else 100.0
    return None if math.isnan(done) else round(min(100.0, max(0.0, done)), 2)


def _slot_text(percent: float | None, state: str | None, meta: dict[str, Any]) -> bytes:
    """The text of the first place: one line of JSON, filled up with spaces."""
    if state is not None:
        state = str(state)[:_LONGEST_STATE]
    note = {"percent": percent, "state": state, "meta": meta, "at": time.time_ns() // 1000}
    text = _line(note)
    if text is None:
        # Not JSON, or too long: what can be said, in the order in which it was given.
        kept: dict[str, Any] = {}
        for name, value in meta.items():
            for words in (value, str(value)):
                if _line({**note, "meta": {**kept, name: words}}) is not None:
                    kept[name] = words
                    break
        text = _line({**note, "meta": kept}) or _line({**note, "meta": {}, "state": None})
    return text or b""


def _line(note: dict[str, Any]) -> bytes | None:
    """The filled-up line, or None if the note is too long or not JSON."""
    try:
        text = _encode(note)
    except (TypeError, ValueError, RecursionError):
        return None
    if len(text) >= SLOT_SIZE:
        return None
    return text.encode("ascii").ljust(SLOT_SIZE - 1) + b"\n"


def wish_retry(after: int) -> None:
    """Say that the run wants its next try `after` microseconds; that counts if it ends with exit code 75.

    The second place of the notes file, for jobs that are no function. Raises
    OSError if it cannot be written, KeyError outside jobrun.
    """
    text = _encode({"retry_in": after}).encode("ascii").ljust(SLOT_SIZE - 1) + b"\n"
    os.pwrite(_NOTES.descriptor(os.environ["JOBRUN_NOTES"]), text, SLOT_SIZE)
