"""A real daemon in a directory of its own, for tests: start, ask, kill, look into its history.

Nothing here sleeps to synchronise: `until` waits for a condition and fails
with what it saw last.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jobrun.conf.paths import Places, find_places
from jobrun.domain.errors import DaemonUnreachable
from jobrun.domain.run import Done, Run
from jobrun.store.reader import History
from jobrun.store.views import RunFilter
from jobrun.wire.client import Client

T = TypeVar("T")
PATIENCE = float(os.environ.get("JOBRUN_TEST_PATIENCE", "30"))


def until(look: Callable[[], T], what: str = "the condition", patience: float = PATIENCE) -> T:
    """The first true answer of `look`; fails after `patience` seconds with the last answer."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s for {what}; last seen: {seen!r}")
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process of that pid exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


class LiveDaemon:
    """One state directory, and at most one daemon over it."""

    def __init__(self, directory: Path, job_file: str = "", environ: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.config = directory / "jobs.toml"
        self.state = directory / "state"
        self.config.write_text(job_file)
        # In the environment too, so that every job carries it and `sweep` finds what a test left.
        self.environ = {**os.environ, "JOBRUN_STATE_DIR": str(self.state), **(environ or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix: list[str] = []
        self._starts = 0

    @property
    def places(self) -> Places:
        return find_places(str(self.config), str(self.state), {}, os.geteuid())

    @property
    def client(self) -> Client:
        return Client(self.places.socket, PATIENCE)

    @property
    def history(self) -> History:
        return History(self.places.database)

    def command(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "jobrun",
            "--config",
            str(self.config),
            "--state-dir",
            str(self.state),
            *words,
        ]

    def cli(self, *words: str, check: int | None = 0, **more) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line; `check` is the expected exit code, None for any."""
        done = subprocess.run(
            self.command(*words),
            check=False,
            capture_output=True,
            text=True,
            env=self.environ,
            timeout=60,
            **more,
        )
        if check is not None:
            assert done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.directory.glob("daemon.*.log")))

    def start(self, *words: str, wait: bool = True) -> "LiveDaemon":
        self._starts += 1
        with (self.directory / f"daemon.{self._starts:04d}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *self.command("daemon", *words)],
                stdout=log,
                stderr=log,
                env=self.environ,
            )
        if wait:
            until(self._answers, "the daemon to answer")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
        try:
            self.client.call("ping")
        except DaemonUnreachable:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(patience)

    def stop(self) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def run(self, job: str, **more) -> int:
        """Ask for a run of a job; its id."""
        return int(self.client.call("run", job=job, **more)["run"])

    def runs(self, job: str | None = None) -> list[Run]:
        """The runs of the history, oldest first."""
        rows = self.history.runs(RunFilter(job=job), limit=100_000)
        return sorted((row.run for row in rows), key=lambda run: run.id)

    def see(self, run_id: int) -> Run | None:
        """The run as the history has it now."""
        row = self.history.run(run_id)
        return None if row is None else row.run

    def done(self, run_id: int, patience: float = PATIENCE) -> Run:
        """Wait until the run has ended."""

        def look() -> Run | None:
            run = self.see(run_id)
            return run if run is not None and isinstance(run.status, Done) else None

        return until(look, f"run {run_id} to end", patience)

    def in_state(self, run_id: int, *states: str) -> Run:
        """Wait until the run is in one of the states."""

        def look() -> Run | None:
            run = self.see(run_id)
            return run if run is not None and run.state in states else None

        return until(look, f"run {run_id} to be {'/'.join(states)}")

    def sweep(self) -> None:
        """End what this test's jobs may have left, by their marker; never by name."""
        mark = f"JOBRUN_STATE_DIR={self.state}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    pass
