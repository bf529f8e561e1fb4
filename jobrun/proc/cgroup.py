"""One control group per attempt, where the host has delegated a cgroup v2 tree to us. Optional.

With it nothing can escape, whatever it does to its session, parents or
environment; without it (`find_delegated` gives None) the other roads of
`tree.py` do. Delegated is what carries systemd's mark (`Delegate=yes` sets the
extended attribute `user.delegate` or `trusted.delegate`), and the unit whose
subgroup we were put into (a user's systemd sets no mark, but puts nobody into a
subgroup of what it keeps for itself): anything else belongs to somebody who
does not expect children there.

The memory and pids controllers are switched on only if the daemon was put into
a subgroup of the delegated one (`DelegateSubgroup=`, systemd 254): otherwise
the kernel's rule that inner groups hold no processes would keep systemd from
starting the next daemon beside jobs that live on.

Rules from Documentation/admin-guide/cgroup-v2.rst.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from jobrun.domain.run import Exit, Fence, ProcessIdentity
from jobrun.proc.identity import rest

_LAST_SINGLE_DIGIT = 9
_CONTROLLERS = ("memory", "pids")
_PREFIX = "jobrun-"


@dataclass(frozen=True, slots=True)
class Delegated:
    """A cgroup directory that is ours to divide.

    `controllers` are those switched on for its children. `gate` is a reserved
    descriptor below ten, the only ones every sh can write to; through it the
    surrounding sh enters its group before it starts anything.
    """

    path: Path
    controllers: frozenset[str]
    gate: int

    def attempt(
        self, fence: Fence, memory: int | None = None, processes: int | None = None
    ) -> "AttemptCgroup":
        """The group of an attempt; nothing is made yet. `memory` is the limit in bytes."""
        return AttemptCgroup(
            self.path / f"{_PREFIX}{fence}",
            memory if "memory" in self.controllers else None,
            self.gate,
            processes if "pids" in self.controllers else None,
        )

    def drop_empty(self, kept: Iterable[Fence]) -> None:
        """Remove the groups that nothing runs in any more, but those of the attempts in `kept`.

        A job with `leave_children` and a daemon that was killed leave such groups.
        """
        spared = {f"{_PREFIX}{fence}" for fence in kept}
        for path in self.path.glob(f"{_PREFIX}*"):
            if path.name not in spared:
                AttemptCgroup(path, None, self.gate).remove()


@dataclass(frozen=True, slots=True)
class AttemptCgroup:
    """The group of one attempt. All methods take a missing group for an empty one."""

    path: Path
    memory: int | None
    gate: int
    processes: int | None = None

    def make(self) -> None:
        """Create it with its limits. Raises OSError."""
        self.path.mkdir(exist_ok=True)
        if self.memory is not None:
            (self.path / "memory.max").write_text(str(self.memory))
            with suppress(OSError):
                (self.path / "memory.swap.max").write_text("0")
            (self.path / "memory.oom.group").write_text("1")
        if self.processes is not None:
            # The surrounding sh is ours, not the job's.
            (self.path / "pids.max").write_text(str(self.processes + 1))

    def open_gate(self) -> None:
        """Point the gate at this group; whoever inherits it may enter, since we opened it. Raises OSError."""
        fd = os.open(self.path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.dup2(fd, self.gate, inheritable=False)
        finally:
            os.close(fd)

    def close_gate(self) -> None:
        """Point the gate at nothing again."""
        fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(fd, self.gate, inheritable=False)
        os.close(fd)

    @property
    def is_populated(self) -> bool:
        """Whether any process, zombies not counted, is in it or below."""
        return self._counters("cgroup.events").get("populated") == 1

    @property
    def was_oom(self) -> bool:
        """Whether the kernel killed something in it for going over `memory.max`."""
        return self._counters("memory.events").get("oom_kill", 0) > 0

    def account(self, exit: Exit) -> Exit:
        """The exit with what the kernel has counted for the group, as far as it counts it.

        CPU time is that of every process that ever was in it. The peak is that of
        the whole group, files that it read and wrote included (memory.peak, Linux
        5.19), as `limits.memory` is held against it.
        """
        cpu = self._counters("cpu.stat")
        try:
            peak = int((self.path / "memory.peak").read_text())
        except (OSError, ValueError):
            peak = None
        return replace(
            exit,
            user_time=cpu.get("user_usec", exit.user_time),
            system_time=cpu.get("system_usec", exit.system_time),
            max_rss=peak if peak is not None else exit.max_rss,
        )

    def pids(self) -> list[int]:
        """The processes in it and in groups made below it."""
        found: list[int] = []
        with suppress(OSError):
            for procs in [self.path / "cgroup.procs", *self.path.rglob("*/cgroup.procs")]:
                with suppress(OSError):
                    found.extend(int(line) for line in procs.read_text().split())
        return found

    def freeze(self, patience: float) -> bool:
        """Stop everything in it, so that nothing can fork; KILL still works. False if it does not settle."""
        return self._freeze(1, patience)

    def thaw(self) -> None:
        """Let it go on."""
        self._freeze(0, 0)

    def _freeze(self, value: int, patience: float) -> bool:
        try:
            (self.path / "cgroup.freeze").write_text(str(value))
        except OSError:
            return False
        return self._settles("frozen", value, patience)

    def kill(self, patience: float) -> bool:
        """KILL everything in it at once (Linux 5.14), and wait until it is empty. False if it is not."""
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:
            return not self.is_populated
        return self._settles("populated", 0, patience)

    def remove(self) -> None:
        """Remove it and the groups made below it; one that still has processes stays."""
        with suppress(OSError):
            for directory in sorted(self.path.rglob("*/"), reverse=True):
                with suppress(OSError):
                    directory.rmdir()
            self.path.rmdir()

    def _settles(self, key: str, value: int, patience: float) -> bool:
        until = time.monotonic() + patience
        while self._counters("cgroup.events").get(key, value) != value:
            if time.monotonic() > until:
                return False
            rest(0.0005)
        return True

    def _counters(self, name: str) -> dict[str, int]:
        try:
            text = (self.path / name).read_text()
        except OSError:
            return {}
        return {key: int(value) for key, value in (line.split() for line in text.splitlines())}


_of_leader: dict[ProcessIdentity, AttemptCgroup] = {}


def note(identity: ProcessIdentity, group: AttemptCgroup) -> None:
    """The leader runs in this group."""
    _of_leader[identity] = group


def group_of(identity: ProcessIdentity | None) -> AttemptCgroup | None:
    """The leader's group, if it has one."""
    return None if identity is None else _of_leader.get(identity)


def forget(identity: ProcessIdentity) -> None:
    """The attempt is over: remove its group."""
    group = _of_leader.pop(identity, None)
    if group is not None:
        group.remove()


def find_delegated(root: Path = Path("/proc/self"), gate: int | None = None) -> Delegated | None:
    """The delegated cgroup we are in or directly below, ready for use; None where there is none.

    To be called once, early: it takes the lowest free descriptor for the gate,
    unless one is given.
    """
    found = look_for_delegated(root)
    if found is None:
        return None
    path, has_subgroup = found
    if gate is None:
        gate = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
    if gate > _LAST_SINGLE_DIGIT:
        os.close(gate)
        return None
    return Delegated(path, _switch_on(path) if has_subgroup else frozenset(), gate)


def look_for_delegated(root: Path = Path("/proc/self")) -> tuple[Path, bool] | None:
    """The delegated cgroup of a process, and whether the process is in a subgroup of it; changes nothing."""
    own = _own_directory(root)
    if own is None:
        return None
    has_subgroup = not _is_delegated(own) and (_is_delegated(own.parent) or _is_subgroup_of_unit(own))
    path = own.parent if has_subgroup else own
    if not has_subgroup and not _is_delegated(path):
        return None
    if not (path / "cgroup.procs").exists() or not os.access(path, os.W_OK):
        return None
    return path, has_subgroup


def controllers_on(path: Path) -> frozenset[str]:
    """Those of our controllers that are switched on for the children of a group."""
    try:
        on = (path / "cgroup.subtree_control").read_text().split()
    except OSError:
        return frozenset()
    return frozenset(on) & frozenset(_CONTROLLERS)


def _own_directory(root: Path) -> Path | None:
    """The directory of our own cgroup v2, from `0::PATH` and where that hierarchy is mounted."""
    try:
        lines = (root / "cgroup").read_text().splitlines()
        mounts = (root / "mountinfo").read_text().splitlines()
    except OSError:
        return None
    paths = [line[3:] for line in lines if line.startswith("0::")]
    for mount in mounts:
        fields = mount.split()
        if paths and fields[fields.index("-") + 1] == "cgroup2":
            top = fields[3].rstrip("/")
            if paths[0].startswith(f"{top}/") or paths[0] == top:
                return Path(fields[4] + paths[0].removeprefix(top)).resolve()
    return None


def _is_delegated(path: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _is_subgroup_of_unit(path: Path) -> bool:
    """Whether it lies below a service, is no unit itself and not systemd's own (`.control`)."""
    is_unit = path.suffix in (".service", ".scope", ".slice")
    return path.parent.suffix == ".service" and not is_unit and not path.name.startswith(".")


def _switch_on(path: Path) -> frozenset[str]:
    """Switch the controllers on for the children, as far as there are any; those that are on."""
    for name in _CONTROLLERS:
        with suppress(OSError):
            (path / "cgroup.subtree_control").write_text(f"+{name}")
    return controllers_on(path)
