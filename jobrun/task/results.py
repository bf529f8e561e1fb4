"""The result of a run: a JSON value of at most 1 MiB, returned, kept, or left in a file by a child."""

from __future__ import annotations

import json
import os
import stat
import sys

from jobrun.task.outcomes import BadResult, SoftTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 1 << 20
_encode = json.JSONEncoder(allow_nan=False).encode


class _Kept:
    """What `result` was given in this process during the present call. There is one, `_KEPT`."""

    def __init__(self) -> None:
        self.owner = 0
        self.text: str | None = None


_KEPT = _Kept()


def result(value: Any) -> None:
    """Set the run's result without returning it; the last one counts.

    Works in a process that the job started, too. It stands even if the call
    fails afterwards. Raises jobrun.BadResult if the value is not JSON or
    larger than 1 MiB. Outside jobrun it does nothing else.
    """
    text = to_json(value)
    if _KEPT.owner == os.getpid():
        _KEPT.text = text
        return
    path = os.environ.get("JOBRUN_RESULT")
    if path:
        write_whole(path, text)


def to_json(value: Any) -> str:
    """The value as JSON text. Raises BadResult with a sentence."""
    try:
        # An encoder is made for each value that is neither this nor a text.
        text = int.__repr__(value) if type(value) is int else _encode(value)
    except SoftTimeout:  # came by a signal
        raise
    except RecursionError:
        raise BadResult("the result is nested too deeply to be written as JSON") from None
    except Exception as error:
        words = (
            f"{type(error).__name__}: {error}" if not isinstance(error, (TypeError, ValueError)) else error
        )
        raise BadResult(f"the result is not JSON and is not kept ({words})") from None
    if len(text) > LARGEST:
        raise BadResult(f"the result has {len(text):,} bytes as JSON, more than 1 MiB; write it into a file")
    return text


def begin_result(owner: int) -> None:
    """From here on `result` in the process of that pid belongs to the call that begins."""
    _KEPT.owner, _KEPT.text = owner, None


def kept_result() -> str | None:
    """The JSON text `result` was given in this call, if any."""
    return _KEPT.text


def end_result() -> None:
    """The call is over."""
    _KEPT.owner, _KEPT.text = 0, None


def left_result() -> str | None:
    """The JSON text that a child left in the file $JOBRUN_RESULT, on one line; None if there is none.

    What is there and cannot be used is remarked upon on stderr.
    """
    path = os.environ.get("JOBRUN_RESULT")
    if not path or not is_there(path):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or not about.st_size:
            return None
        if about.st_size > 2 * LARGEST:
            raise BadResult(f"the file has {about.st_size:,} bytes, more than 1 MiB")
        return to_json(json.loads(_read(fd).decode("utf-8")))
    except (BadResult, OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"jobrun: the result in {path} is not kept ({error})\n")
        return None
    finally:
        os.close(fd)


def is_there(path: str) -> bool:
    """Whether there is a file of that name. Mostly there is none: `stat` would make an exception of that."""
    return os.access(path, os.F_OK)


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Write a file so that nobody ever sees half of it. Raises OSError."""
    beside = f"{path}.{os.getpid()}.new"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def _read(fd: int) -> bytes:
    parts: list[bytes] = []
    while True:
        part = os.read(fd, LARGEST)
        if not part:
            return b"".join(parts)
        parts.append(part)
