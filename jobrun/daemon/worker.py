"""One warm worker as the daemon sees it: its process, its socket, the calls it has.

It decides nothing. A worker makes its calls in the order in which they were
sent; the first of them may have begun, the others certainly have not.
"""

import asyncio
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from jobrun.daemon.hearing import read_messages
from jobrun.domain.instants import Instant, seconds
from jobrun.domain.job import Job, Pool
from jobrun.domain.records import storable
from jobrun.domain.run import Exit, Fence, ProcessIdentity, Run
from jobrun.proc import kin
from jobrun.proc.cgroup import Delegated
from jobrun.proc.identity import cpu_time, identify, read_stat, resident_memory
from jobrun.proc.output import drop_paths
from jobrun.proc.regular import read_regular
from jobrun.proc.spawn import Child, start
from jobrun.proc.spec import Marker
from jobrun.proc.spool import drop_worker_files
from jobrun.proc.tree import kill_rest, kill_tree, left_by_call, living_below, sweep
from jobrun.proc.workerspec import (
    LARGEST_DATAGRAM,
    CallFiles,
    WorkerKind,
    calls_text,
    hello,
    retire,
    worker_spec,
)

# The streams that a call can write to, by the endings of their files.
STREAMS = ("out", "err")
_AT_ONCE = 64
# Bytes of the calls in one message; some room is left for what is around them.
_MOST_ENTRIES = LARGEST_DATAGRAM - 256
# One for all workers: a message is read and understood before the next one is.
_BUFFER = bytearray(LARGEST_DATAGRAM * 2)
_VIEW = memoryview(_BUFFER)


@dataclass(slots=True, eq=False)
class Call:
    """An attempt that a worker makes, or is to make. `begun` is by the loop's clock.

    `number` stands for what the calls of this definition share: a worker is told that once.
    """

    run: Run
    job: Job
    kind: WorkerKind
    number: int
    files: CallFiles
    fence: Fence
    worker: "Worker | None" = None
    begun: float | None = None
    begun_at: Instant = 0
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    is_watched: bool = False
    escaped: int = 0
    is_stopped: bool = False

    def cancel_timers(self) -> None:
        """Its limits count no more."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class Worker:
    """One worker process, from its start to its end. Owns the socket and the reading of it."""

    def __init__(
        self, number: int, kind: WorkerKind, pool: Pool, child: Child, channel: socket.socket
    ) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.kind = kind
        self.pool = pool
        self.child = child
        self.started = self.idle_since = loop.time()
        self.python: ProcessIdentity | None = None
        self.is_reaper = False
        self.own_children: frozenset[tuple[int, int]] = frozenset()
        self.left: set[tuple[int, int]] = set()
        self.left_by: set[Marker] = set()
        self.version = ""
        self.calls: dict[str, Call] = {}
        self.by_job: dict[str, int] = {}
        self.told: set[int] = set()
        self.revoked: dict[str, str] = {}
        self.unwritten: tuple[str, tuple[str, ...]] | None = None
        self.runs_done = 0
        self.is_retiring = False
        self.retiring_since: float | None = None
        self.has_failed = False
        self.is_late = False
        self.stopped_since: float | None = None
        self.is_stalled = False
        self._channel = channel
        self._given: list[tuple[Call, str]] = []

    @property
    def identity(self) -> ProcessIdentity:
        """The leader of its session."""
        return self.child.identity

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls: it has started, and was not told to end."""
        return self.python is not None and not self.is_retiring

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a call."""
        return self.is_ready and not self.calls

    @property
    def current(self) -> Call | None:
        """The call that has begun, if any."""
        first = next(iter(self.calls.values()), None)
        return first if first is not None and first.begun is not None else None

    @property
    def state(self) -> str:
        """In one word, for people."""
        if self.python is None:
            return "starting"
        if self.is_stalled:
            return "stalled"
        if self.calls:
            return "busy"
        return "retiring" if self.is_retiring else "idle"

    def fileno(self) -> int:
        """The descriptor on which its messages come."""
        return self._channel.fileno()

    def send(self, text: bytes) -> bool:
        """Send one message; False if it cannot be taken now, or it has ended."""
        try:
            self._channel.send(text)
        except OSError:
            return False
        return True

    def give(self, call: Call, entry: str) -> None:
        """Have it make a call, of which it is told at the next `send_given`."""
        if not self.calls:
            kin.note_busy(self.identity)
        call.worker = self
        self.calls[call.files.name] = call
        job = call.job.name
        self.by_job[job] = self.by_job.get(job, 0) + 1
        self._given.append((call, entry))

    def send_given(self) -> list[Call]:
        """Tell it what it was given, several calls in a message. Returns those it cannot take now."""
        given, self._given = self._given, []
        for number, group in groupby(given, lambda pair: pair[0].number):
            for sheaf in _sheaves(group):
                text = calls_text(number, [entry for _, entry in sheaf])
                if number not in self.told or not self.send(text):
                    refused = given[given.index(sheaf[0]) :]
                    for call, _ in refused:
                        self.take_off(call)
                    return [call for call, _ in refused]
        return []

    def take_off(self, call: Call) -> None:
        """The call is over, or not its own any more."""
        if self.calls.pop(call.files.name, None) is not None:
            job = call.job.name
            left = self.by_job[job] - 1
            if left:
                self.by_job[job] = left
            else:
                del self.by_job[job]
        call.worker = None
        if not self.calls:
            self.idle_since = asyncio.get_running_loop().time()
            kin.note_idle(self.identity)

    def forget_revoked(self, name: str) -> None:
        """It has met a call that was taken back from it: whoever else makes it has files of its own."""
        status = self.revoked.pop(name, None)
        if status is not None:
            drop_paths([status])

    def retire(self) -> None:
        """Have it end once it has made the calls it has."""
        if not self.is_retiring:
            self.is_retiring = True
            self.send(retire())

    def messages(self) -> Iterator[Mapping[str, Any]]:
        """What it said since the last look, up to a number; nothing once it has ended."""
        for _ in range(_AT_ONCE):
            try:
                size = self._channel.recv_into(_BUFFER)
            except OSError:
                return
            if not size:
                return
            yield from read_messages(_VIEW[:size])

    def note_ready(self, message: Mapping[str, Any]) -> bool:
        """It has started; False if the process it names is not there."""
        pid = message.get("pid")
        self.python = identify(pid) if isinstance(pid, int) and self._is_of_session(pid) else None
        self.version = storable(str(message.get("python", "")))
        self.is_reaper = message.get("reaper") is True
        if self.python is None:
            return False
        if self.pool.on_start is not None:
            # What the pool's own hook started is the worker's, and no call's.
            self.own_children = living_below(self.identity, self.python)
        return True

    def _is_of_session(self, pid: int) -> bool:
        """Whether it is a process of this worker, which might name any other."""
        stat = read_stat(pid)
        return stat is not None and stat.session == self.identity.pid

    @property
    def spared(self) -> frozenset[tuple[int, int]]:
        """The processes of its session that the end of a call does not end."""
        return self.own_children | self.left

    def leave(self, marker: Marker) -> None:
        """The call with this marker is over and may leave its children: they outlive the worker too."""
        found = left_by_call(self.identity, self.python, marker, self.spared)
        if found:
            self.left |= found
            self.left_by.add(marker)

    def kill(self, store_id: str) -> None:
        """End it and what is its own."""
        if self.left:
            kill_rest(self.identity, self.left, self.left_by)
        else:
            kill_tree(self.identity, Marker(0, store_id))

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""
        return self.child.poll()

    def describe(self, now: float) -> dict[str, Any]:
        """What people are told of it; `now` is by the loop's clock."""
        call = self.current
        pid = self.python.pid if self.python is not None else None
        return {
            "pool": self.pool.name,
            "worker": self.number,
            "pid": pid,
            "state": self.state,
            "run": call.run.id if call is not None else None,
            "job": call.job.name if call is not None else None,
            "waiting": sum(other.begun is None for other in self.calls.values()),
            "runs_done": self.runs_done,
            "age": round(now - self.started, 3),
            "rss": resident_memory(pid) if pid is not None else 0,
            "cpu": round(seconds(cpu_time(pid)), 3) if pid is not None else 0.0,
            "interpreter": self.kind.interpreter,
            "python": self.version,
        }

    def last_words(self) -> str:
        """The last line of what it printed outside of calls."""
        raw = read_regular(self.child.files.out, LARGEST_DATAGRAM) or b""
        lines = raw.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def bury(self, *, has_heirs: bool = False) -> None:
        """It has ended: nothing of its own stays, but for its status if that is also the end of a call."""
        if self.left:
            kill_rest(self.identity, self.left, self.left_by)
        else:
            sweep(self.identity, Marker(0, ""))
        if not has_heirs:
            drop_worker_files(self.child.files.status)
        drop_paths(self.revoked.values())
        if self.unwritten is not None:
            # The empty output files of its last call, which it would have used again.
            prefix, streams = self.unwritten
            drop_paths(f"{prefix}.{name}" for name in streams)
        self.close()

    def close(self) -> None:
        """Give everything back; the process has ended, or is left to itself."""
        self._channel.close()
        self.child.close()


def _sheaves(given: Iterable[tuple[Call, str]]) -> Iterator[list[tuple[Call, str]]]:
    """Calls in as many groups as fit into a message each."""
    sheaf: list[tuple[Call, str]] = []
    size = 0
    for pair in given:
        size += len(pair[1]) + 1
        if sheaf and size > _MOST_ENTRIES:
            yield sheaf
            sheaf, size = [], len(pair[1]) + 1
        sheaf.append(pair)
    yield sheaf


def start_worker(
    number: int,
    kind: WorkerKind,
    pool: Pool,
    *,
    store_id: str,
    attempts_dir: Path,
    logs_dir: Path,
    opened_at: Instant,
    cgroups: Delegated | None,
) -> Worker:
    """Start a worker and greet it. Raises SpawnRefused."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        ours.setblocking(False)
        spec = worker_spec(
            kind,
            number,
            theirs.fileno(),
            store_id=store_id,
            attempts_dir=attempts_dir,
            logs_dir=logs_dir,
            opened_at=opened_at,
            cgroups=cgroups,
        )
        child = start(spec)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    worker = Worker(number, kind, pool, child, ours)
    worker.send(hello(kind, pool, number, child.identity, spool=str(spec.files.spool)))
    kin.note_idle(child.identity)
    return worker
