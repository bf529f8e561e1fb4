"""The messages of the control socket, version 1.

One request, one reply, one JSON object per line, UTF-8, at most `MAX_LINE`
bytes. A request is `{"v": 1, "op": "run", "args": {…}}`; a reply is
`{"v": 1, "ok": true, "data": {…}}` or `{"v": 1, "ok": false, "error":
{"code": 5, "sentence": "…", "hint": "…"}}`. Fields may be added within a
version and unknown ones are ignored; a change of meaning is a new version.
"""

import json
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


class MessageError(JobrunError):
    """A line that is not a message of a version this program speaks."""

    code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    op: str
    args: Mapping[str, Any] = field(default_factory=dict)


def encode_request(request: Request) -> bytes:
    """The request as one line. Raises MessageError if it is too long."""
    return _line({"v": VERSION, "op": request.op, "args": dict(request.args)})


def decode_request(line: bytes) -> Request:
    """Read a request. Raises MessageError for anything else."""
    message = _object(line)
    op, args = message.get("op"), message.get("args", {})
    if not isinstance(op, str) or not isinstance(args, dict):
        raise MessageError('a request needs "op" (text) and "args" (an object)')
    return Request(op, args)


def encode_reply(data: Mapping[str, Any]) -> bytes:
    """A good reply as one line."""
    return _line({"v": VERSION, "ok": True, "data": dict(data)})


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
    return _line({"v": VERSION, "ok": False, "error": body})


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


def _line(message: Mapping[str, Any]) -> bytes:
    line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise MessageError(f"a message of {len(line)} bytes is over the limit of {MAX_LINE}")
    return line


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise MessageError(f"a message is over the limit of {MAX_LINE} bytes")
    try:
        message = json.loads(line)
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
