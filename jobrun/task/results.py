"""The result of a run: a JSON value of at most 1 MiB, returned, kept, or left in a file by a child.

Whoever reads it later may be another interpreter, with other limits, so what is
kept stays far below all of them: 100 levels, and 600 digits of a whole number.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys

from jobrun.task.outcomes import BadResult, SoftTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 1 << 20
# The same as in domain/report. An interpreter reads some 1,000 levels, and can be told to read 640 digits.
DEEPEST, MOST_DIGITS = 100, 600
# An escape of ASCII, of six bytes, is two bytes or more in UTF-8.
_LARGEST_ESCAPED = 3 * LARGEST
_LONG_NUMBER = re.compile(rf"(?<![0-9])[0-9]{{{MOST_DIGITS + 1}}}")
_NO_BRACKETS = re.compile(r"[^][{}]+")
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
    fails afterwards. Raises jobrun.BadResult if the value is not JSON,
    larger than 1 MiB, nested deeper than 100 levels, or has a whole number of
    more than 600 digits. Outside jobrun it does nothing else.
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
        raise BadResult(f"the result is nested too deeply, more than {DEEPEST} levels") from None
    except Exception as error:
        from jobrun.task.report import message_of

        words = message_of(error)
        if not isinstance(error, (TypeError, ValueError)):
            words = f"{type(error).__name__}: {words}"
        raise BadResult(f"the result is not JSON and is not kept ({words})") from None
    why = why_unreadable(text)
    if why:
        raise BadResult(f"the result {why}")
    size = len(text) if len(text) <= LARGEST else _size(text)
    if size > LARGEST:
        raise BadResult(f"the result has {size:,} bytes as JSON, more than 1 MiB; write it into a file")
    return text


def why_unreadable(text: str) -> str:
    """What keeps some readers of JSON from reading this text of JSON, said of it; empty if nothing does."""
    if len(text) <= 2 * DEEPEST:
        return ""
    bare = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    if _LONG_NUMBER.search(bare):
        return f"has a whole number of more than {MOST_DIGITS} digits"
    if bare.count("[") + bare.count("{") <= DEEPEST:
        return ""
    brackets = _NO_BRACKETS.sub("", bare).replace("{", "[").replace("}", "]")
    for _ in range(DEEPEST):
        brackets = brackets.replace("[]", "")
    return f"is nested too deeply, more than {DEEPEST} levels" if brackets else ""


def _size(text: str) -> int:
    """How large JSON text of ASCII is as it will be kept: without blanks, in UTF-8."""
    if len(text) > 2 * _LARGEST_ESCAPED:
        return len(text)
    short = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return len(short.encode("utf-8", "backslashreplace"))


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
        if about.st_size > _LARGEST_ESCAPED:
            raise BadResult(f"the file has {about.st_size:,} bytes, more than 1 MiB")
        return to_json(json.loads(_read(fd)))
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
