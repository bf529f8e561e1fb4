"""What running attempts are held to while they run: log_max, limits.memory, limits.processes.

The rule: looking never blocks a job, and nothing is decided here. What went
over its limit is posted; the output's middle is given back to the disk.

Everything is looked at once a second. Attempts that are young, or whose
output had to be cut lately, are looked at every 50 ms too, so that one that
prints a gigabyte in a second does not need a gigabyte of disk.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobrun.domain.events import MemoryExceeded, RunEvent, TooManyProcesses
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job
from jobrun.domain.run import Fence, ProcessIdentity
from jobrun.proc import cgroup
from jobrun.proc.files import AttemptFiles
from jobrun.proc.output import trim_running
from jobrun.proc.spec import Marker
from jobrun.proc.tree import stop_group, tree_rss, tree_size

_QUICK = 0.05
_QUICK_LOOKS = 20


@dataclass(slots=True)
class _Held:
    """One running attempt. `processes` were counted when the host had `host_tasks`."""

    job: Job
    files: AttemptFiles
    identity: ProcessIdentity
    marker: Marker
    looks_left: int = _QUICK_LOOKS
    processes: int = 0
    host_tasks: int = 0

    @property
    def most_processes(self) -> int | None:
        """The limit that is ours to watch: where the kernel holds it, nobody else needs to."""
        group = cgroup.group_of(self.identity)
        return None if group is not None and group.processes is not None else self.job.limits.processes

    @property
    def most_memory(self) -> int | None:
        """The same for memory. The kernel counts a page that processes share once, we for each of them."""
        group = cgroup.group_of(self.identity)
        return None if group is not None and group.memory is not None else self.job.limits.memory


class LimitWatch:
    """Looks at running attempts. Lives in the loop's thread."""

    def __init__(self, exceeded: Callable[[Fence, RunEvent], None], now: Callable[[], Instant]) -> None:
        self._exceeded = exceeded
        self._now = now
        self._held: dict[Fence, _Held] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(
        self, fence: Fence, job: Job, files: AttemptFiles, identity: ProcessIdentity, marker: Marker
    ) -> None:
        """An attempt runs."""
        self._held[fence] = _Held(job, files, identity, marker, host_tasks=_host_tasks())
        self._look_soon()

    def end(self, fence: Fence) -> None:
        """It has ended."""
        self._held.pop(fence, None)

    def stop(self) -> None:
        """Look no more."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tick(self) -> None:
        """Once a second: everything."""
        for fence, held in list(self._held.items()):
            self._trim(held)
            self._weigh(fence, held)
            self._count(fence, held)
        self._look_soon()

    def _look_soon(self) -> None:
        if self._timer is not None:
            return
        if any(held.looks_left or held.most_processes for held in self._held.values()):
            self._timer = asyncio.get_running_loop().call_later(_QUICK, self._look_quickly)

    def _look_quickly(self) -> None:
        self._timer = None
        tasks = _host_tasks()
        for fence, held in list(self._held.items()):
            if held.looks_left:
                held.looks_left -= 1
                self._trim(held)
            limit = held.most_processes
            # A tree cannot have grown by more than the host has, but for what ended elsewhere meanwhile.
            if limit is not None and tasks - held.host_tasks > limit - held.processes:
                self._count(fence, held)
        self._look_soon()

    def _trim(self, held: _Held) -> None:
        for _, path in held.files.streams:
            if trim_running(path, held.job.log_max):
                held.looks_left = _QUICK_LOOKS

    def _weigh(self, fence: Fence, held: _Held) -> None:
        limit = held.most_memory
        if limit is None:
            return
        rss = tree_rss(held.identity, held.marker)
        if rss > limit:
            self._exceeded(fence, MemoryExceeded(self._now(), rss))

    def _count(self, fence: Fence, held: _Held) -> None:
        limit = held.most_processes
        if limit is None:
            return
        held.host_tasks = _host_tasks()
        held.processes = tree_size(held.identity, held.marker, limit)
        if held.processes > limit:
            # Its KILL is certain, and comes after a commit, in which a bomb would double several times.
            stop_group(held.identity)
            self._exceeded(fence, TooManyProcesses(self._now(), held.processes))


def _host_tasks() -> int:
    """How many processes and threads the host has (/proc/loadavg, fourth field); 0 if it cannot be read."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, IndexError, ValueError):
        return 0
