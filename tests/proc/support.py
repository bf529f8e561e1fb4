"""What the tests of this room share: a rig that starts real attempts in a temporary state directory."""

import itertools
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobrun.domain.instants import DAY
from jobrun.domain.job import ArgvCommand, Job, PythonCall, ShellCommand
from jobrun.domain.run import Exit, ProcessIdentity, Run, Starting, Trigger
from jobrun.proc import kin
from jobrun.proc.cgroup import Delegated
from jobrun.proc.identity import identify, pids, read_proc, read_stat
from jobrun.proc.spawn import Child, adopt, start
from jobrun.proc.spec import AttemptSpec, Marker, attempt_spec
from jobrun.proc.tree import kill_tree, sweep

PATIENCE = 20.0
OPENED = 20_000 * DAY
_run_ids = itertools.count(1)


def wait_until(
    condition: Callable[[], object], what: str = "the condition", patience: float = PATIENCE
) -> None:
    """Return once the condition holds; fail the test if it does not come to hold."""
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {patience} s in vain for {what}")
        time.sleep(0.005)


def wait_exit(child: Child, patience: float = PATIENCE) -> Exit:
    """The child's exit, waited for through its pidfd as the daemon does."""
    ready = select.poll()
    ready.register(child.fileno(), select.POLLIN)
    assert ready.poll(patience * 1000), "the child does not end"
    exit = child.poll()
    assert exit is not None
    return exit


def marked(marker: Marker) -> list[int]:
    """An independent look: the living processes with this run's marker in their environment."""
    found = []
    for pid in pids():
        environ = read_proc(f"/proc/{pid}/environ").split(b"\0")
        if (
            f"JOBRUN_RUN_ID={marker.run_id}".encode() in environ
            and f"JOBRUN_STORE_ID={marker.store_id}".encode() in environ
        ):
            found.append(pid)
    return found


def is_gone(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is None or stat.is_dead


@dataclass
class Rig:
    """Starts attempts and ends whatever a test left running."""

    home: Path
    store_id: str = "rig"
    base: dict[str, str] = field(default_factory=dict)
    started: list[tuple[Child, Marker]] = field(default_factory=list)
    cgroups: Delegated | None = None
    elsewhere: list[Marker] = field(default_factory=list)

    def job(self, body: ShellCommand | ArgvCommand | PythonCall | str | list[str], **fields: object) -> Job:
        if isinstance(body, str):
            body = ShellCommand(body)
        elif isinstance(body, list):
            body = ArgvCommand(tuple(body))
        return replace(Job(name="job", body=body, cwd=str(self.home)), **fields)  # type: ignore[arg-type]

    def run(self, **fields: object) -> Run:
        blank = Run(
            id=next(_run_ids),
            job="job",
            queue="default",
            definition_id=1,
            trigger=Trigger.MANUAL,
            status=Starting(OPENED),
            created_at=OPENED,
            attempt=1,
            charged=1,
        )
        return replace(blank, **fields)  # type: ignore[arg-type]

    def spec(self, job: Job, run: Run | None = None) -> AttemptSpec:
        return attempt_spec(
            job,
            run or self.run(),
            store_id=self.store_id,
            attempts_dir=self.home / "state" / "attempts",
            logs_dir=self.home / "state" / "logs",
            opened_at=OPENED,
            cgroups=self.cgroups,
            base_environ={"PATH": os.environ["PATH"], "HOME": str(self.home), **self.base},
        )

    def start(self, job: Job, run: Run | None = None) -> tuple[Child, AttemptSpec]:
        spec = self.spec(job, run)
        child = start(spec)
        self.started.append((child, spec.marker))
        return child, spec

    def finish(self, job: Job, run: Run | None = None, patience: float = PATIENCE) -> tuple[Exit, bytes]:
        """Start, wait, and return the exit and the merged output."""
        child, spec = self.start(job, run)
        exit = wait_exit(child, patience)
        return exit, spec.files.out.read_bytes()

    def path(self, name: str) -> Path:
        return self.home / name

    def pid_in(self, name: str) -> int:
        """The pid a job wrote into a file of its directory, waited for."""
        path = self.path(name)
        wait_until(lambda: path.exists() and path.read_text().strip(), f"a pid in {name}")
        return int(path.read_text())

    def adopt(self, identity: ProcessIdentity, spec: AttemptSpec) -> Child:
        """Adopt the leader of an attempt that was started elsewhere."""
        child = adopt(identity, spec.files)
        assert child is not None
        self.started.append((child, spec.marker))
        return child

    def end(self) -> None:
        for child, marker in self.started:
            if child.poll() is None:
                kill_tree(child.identity, marker)
                wait_exit(child)
            sweep(child.identity, marker)
            child.close()
        for marker in self.elsewhere:
            sweep(None, marker)
        for marker in [*(marker for _, marker in self.started), *self.elsewhere]:
            assert not marked(marker), f"left behind: {marker}"
        kin.reap_strangers()


def rig_in(home: Path) -> Iterator[Rig]:
    kin.become_subreaper()
    rig = Rig(home)
    try:
        yield rig
    finally:
        rig.end()


__all__ = ["OPENED", "Rig", "identify", "is_gone", "marked", "rig_in", "signal", "wait_exit", "wait_until"]
