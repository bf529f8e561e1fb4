"""The facts that are read as they were written: outputs, definitions, pauses, events of the host.

Apart from the other facts of the ledger because every reading command needs
them, and a frozen dataclass costs half a millisecond to define.
"""

from collections.abc import Mapping
from dataclasses import field

from jobrun.domain.instants import Instant
from jobrun.domain.run import Fence
from jobrun.domain.value import value


def storable(text: str) -> str:
    """The text with what UTF-8 cannot say (undecodable bytes of a file name) written out as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


@value(frozen=True, slots=True)
class OutputKept:
    """What an attempt printed on one stream (`out`: stdout, or both when merged; `err`).

    Small outputs are kept in the row (`body`); for larger ones `body` is None
    and `path`, relative to the state directory, names the file. `size` counts
    the bytes printed, `dropped` those cut from the middle by `log_max`.
    """

    fence: Fence
    stream: str
    size: int
    dropped: int = 0
    body: bytes | None = None
    path: str | None = None


@value(frozen=True, slots=True)
class DefinitionSeen:
    """A version of a job's definition. `body` is JSON from `definition.encode`."""

    id: int
    job: str
    digest: str
    body: str
    at: Instant


@value(frozen=True, slots=True)
class Paused:
    """A job (`kind` "job") or a queue ("queue") is paused: state, not definition."""

    kind: str
    name: str
    at: Instant
    by: str
    reason: str = ""


@value(frozen=True, slots=True)
class HostEvent:
    """Something that happened to the host or the daemon: started, stopped, reloaded, clock_stepped …"""

    at: Instant
    kind: str
    detail: Mapping[str, object] = field(default_factory=dict)
