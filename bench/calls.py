"""20,000 calls of `add(1, 2)`, from the asking to the last result: jobrun beside others, in one run.

    pip install -e '.[bench]'; apt install redis-server
    python bench/calls.py [--calls 20000] [--rounds 3] [--only jobrun,executor] [--recycle 1000] [--flush 1]

*jobrun* is a real daemon with two warm workers: the runs are asked for over the
control socket, and all of them are `done` in the database at the end, each
begin and end durable (synchronous=FULL). *executor* is a bare
`ProcessPoolExecutor(2)`, *huey* has SQLite and two worker processes, *celery*
Redis and two preforked ones. Asking and waiting for all of the results count
for everybody. Each round has everybody once, started afresh; a ratio is one of
the same round. Celery makes a fifth of the calls and huey a tenth, for their
speed does not depend on the number. Who is not installed is left out. `--flush`
has every flush to the disk take so many milliseconds longer, see `slow_disk`.

Targets: 0.5 times the executor, 7 times huey, 10 times Celery.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from commit_facts import sync_cost
from live import Daemon, daemon, until
from peers import PEERS, Peer
from slow_disk import slow_down
from usage import Spent, Stopwatch, load

TARGETS = {"executor": 0.5, "huey": 7.0, "celery": 10.0}
_CODE = "def add(a, b):\n    return a + b\n"
# The defaults of a job, but for what makes the calls the same as the others': two workers that are not
# replaced after so many calls (--recycle N has them replaced), a call beside another of its job, and a
# history that keeps them until they are counted.
_JOBS = """
[pools.default]
max = 2
max_runs_per_worker = {recycle}
[jobs.add]
python = "tasks:add"
args = [1, 2]
overlap = "allow"
keep_succeeded = 1000000
"""
_AT_ONCE = 20_000
_NEVER = 1_000_000
_WARM_UP = 50
_LEFT = "SELECT count(*) FROM runs WHERE state <> 'done'"
# An attempt that a worker was to begin and did not is given back; one that began is the only one.
_GOOD = """
SELECT count(*) FROM runs WHERE outcome = 'succeeded'
AND (SELECT count(*) FROM attempts WHERE run_id = id AND started_at IS NOT NULL) = 1
AND (SELECT result FROM reports WHERE run_id = id AND reports.attempt = runs.attempt) = '3'
"""


def jobrun(directory: Path, calls: int, recycle: int = _NEVER) -> Spent:
    """The whole path: socket, ledger, worker, history."""
    with daemon(directory, _JOBS.format(recycle=recycle), _CODE) as running:
        running.wait(running.run("add", _WARM_UP))
        with sqlite3.connect(f"file:{running.places.database}?mode=ro", uri=True) as database:
            with Stopwatch() as watch:
                _make_all(running, calls)
                until(lambda: database.execute(_LEFT).fetchone() == (0,), "the runs to be done", within=600)
            _check(database, calls + _WARM_UP)
        database.close()
    return watch.spent


def _make_all(running: Daemon, calls: int) -> None:
    runs: list[int] = []
    while len(runs) < calls:
        runs += running.run("add", min(_AT_ONCE, calls - len(runs)))
    running.wait(runs[-1:])


def _check(database: sqlite3.Connection, calls: int) -> None:
    """End the program unless every run has succeeded, was begun once, and has the right result."""
    (good,) = database.execute(_GOOD).fetchone()
    if good != calls:
        found = database.execute("SELECT outcome, detail, count(*) FROM runs GROUP BY 1, 2").fetchall()
        sys.exit(f"{good} of {calls} runs are as they should be: {found}")


ALL = (Peer("jobrun", jobrun, lambda: ""), *PEERS)


def measure(who: list[Peer], calls: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Calls per second, and microseconds of processor for each, by name: one pair a round."""
    found: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in who}
    for number in range(1, rounds + 1):
        for peer in who:
            count = max(1, round(calls * peer.share))
            with tempfile.TemporaryDirectory() as scratch:
                spent = peer.make_calls(Path(scratch), count)
            found[peer.name].append((count / spent.wall, spent.cpu / count * 1e6))
            speed, used = found[peer.name][-1]
            print(
                f"round {number}  {peer.name:<9} {speed:8.0f} calls/s {used:8.0f} us of processor each",
                flush=True,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(peer.name for peer in ALL), help="names, with commas")
    parser.add_argument(
        "--recycle", type=int, default=_NEVER, help="jobrun's workers end after so many calls"
    )
    parser.add_argument("--flush", type=float, default=0.0, help="milliseconds that each flush takes longer")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - {peer.name for peer in ALL}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    slow_down(options.flush)
    ours_alone = Peer("jobrun", partial(jobrun, recycle=options.recycle), lambda: "")
    who = [peer for peer in (ours_alone, *PEERS) if peer.name in wanted]
    for peer in who:
        if lack := peer.missing():
            print(f"{peer.name} is left out; {lack}")
    with tempfile.TemporaryDirectory() as scratch:
        print(f"one append and fdatasync: {sync_cost(Path(scratch)):.2f} ms; load average {load()}")
    found = measure([peer for peer in who if not peer.missing()], options.calls, options.rounds)
    print(f"load average {load()}\n\n{'calls per second':<17} {'least':>8} {'median':>8} {'most':>8}")
    for name, pairs in found.items():
        speeds = [speed for speed, _ in pairs]
        print(f"{name:<17} {min(speeds):8.0f} {statistics.median(speeds):8.0f} {max(speeds):8.0f}")
    ours = found.pop("jobrun", [])
    for name, pairs in found.items() if ours else ():
        ratios = [mine / theirs for (mine, _), (theirs, _) in zip(ours, pairs, strict=True)]
        print(
            f"jobrun / {name:<8} {min(ratios):8.2f} {statistics.median(ratios):8.2f} {max(ratios):8.2f}"
            f"   target {TARGETS[name]:g}"
        )


if __name__ == "__main__":
    main()
