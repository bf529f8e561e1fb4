"""From a slot, and from a request, to the first line of a job: warm call, fresh call, shell job.

    python bench/latency.py [--slots 60]

On an idle daemon. Each of the three is due every third second, one after the
other, so that none meets another; the time of its first line is compared with
$JOBRUN_SCHEDULED_AT. Then as many runs of each are asked for, one after the
other, and the first line is compared with the moment before the request. The
shell is bash, which knows the time without starting a program.

Target: 3 ms from slot to entry for the warm call, p50.
"""

import argparse
import json
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

from commit_facts import sync_cost
from live import Daemon, daemon, until
from usage import load

from jobrun.store.reader import History
from jobrun.store.views import RunFilter

KINDS = ("warm", "fresh", "shell")
_CODE = """
import os, time

def note():
    return [time.time(), os.environ.get("JOBRUN_SCHEDULED_AT")]
"""
_BODIES = {
    "warm": 'python = "tasks:note"',
    "fresh": 'python = "tasks:note"\nisolation = "fresh"',
    "shell": """shell = "/bin/bash"
command = 'now=$EPOCHREALTIME; echo "[$now, \\"$JOBRUN_SCHEDULED_AT\\"]" >"$JOBRUN_RESULT"'""",
}


def jobs(*, are_due: bool) -> str:
    """The job file: the three jobs, with their schedules or without."""
    parts = []
    for number, kind in enumerate(KINDS):
        schedule = f'cron = "{number}-59/3 * * * * *"\n' if are_due else ""
        parts.append(f"[jobs.{kind}]\n{schedule}{_BODIES[kind]}\nkeep_succeeded = 100000\n")
    return "\n".join(parts)


def by_slot(directory: Path, slots: int) -> dict[str, list[float]]:
    """Milliseconds from slot to entry, by kind. The first two slots warm up."""
    with daemon(directory, jobs(are_due=True), _CODE) as running, History(running.places.database) as history:
        wanted = {kind: RunFilter(job=kind, state="done") for kind in KINDS}

        def are_done() -> bool:
            return all(len(history.runs(each, limit=slots + 2)) == slots + 2 for each in wanted.values())

        until(are_done, "the slots", within=3 * slots + 60, step=0.5)
        return {
            kind: [from_slot(history, row.run.id) for row in history.runs(each, limit=slots + 2)[:slots]]
            for kind, each in wanted.items()
        }


def from_slot(history: History, run_id: int) -> float:
    """Milliseconds from slot to entry of one run."""
    entered, scheduled_at = read(history, run_id)
    return (entered - datetime.fromisoformat(scheduled_at).timestamp()) * 1000


def by_request(directory: Path, requests: int) -> dict[str, list[float]]:
    """Milliseconds from request to entry, by kind."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with (
        daemon(directory, jobs(are_due=False), _CODE) as running,
        History(running.places.database) as history,
    ):
        for number in range(requests + 2):
            for kind in KINDS:
                took = from_request(running, history, kind)
                if number >= 2:
                    found[kind].append(took)
    return found


def from_request(running: Daemon, history: History, kind: str) -> float:
    """Milliseconds from request to entry of one run."""
    asked = time.time()
    run_id = running.client.call("run", job=kind)["run"]
    running.wait([run_id])
    return (read(history, run_id)[0] - asked) * 1000


def read(history: History, run_id: int) -> tuple[float, str]:
    """When the run's first line was reached, and its slot, as the job saw them."""
    text = history.result(run_id)
    assert text is not None, f"run {run_id} has no result"
    entered, scheduled_at = json.loads(text)
    return entered, scheduled_at


def line(kind: str, *columns: list[float]) -> str:
    """p50, p99 and the worst of each column."""
    numbers = []
    for times in columns:
        p99 = statistics.quantiles(times, n=100, method="inclusive")[98]
        numbers.append(f"{statistics.median(times):8.2f} {p99:8.2f} {max(times):8.2f}")
    return f"{kind:<6}" + "   ".join(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, default=60)
    slots = parser.parse_args().slots
    print(f"load average {load()}")
    with tempfile.TemporaryDirectory() as scratch:
        print(f"one append and fdatasync: {sync_cost(Path(scratch)):.2f} ms; before each entry there is one")
        due = by_slot(Path(scratch, "due"), slots)
        asked = by_request(Path(scratch, "asked"), slots)
    print(f"load average {load()}\n")
    print(f"{'ms':<6}{'slot to entry':^26}   {'request to entry':^26}")
    print(" " * 6 + "   ".join([f"{'p50':>8} {'p99':>8} {'worst':>8}"] * 2))
    for kind in KINDS:
        print(line(kind, due[kind], asked[kind]))


if __name__ == "__main__":
    main()
