"""What a worker said, read: the messages in a datagram.

The rule: a call whose end was said has ended. Job code shares the worker's
process and can make its words unreadable; then they are read as far as they
can be, the call has failed, and what was said of other calls holds.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobrun.domain.verdict import RAISED

# `json.loads` without its questions about what it is given.
_understood = json.JSONDecoder().raw_decode
# As a worker writes them, which its JSON encoder, with its blanks, writes nowhere else.
_HEAD = re.compile(r'\{"op":"\w+","fence":"[0-9]+\.[0-9]+"')
_REPORT = ',"report":'
_UNREADABLE = {
    "error": {
        "type": "jobrun.BadResult",
        "bases": ["BadResult", "jobrun.BadResult", "Exception"],
        "message": "what the worker said of the call's end cannot be read",
    }
}


def read_messages(raw: memoryview) -> Iterable[Mapping[str, Any]]:
    """The messages of a datagram; what is none is passed over."""
    try:
        told, _ = _understood(str(raw, "utf-8"))
    except (ValueError, RecursionError):
        return list(_legible(str(raw, "utf-8", "replace")))
    # The end of one call and the begin of the next come together.
    return [message for message in (told if isinstance(told, list) else (told,)) if isinstance(message, dict)]


def without_report(message: Mapping[str, Any]) -> dict[str, Any]:
    """The end of a call whose report cannot be read: it has failed, and says why."""
    return {**message, "exit": message.get("exit") or RAISED, "report": _UNREADABLE}


def _legible(text: str) -> Iterator[dict[str, Any]]:
    """The messages of a text that is no JSON as a whole. A report stands at the end of its message."""
    starts = [head.start() for head in _HEAD.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        message = _object(part)
        if message is not None:
            yield message
        elif (message := _object(part.partition(_REPORT)[0] + "}")) is not None:
            yield without_report(message)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found, _ = _understood(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
