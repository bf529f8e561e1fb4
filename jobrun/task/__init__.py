"""For job code: what run is this, how far is it, what came of it.

    from jobrun.task import progress, checkpoint, Retry

Everything here works in warm and in fresh runs, in processes that a job
starts, and in an interpreter where jobrun is not installed. Outside jobrun it
does nothing, and `context()` is empty, so that the same code can be run by hand.

Code that runs inside a job's own interpreter lives in this room. Its rule:
the standard library only, Python 3.9 and newer, nothing imported from the
rest of jobrun, and nothing imported before it is needed.
"""

from __future__ import annotations

from jobrun.task.context import Context, context
from jobrun.task.notes import progress
from jobrun.task.outcomes import Dead, Retry, SoftTimeout, Stopped
from jobrun.task.results import result
from jobrun.task.stopping import defer_stop, should_stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from jobrun.task import checkpoint as checkpoint

__all__ = [
    "Context",
    "Dead",
    "Retry",
    "SoftTimeout",
    "Stopped",
    "checkpoint",
    "context",
    "defer_stop",
    "progress",
    "result",
    "should_stop",
]


def __getattr__(name: str) -> ModuleType:
    """`checkpoint` is loaded when it is first used."""
    if name != "checkpoint":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module("jobrun.task.checkpoint")
