"""What a commit of the ledger costs: batches of 1, 10, 100 and 500 runs.

    python bench/commit_facts.py [DIRECTORY] [--runs 5000]

Takes runs through their whole life, in two ways. A *process* is created and
admitted in one batch, started in the next and ended in a third, by a schedule.
A *call* is created and admitted in one batch, and begun and ended with its
report in the next. DIRECTORY should lie on the disk in question; beside it
stands what one write and fdatasync costs there. The processor's time counts
our own threads only, so it is the figure to compare on a host that is busy.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Fact,
    Reported,
    RunCreated,
    RunMoved,
    ScheduleSeen,
    SlotsDecided,
)
from jobrun.domain.records import DefinitionSeen
from jobrun.domain.report import Report
from jobrun.domain.run import (
    AttemptEnd,
    Done,
    Outcome,
    ProcessIdentity,
    Queued,
    Run,
    Running,
    Slot,
    Starting,
    Trigger,
)
from jobrun.store.writer import Ledger

AT = 1_700_000_000_000_000
BOOT = "0d7f5b7c-9f0c-4a53-9d3b-2f4a4a1f6c11"


def life(number: int) -> Iterator[list[Fact]]:
    """The facts of a run's whole life, one list for each transition of the engine."""
    created = AT + number * 1_000_000
    slot = Slot("every 1s", created)
    queued = Run(
        id=number,
        job="bench",
        queue="default",
        definition_id=1,
        trigger=Trigger.SCHEDULE,
        status=Queued(created),
        created_at=created,
        slot=slot,
    )
    starting = replace(queued, status=Starting(created), attempt=1, charged=1)
    process = ProcessIdentity(4000 + number, 123456 + number, BOOT)
    running = replace(starting, status=Running(process, created + 900))
    done = replace(running, status=Done(Outcome.SUCCEEDED, None, created + 5000, "", 0))
    end = AttemptEnd(
        ended_at=created + 5000,
        outcome=Outcome.SUCCEEDED,
        cause=None,
        exit_code=0,
        user_time=900,
        system_time=1100,
        max_rss=3_600_000,
    )
    yield [
        RunCreated(queued),
        SlotsDecided("bench", "every 1s", created),
        RunMoved(queued, starting),
        AttemptOpened(starting.fence, created),
    ]
    yield [RunMoved(starting, running), AttemptStarted(running.fence, process, created + 900)]
    yield [RunMoved(running, done), AttemptClosed(done.fence, end)]


def call(number: int) -> Iterator[list[Fact]]:
    """The facts of a short submitted call: its begin is told with its end."""
    (created, _, admitted, opened), (_, started), (ended, closed) = life(number)
    assert isinstance(created, RunCreated)
    assert isinstance(admitted, RunMoved)
    assert isinstance(started, AttemptStarted)
    assert isinstance(ended, RunMoved)
    assert isinstance(closed, AttemptClosed)
    submitted = replace(created.run, slot=None, trigger=Trigger.SUBMIT)
    yield [RunCreated(submitted), admitted, opened]
    went = RunMoved(admitted.after, ended.after, started.at)
    yield [went, started, closed, Reported(closed.fence, Report(result="3"))]


def batches(make: Callable[[int], Iterator[list[Fact]]], runs: int, size: int) -> Iterator[list[Fact]]:
    """The lives of all runs, `size` side by side, one batch for each of their steps."""
    for first in range(1, runs + 1, size):
        lives = [list(make(number)) for number in range(first, first + size)]
        for step in range(len(lives[0])):
            yield [fact for steps in lives for fact in steps[step]]


def measure(path: Path, work: list[list[Fact]], runs: int) -> str:
    """Runs per second, the processor's time for each, the median commit, and the space of a run."""
    ledger = Ledger(path)
    ledger.commit(
        [DefinitionSeen(1, "bench", "0" * 12, "{}", AT), ScheduleSeen("bench", "every 1s", AT, AT, None)]
    )
    times = []
    used, began = time.process_time(), time.perf_counter()
    for batch in work:
        start = time.perf_counter()
        ledger.commit(batch)
        times.append(time.perf_counter() - start)
    spent, used = time.perf_counter() - began, time.process_time() - used
    ledger.close()
    return (
        f"{runs / spent:8.0f} runs/s, {used / runs * 1e6:6.1f} us of processor each, "
        f"{statistics.median(times) * 1000:6.2f} ms a commit, {path.stat().st_size / runs:.0f} bytes each"
    )


def sync_cost(directory: Path) -> float:
    """Milliseconds of one 4 KiB append and fdatasync."""
    path = directory / "sync"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        os.write(handle, bytes(4096))
        os.fdatasync(handle)
        times.append(time.perf_counter() - start)
    os.close(handle)
    path.unlink()
    return statistics.median(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure commits of the ledger.")
    parser.add_argument("directory", type=Path, nargs="?", default=Path(tempfile.gettempdir()))
    parser.add_argument("--runs", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        print(f"one append and fdatasync: {sync_cost(Path(scratch)):.2f} ms")
        for name, make in (("process", life), ("call", call)):
            for size in (1, 10, 100, 500):
                runs = max(options.runs // (10 if size == 1 else 1) // size, 1) * size
                work = list(batches(make, runs, size))
                print(f"{name:7} x {size:3}: {measure(Path(scratch, f'{name}-{size}.db'), work, runs)}")


if __name__ == "__main__":
    main()
