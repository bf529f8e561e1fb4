"""What warm workers cost while they do nothing: the processor's time, and memory above a bare interpreter.

    python bench/workers.py [--seconds 10]

The workers are a pool's with `min = 2`. Memory is that of a worker which has
made no call yet, beside the same interpreter waiting for a line; PSS counts a
page that several processes share by its share. Then each makes calls, and is
watched doing nothing: nanoseconds on a processor, and how often it was woken.

Targets: no CPU at all; 15 MB above the interpreter.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from live import Daemon, daemon, until
from usage import load

_CODE = "def add(a, b):\n    return a + b\n"
_JOBS = """
[pools.default]
min = 2
max = 2
idle = "1h"
[jobs.add]
python = "tasks:add"
args = [1, 2]
overlap = "allow"
"""


class Memory(NamedTuple):
    """MB that a process has in memory: all of it, its share of it, what is its own alone."""

    rss: float
    pss: float
    own: float


class Activity(NamedTuple):
    """What a process did so far: nanoseconds on a processor, and how often it gave one up."""

    nanoseconds: int
    switches: int


def memory(pid: int) -> Memory:
    """The memory of a process now."""
    about = psutil.Process(pid).memory_full_info()
    return Memory(about.rss / 1e6, about.pss / 1e6, about.uss / 1e6)


def activity(pid: int) -> Activity:
    """What all threads of a process did so far."""
    nanoseconds = switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int(task.joinpath("schedstat").read_text().split()[0])
        for text in task.joinpath("status").read_text().splitlines():
            if text.startswith(("voluntary_ctxt", "nonvoluntary_ctxt")):
                switches += int(text.split()[1])
    return Activity(nanoseconds, switches)


@contextmanager
def bare_interpreter() -> Iterator[int]:
    """The pid of an interpreter that has started and does nothing."""
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.stdin.write(b"\n")
            process.stdin.close()


def idle_workers(running: Daemon) -> list[int]:
    """The workers that wait for a call."""
    found = running.client.call("workers")["workers"]
    return [worker["pid"] for worker in found if worker["state"] == "idle"]


def show_memory(workers: list[int]) -> None:
    with bare_interpreter() as bare:
        least = memory(bare)
    print(f"{'MB':<26} {'RSS':>7} {'PSS':>7} {'own':>7}")
    print(f"{'bare interpreter':<26} {least.rss:7.1f} {least.pss:7.1f} {least.own:7.1f}")
    for pid in workers:
        worker, leader = memory(pid), memory(psutil.Process(pid).ppid())
        above = [mine - theirs for mine, theirs in zip(worker, least, strict=True)]
        print(f"{'worker':<26} {worker.rss:7.1f} {worker.pss:7.1f} {worker.own:7.1f}")
        print(f"{'  above the interpreter':<26} {above[0]:7.1f} {above[1]:7.1f} {above[2]:7.1f}   target 15")
        print(f"{'  the sh in front of it':<26} {leader.rss:7.1f} {leader.pss:7.1f} {leader.own:7.1f}")


def show_activity(running: Daemon, workers: list[int], seconds: float) -> None:
    names = {running.pid: "daemon"}
    for pid in workers:
        names |= {pid: "worker", psutil.Process(pid).ppid(): "the sh in front of it"}
    before = {pid: activity(pid) for pid in names}
    time.sleep(seconds)
    print(f"\n{f'in {seconds:g} s':<26} {'ms of CPU':>10} {'woken':>7}")
    for pid, name in names.items():
        after = activity(pid)
        used, switches = after.nanoseconds - before[pid].nanoseconds, after.switches - before[pid].switches
        print(f"{name:<26} {used / 1e6:10.3f} {switches:7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    print(f"load average {load()}\n")
    with tempfile.TemporaryDirectory() as scratch, daemon(Path(scratch, "it"), _JOBS, _CODE) as running:
        until(lambda: len(idle_workers(running)) == 2, "two workers to be ready")
        show_memory(idle_workers(running))
        running.wait(running.run("add", 1000))
        until(lambda: len(idle_workers(running)) == 2, "the workers to be idle again")
        show_activity(running, idle_workers(running), seconds)


if __name__ == "__main__":
    main()
