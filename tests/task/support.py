"""A real worker over a real socket: what the daemon will be to it, for tests."""

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobrun.proc.files import STATUS_SIZE, read_status
from jobrun.task.codewatch import _GRAIN

WORKER = Path(__file__).parents[2] / "jobrun" / "task" / "worker.py"
PATIENCE = 30.0
FILES = ("status", "out", "err", "data", "stop", "notes", "result")
# What a worker does not say of a call's end, since it is usual.
USUAL = {"rss": None, "out": 0, "err": 0, "children": False, "said": False, "retire": None, "report": {}}
OLD = sorted(Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python3.9"))
INTERPRETERS = [sys.executable, *map(str, OLD[-1:])]


class WorkerRig:
    """One worker process, and the daemon's end of its socket."""

    def __init__(self, home: Path, interpreter: str = sys.executable) -> None:
        self.home = home
        self.interpreter = interpreter
        self.log = home / "worker.log"
        self.socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.process: subprocess.Popen[bytes] | None = None
        self._told: list[dict[str, Any]] = []
        self._jobs: list[str] = []
        self._runs = 0
        self._argv: list[str] = []

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # A file that was written a moment before it is imported counts as changed.
        until(lambda: time.time_ns() > path.stat().st_ctime_ns + 2 * _GRAIN, "the clock to move on")
        return path

    def launch(self, *, env: dict[str, str] | None = None, cwd: Path | None = None) -> "WorkerRig":
        """The process alone, to which nothing was said yet."""
        fd = self._theirs.fileno()
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.interpreter, *self._argv, str(WORKER), str(fd)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**base, "JOBRUN_STORE_ID": "rig", "JOBRUN_WORKER": "7", **(env or {})},
                cwd=cwd or self.home,
                pass_fds=[fd],
                start_new_session=True,
            )
        self._theirs.close()
        return self

    def start(
        self, *, env: dict[str, str] | None = None, cwd: Path | None = None, **hello: Any
    ) -> "WorkerRig":
        """Launched and ready for calls."""
        self.launch(env=env, cwd=cwd)
        ready = self.greet(**hello)
        assert ready["op"] == "ready", (ready, self.said())
        return self

    def greet(self, **hello: Any) -> dict[str, Any]:
        self.spool.mkdir(exist_ok=True)
        usual = {"worker": 7, "leader": [1, 2, "boot"], "python_path": [], "spool": str(self.spool)}
        self.send({"op": "hello", **usual, **hello})
        return self.receive()

    @property
    def spool(self) -> Path:
        """Where the files of its calls lie."""
        return self.home / "spool"

    def send(self, message: dict[str, Any]) -> None:
        self.socket.send(json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        if not self._told:
            raw = self.socket.recv(1 << 20)
            assert raw, f"the worker closed its end: {self.said()}"
            told = json.loads(raw)
            self._told = told if isinstance(told, list) else [told]
        return self._told.pop(0)

    def at_end(self) -> bool:
        """Whether the worker's end is closed (waited for)."""
        try:
            return self.socket.recv(1 << 20) == b""
        except ConnectionError:
            return True

    def request(self, target: str, *args: Any, **more: Any) -> dict[str, Any]:
        """A call that can be sent: what is said of its job and of itself, and where its files will lie."""
        self._runs += 1
        fence = f"{self._runs}.1"
        job = {
            "target": target,
            "args": list(args),
            "kwargs": more.pop("kwargs", {}),
            "env": {"JOBRUN_MAX_ATTEMPTS": "3", "JOBRUN_JOB": "job", "JOBRUN_QUEUE": "default"},
            "soft": more.pop("soft", None),
            "cpu": more.pop("cpu", None),
            "memory": more.pop("memory", None),
            "open_files": more.pop("open_files", None),
            "split": more.pop("split", False),
        }
        own = more.pop("env", None), more.pop("data", None)
        assert not more, f"a call has no {more}"
        files = {name: str(self.spool / f"{fence}.{name}") for name in FILES}
        return {"fence": fence, "job": job, "entry": [fence, *own] if any(own) else fence, **files}

    def job_number(self, job: dict[str, Any]) -> int:
        """The number of a job, which the worker has been told when this returns."""
        text = json.dumps(job)
        if text not in self._jobs:
            self._jobs.append(text)
            self.send({"op": "job", "job": self._jobs.index(text), **job})
        return self._jobs.index(text)

    def give(self, *requests: dict[str, Any]) -> None:
        """Send calls: those of one job that follow one another in one sheaf."""
        for number, sheaf in itertools.groupby(requests, lambda request: self.job_number(request["job"])):
            self.send({"op": "calls", "job": number, "calls": [request["entry"] for request in sheaf]})

    def begin(self, target: str, *args: Any, **more: Any) -> "Call":
        """Send a call, and wait until the worker says it has begun."""
        call = self.request(target, *args, **more)
        self.give(call)
        begun = self.receive()
        assert begun["op"] == "begun", begun
        assert begun["fence"] == call["fence"]
        return Call(self, call, {}, begun["at"])

    def call(self, target: str, *args: Any, **more: Any) -> "Call":
        """Make a call and wait for its end."""
        return self.begin(target, *args, **more).end()

    def said(self) -> str:
        """What is in the worker's own log."""
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def state(self) -> str:
        """The letter by which the kernel names what the process does: S waits, T stands still."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    @contextmanager
    def held(self) -> Iterator[None]:
        """The worker waits for messages, and stands still while we do something."""
        until(lambda: self.state() == "S", "the worker to wait")
        self.signal(signal.SIGSTOP)
        until(lambda: self.state() == "T", "the worker to stand still")
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def retire(self) -> int:
        self.send({"op": "retire"})
        return self.wait()

    def sweep(self) -> None:
        """End the worker and whatever its calls left in its session."""
        self.socket.close()
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        else:
            self._theirs.close()


class Call:
    """One call and what came of it."""

    def __init__(
        self, rig: WorkerRig, request: dict[str, Any], ended: dict[str, Any], begun: int = 0
    ) -> None:
        self.rig, self.request, self.ended, self.begun = rig, request, ended, begun

    def end(self) -> "Call":
        self.ended = {**USUAL, **self.rig.receive()}
        assert self.ended["op"] == "ended", self.ended
        assert self.ended["fence"] == self.request["fence"]
        return self

    def signal(self, number: int) -> None:
        """As the daemon does: a TERM that means this call is announced by a file."""
        if number == signal.SIGTERM:
            Path(self.request["stop"]).touch()
        self.rig.signal(number)

    @property
    def code(self) -> int:
        return self.ended["exit"]

    @property
    def report(self) -> dict[str, Any]:
        return self.tail if self.ended["report"] is True else self.ended["report"]

    @property
    def result(self) -> Any:
        return self.report.get("result")

    @property
    def error(self) -> dict[str, Any]:
        return self.report["error"]

    @property
    def out(self) -> str:
        """The run's log: what is in its file, as far as the worker says it is the run's."""
        if not self.ended["out"]:
            return ""
        return Path(self.request["out"]).read_bytes()[: self.ended["out"]].decode()

    @property
    def err(self) -> str:
        return Path(self.request["err"]).read_text()

    @property
    def path(self) -> Path:
        return Path(self.request["status"])

    @property
    def tail(self) -> dict[str, Any]:
        """The JSON after the header of the status file."""
        return json.loads(self.path.read_bytes()[STATUS_SIZE:])

    @property
    def exit_code(self) -> int | None:
        """The exit code as the daemon reads it from the status file; None if there is no end in it."""
        exit = read_status(self.path)
        return None if exit is None else exit.exit_code


@contextmanager
def worker_in(home: Path, interpreter: str = sys.executable) -> Iterator[WorkerRig]:
    rig = WorkerRig(home, interpreter)
    try:
        yield rig
    finally:
        rig.sweep()


def until(condition: Any, what: str, patience: float = PATIENCE) -> Any:
    """The first true answer; fails with what it waited for."""
    deadline = time.monotonic() + patience
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain for {what}"
        time.sleep(0.005)


def is_quiet(sock: socket.socket) -> bool:
    """Whether nothing has come that was not read."""
    return not select.select([sock], [], [], 0)[0]
