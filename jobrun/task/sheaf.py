"""The calls that a worker is told of: what a job's calls share, and what each has of its own.

    {"op": "job", "job": 3, "target": …, "args": …, "kwargs": …, "soft": …, "cpu": …,
     "memory": …, "open_files": …, "env": {…}, "split": false}
    {"op": "calls", "job": 3, "calls": ["12.1", ["13.1", {"NAME": "value"}, "data"], …]}

A call is its fence; where there is more to say it is a list: fence, variables of
its own, data. What does not fit into a message lies in a file, which is removed
when it was read: `"file"` of a job, or the fourth item of a call. The places of a
call's files follow from its fence.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Shared:
    """What all calls under one number share."""

    __slots__ = (
        "args",
        "cpu",
        "env",
        "is_split",
        "kwargs",
        "memory",
        "open_files",
        "soft_after",
        "soft_signal",
        "target",
    )

    def __init__(self, told: dict[str, Any]) -> None:
        if "file" in told:
            told = _read_away(told["file"])
        self.target: str = told["target"]
        self.args: list[Any] = told["args"]
        self.kwargs: dict[str, Any] = told["kwargs"]
        self.env: dict[str, str] = told["env"]
        self.is_split: bool = told["split"]
        self.cpu: float | None = told["cpu"]
        self.memory: int | None = told["memory"]
        self.open_files: int | None = told["open_files"]
        soft = told["soft"] or {}
        self.soft_signal: int | None = soft.get("signal")
        self.soft_after: float | None = soft.get("after")


class Call:
    """One call. `prefix` begins the paths of its files."""

    __slots__ = ("data", "env", "fence", "file", "prefix", "shared")

    def __init__(self, shared: Shared, entry: Any, spool: str) -> None:
        env = self.data = self.file = None
        if type(entry) is str:
            self.fence: str = entry
        else:
            self.fence, env, self.data, self.file = (*entry, None, None)[:4]
        self.shared = shared
        self.prefix = f"{spool}/{self.fence}"
        self._set_env(env)

    def read(self) -> None:
        """Take the rest of it from its file, if it lies in one. Raises OSError or ValueError."""
        if self.file is not None:
            _, env, self.data = _read_away(self.file)
            self._set_env(env)

    def _set_env(self, own: dict[str, str] | None) -> None:
        run, _, attempt = self.fence.partition(".")
        prefix = self.prefix
        self.env = {
            **self.shared.env,
            "JOBRUN_RUN_ID": run,
            "JOBRUN_ATTEMPT": attempt,
            "JOBRUN_RESULT": f"{prefix}.result",
            "JOBRUN_NOTES": f"{prefix}.notes",
        }
        if own is not None:
            self.env.update(own)
        if self.data is not None:
            self.env["JOBRUN_DATA"] = f"{prefix}.data"


def _read_away(path: str) -> Any:
    """What was too large for a message, from its file, which is removed."""
    with open(path, "rb") as file:
        raw = file.read()
    os.unlink(path)
    return json.loads(raw.decode("utf-8"))
