"""A real daemon in a scratch directory, for the measurements of this folder.

The rule: what is measured is the product as it is started by hand, `python -m
jobrun daemon` with its own log on stderr, over the control socket.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobrun.conf.paths import Places, find_places
from jobrun.domain.errors import DaemonUnreachable
from jobrun.wire.client import Client

_PATIENCE = 60.0


def until(is_so: Callable[[], object], what: str, *, within: float = _PATIENCE, step: float = 0.01) -> None:
    """Wait for a condition, looking every `step` seconds; ends the program after `within` of them."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting for {what} after {within:g} s")
        time.sleep(step)


class Daemon:
    """One running daemon and what it keeps in its directory."""

    def __init__(self, process: "subprocess.Popen[bytes]", places: Places) -> None:
        self.process = process
        self.places = places
        self.client = Client(places.socket, timeout=300)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def is_up(self) -> bool:
        """Whether it answers."""
        if self.process.poll() is not None:
            sys.exit("the daemon ended:\n" + self.places.state_dir.with_name("log").read_text())
        try:
            self.client.call("ping")
        except DaemonUnreachable:
            return False
        return True

    def run(self, job: str, calls: int) -> list[int]:
        """Ask for so many runs of a job at once; the answer comes when they are durable."""
        return list(self.client.call("run", job=job, bulk=[None] * calls)["runs"])

    def wait(self, runs: list[int]) -> None:
        """Wait until these runs are over."""
        self.client.call("wait", runs=runs)


@contextmanager
def daemon(directory: Path, jobs: str, code: str) -> Iterator[Daemon]:
    """A daemon for this job file and this module `tasks`, ended when the block is left."""
    directory.joinpath("code").mkdir(parents=True)
    directory.joinpath("code", "tasks.py").write_text(code)
    config, state = directory / "jobs.toml", directory / "state"
    config.write_text(f'[defaults]\npython_path = ["{directory}/code"]\n{jobs}')
    places = ["--config", str(config), "--state-dir", str(state)]
    command = [sys.executable, "-m", "jobrun", *places, "daemon"]
    with directory.joinpath("log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    running = Daemon(process, find_places(str(config), str(state), {}, os.geteuid()))
    try:
        until(running.is_up, "the daemon to answer")
        yield running
    finally:
        stop(process, signal.SIGTERM)


def stop(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Have a process that we started end; one that does not is killed."""
    process.send_signal(number)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
