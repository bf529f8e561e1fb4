"""What something took: seconds on the wall, and the processor's time of us and all that we started.

On a busy host the processor's time is the figure to compare.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Spent:
    """Seconds."""

    wall: float
    cpu: float


class Stopwatch:
    """A block's `spent`, known when it is left."""

    spent: Spent

    def __enter__(self) -> "Stopwatch":
        self._cpu, self._began = tree_cpu(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall = time.perf_counter() - self._began
        self.spent = Spent(wall, tree_cpu() - self._cpu)


def tree_cpu() -> float:
    """The processor's time of this process and of all below it, the ended ones included, in seconds."""
    us = psutil.Process()
    total = 0.0
    for process in (us, *us.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process != us:
            total += times.children_user + times.children_system
    return total


def load() -> str:
    """How busy the host is: the load average of the last minute."""
    return Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
