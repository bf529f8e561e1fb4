"""The messages of the control socket, version 1.

One request, one reply, one JSON object per line, UTF-8, at most `MAX_LINE`
bytes. A request is `{"v": 1, "op": "run", "args": {…}}`; a reply is
`{"v": 1, "ok": true, "data": {…}}` or `{"v": 1, "ok": false, "error":
{"code": 5, "sentence": "…", "hint": "…"}}`. Fields may be added within a
version and unknown ones are ignored; a change of meaning is a new version.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobrun.domain.errors import (
    Bug,
    Conflict,
    DaemonUnreachable,
    ExitCode,
    JobFileInvalid,
    JobrunError,
    NotFound,
    UsageError,
)

VERSION = 1
MAX_LINE = 4 << 20
_SURROGATE = re.compile(rb"\\u[dD]")


class MessageError(JobrunError):
    """A line that is not a message of a version this program speaks."""

    code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    op: str
    args: Mapping[str, Any] = field(default_factory=dict)


def encode_request(request: Request) -> bytes:
    """The request as one line. Raises MessageError if it is too long, UsageError if it is not all text."""
    message = {"v": VERSION, "op": request.op, "args": dict(request.args)}
    try:
        return _line(message)
    except UnicodeEncodeError:
        raise UsageError(
            f'"{_nontext(message)}" is not UTF-8, and the daemon takes only what is.',
            "Use a name or a value that is; bytes that a command needs can stand in a script.",
        ) from None


def decode_request(line: bytes) -> Request:
    """Read a request. Raises MessageError for anything else."""
    message = _object(line)
    op, args = message.get("op"), message.get("args", {})
    if not isinstance(op, str) or not isinstance(args, dict):
        raise MessageError('a request needs "op" (text) and "args" (an object)')
    # Only such an escape makes what is no text, which neither the store nor a reply could take.
    if _SURROGATE.search(line) and _nontext(message) is not None:
        raise MessageError("a request has half of a surrogate pair, which is no character")
    return Request(op, args)


def encode_reply(data: Mapping[str, Any]) -> bytes:
    """A good reply as one line."""
    return _line({"v": VERSION, "ok": True, "data": dict(data)}, "backslashreplace")


def encode_error(error: JobrunError) -> bytes:
    """A refusal as one line: the error's code, sentence and hint."""
    body: dict[str, Any] = {
        "code": int(error.code),
        "kind": type(error).__name__,
        "sentence": error.sentence,
        "hint": error.hint,
    }
    if isinstance(error, JobFileInvalid):
        body["problems"] = list(error.problems)
    return _line({"v": VERSION, "ok": False, "error": body}, "backslashreplace")


def decode_reply(line: bytes) -> dict[str, Any]:
    """The data of a good reply. Raises the error that a refusal carries."""
    message = _object(line)
    if message.get("ok") is True:
        data = message.get("data", {})
        return data if isinstance(data, dict) else {}
    error = message.get("error")
    if not isinstance(error, dict):
        raise MessageError("the daemon's answer is neither a result nor an error")
    raise _refusal(error)


def _refusal(error: Mapping[str, Any]) -> JobrunError:
    sentence, hint = str(error.get("sentence", "")), str(error.get("hint", ""))
    kind, code = error.get("kind"), error.get("code")
    if code == ExitCode.INVALID_FILE:
        return JobFileInvalid(sentence, hint, tuple(str(p) for p in error.get("problems", ())))
    if code == ExitCode.CONFLICT:
        return (NotFound if kind == "NotFound" else Conflict)(sentence, hint)
    if code == ExitCode.USAGE:
        return UsageError(sentence, hint)
    if code == ExitCode.UNREACHABLE:
        return DaemonUnreachable(sentence, hint)
    return (Bug if code == ExitCode.BUG else JobrunError)(sentence, hint)


def _line(message: Mapping[str, Any], errors: str = "strict") -> bytes:
    """The message as one line; with `backslashreplace`, half of a surrogate pair is its JSON escape."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    line = text.encode("utf-8", errors) + b"\n"
    if len(line) > MAX_LINE:
        raise MessageError(f"a message of {len(line)} bytes is over the limit of {MAX_LINE}")
    return line


def _nontext(message: Mapping[str, Any]) -> str | None:
    from jobrun.domain.nontext import find_nontext

    return find_nontext(message)


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise MessageError(f"a message is over the limit of {MAX_LINE} bytes")
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise MessageError("a message is not one line of JSON") from error
    if not isinstance(message, dict):
        raise MessageError("a message is not a JSON object")
    if message.get("v") != VERSION:
        raise MessageError(
            f"message version {message.get('v')!r} is not spoken here (version {VERSION} is)",
            "The command and the daemon are of different releases; restart the daemon.",
        )
    return message
