"""A real daemon with Python jobs in warm workers, for the tests of pools."""

import os
import signal
from pathlib import Path

from live import LiveDaemon, is_running, until

from jobrun.domain.run import Run

# The functions that the tests' jobs call. What they print is the run's own log.
MODULE = '''
import builtins, os, signal, subprocess, sys, threading, time

def add(a, b):
    return a + b

def mark(path):
    """One line a call, written by one call of the kernel's."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{os.environ['JOBRUN_RUN_ID']}\\n".encode())
    os.close(fd)

def mixed(path, flag, gate):
    """Quick, but for the one call that finds the flag: that waits for the gate."""
    mark(path)
    try:
        os.unlink(flag)
    except FileNotFoundError:
        return
    hold(gate)

def whoami():
    print(os.getpid(), flush=True)
    return os.getpid()

def hold(gate, word="free"):
    print(os.getpid(), flush=True)
    while not os.path.exists(gate):
        time.sleep(0.01)
    return word

def stubborn(gate):
    """Swallows every exception until the gate opens."""
    print(os.getpid(), flush=True)
    while not os.path.exists(gate):
        try:
            time.sleep(0.01)
        except BaseException as error:
            print("ignored", type(error).__name__, flush=True)

def family(gate):
    """A child, and a grandchild in a session of its own; then waits."""
    child = subprocess.Popen(["sleep", "300"])
    away = subprocess.Popen(["setsid", "sleep", "300"])
    print(child.pid, away.pid, flush=True)
    hold(gate)

def nap(seconds):
    time.sleep(seconds)

def litter():
    print(subprocess.Popen(["setsid", "sleep", "300"]).pid, flush=True)

def kill_self(number=9):
    print("going", flush=True)
    os.kill(os.getpid(), number)

def leave(code):
    os._exit(code)

def quit(code):
    sys.exit(code)

def fail(kind="ValueError", text="no good"):
    raise getattr(builtins, kind)(text)

def eat(megabytes, gate):
    block = bytearray(megabytes << 20)
    for position in range(0, len(block), 4096):
        block[position] = 1
    hold(gate)

def soft(gate):
    from jobrun.task import SoftTimeout
    try:
        hold(gate)
    except SoftTimeout:
        print("told", flush=True)
        return "half"
'''


class WorkerDaemon:
    """The daemon of a test, and the folder with the code of its jobs."""

    def __init__(self, live: LiveDaemon) -> None:
        self.live = live
        self.code = live.directory / "code"
        self.code.mkdir()
        (self.code / "tasks.py").write_text(MODULE)
        self.gate = live.directory / "gate"

    def start(self, *words: str) -> "WorkerDaemon":
        self.live.start("--log-level", "debug", *words)
        return self

    def run(self, job: str, **more: object) -> Run:
        """Ask for a run, and wait for its end."""
        return self.live.done(self.live.run(job, **more))

    def printed(self, run_id: int, attempt: int = 1) -> str:
        """What an attempt printed, finished or not."""
        for output in self.live.history.outputs(run_id):
            if output.fence.attempt == attempt and output.body is not None:
                return output.body.decode()
        path = self.live.places.attempts / f"{run_id}.{attempt}.out"
        return path.read_text() if path.exists() else ""

    def pid_in(self, run_id: int, attempt: int = 1) -> int:
        """The pid that a running attempt printed first."""
        text = until(
            lambda: "\n" in self.printed(run_id, attempt) and self.printed(run_id, attempt),
            f"run {run_id} to print",
        )
        return int(text.split()[0])

    def workers(self) -> list[dict[str, object]]:
        return self.live.client.call("workers")["workers"]

    def result(self, run_id: int) -> str | None:
        return self.live.history.result(run_id)

    def gone(self, *pids: int) -> None:
        until(lambda: not any(map(is_running, pids)), f"{pids} to be gone")


def worker_daemon(make, job_file: str, **more) -> WorkerDaemon:
    """A daemon, not yet started. `{code}` and `{gate}` in the job file are filled in."""
    live = make("", **more)
    daemon = WorkerDaemon(live)
    text = job_file.replace("{code}", str(daemon.code)).replace("{gate}", str(daemon.gate))
    # What comes before the first table of the text belongs to the defaults.
    live.config.write_text(f'[defaults]\npython_path = ["{daemon.code}"]\n{text}')
    return daemon


def stop_process(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
