"""What the daemon asks a worker to do: jobs, each said once, and calls, which mostly are a fence only.

Where a call's files lie, and the variables that name them, follow from its
fence. What is too large for a message lies in a file, which is read away.
"""

from __future__ import annotations

import errno
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# No run has this number: the daemon asks for something itself.
_NO_RUN = b"0"
_PLAIN = frozenset({type(None), int, float, bool, str})


class Job:
    """What all calls under one number share."""

    __slots__ = (
        "_args",
        "_kwargs",
        "_text",
        "cpu",
        "env",
        "is_split",
        "memory",
        "open_files",
        "soft_after",
        "soft_signal",
        "target",
    )

    def __init__(self, words: dict[str, Any]) -> None:
        soft = words.get("soft") or {}
        self.target: str = words["target"]
        self.soft_signal: int | None = soft.get("signal")
        self.soft_after: float | None = soft.get("after")
        self.cpu: float | None = words.get("cpu")
        self.memory: int | None = words.get("memory")
        self.open_files: int | None = words.get("open_files")
        self.env = _encoded(words["env"])
        self.is_split: bool = words["split"]
        self._args: list[Any] = words["args"]
        self._kwargs: dict[str, Any] = words["kwargs"]
        values = [*self._args, *self._kwargs.values()]
        is_plain = all(type(value) in _PLAIN for value in values)
        self._text = None if is_plain else json.dumps([self._args, self._kwargs])

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The call's own: what a function does to a list that it is given, the next call must not see."""
        if self._text is None:
            return self._args, self._kwargs
        args, kwargs = json.loads(self._text)
        return args, kwargs


class Call:
    """One call of a job. `prefix` is what the paths of its files begin with, `data` JSON text."""

    __slots__ = ("_own", "data", "fence", "job", "prefix")

    def __init__(
        self, job: Job, spool: str, fence: str, own: dict[str, str] | None = None, data: str | None = None
    ) -> None:
        self.job = job
        self.fence = fence
        self.prefix = f"{spool}/{fence}"
        self.data = data
        self._own = own

    def variables(self) -> dict[bytes, bytes]:
        """All that the call has in its environment besides the worker's own, as the kernel has it."""
        prefix = os.fsencode(self.prefix)
        run, _, attempt = self.fence.encode("ascii").partition(b".")
        if run == _NO_RUN:
            return self.job.env
        env = {
            **self.job.env,
            b"JOBRUN_RUN_ID": run,
            # Unless earlier ones did not count: then it is said beside the fence.
            b"JOBRUN_ATTEMPT": attempt,
            b"JOBRUN_RESULT": prefix + b".result",
            b"JOBRUN_NOTES": prefix + b".notes",
        }
        if self.data is not None:
            env[b"JOBRUN_DATA"] = prefix + b".data"
        if self._own is not None:
            env.update(_encoded(self._own))
        return env


class Orders:
    """The jobs that were said, by their numbers."""

    def __init__(self) -> None:
        self.spool = ""
        self._jobs: dict[int, Job | OSError | ValueError] = {}

    def note(self, message: dict[str, Any]) -> None:
        """From here on the number means this job. One that cannot be read is remembered as that."""
        number = message["job"]
        try:
            self._jobs[number] = Job(_read_away(message["file"]) if "file" in message else message)
        except (OSError, ValueError) as error:
            self._jobs[number] = error

    def call(self, number: int, entry: str | list[Any]) -> Call:
        """The call that an entry of a message means. Raises OSError or ValueError if it cannot be read."""
        job = self._jobs.get(number)
        if not isinstance(job, Job):
            raise job or OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if isinstance(entry, str):
            return Call(job, self.spool, entry)
        if len(entry) == 4:
            entry = _read_away(entry[3])
        return Call(job, self.spool, *entry)


def fence_of(entry: str | list[Any]) -> str:
    """The fence of an entry, whether or not the rest of it can be had."""
    return entry if isinstance(entry, str) else entry[0]


def _encoded(env: dict[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in env.items()}


def _read_away(path: str) -> Any:
    """What was too large for a message, from its file, which is removed."""
    with open(path, "rb") as file:
        raw = file.read()
    os.unlink(path)
    return json.loads(raw.decode("utf-8"))
