"""Fill a store with a long history, and show what reading it costs.

    python bench/fill_store.py DIRECTORY [--runs 1000000] [--jobs 200]

makes DIRECTORY/jobrun.db as months of daily life would have left it (most runs
succeed, some fail, are skipped or retried), then prints its size and the time
of each question a command asks, beside the same question on an empty store.
"""

import argparse
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jobrun.domain.instants import DAY, MINUTE, SECOND
from jobrun.domain.job import Retention
from jobrun.domain.ledger import Fact, JobListed, QueueListed, ScheduleSeen
from jobrun.domain.records import DefinitionSeen, HostEvent
from jobrun.domain.run import AttemptEnd, Cause, Done, Outcome, Queued, Run, Slot, Trigger
from jobrun.store.reader import History
from jobrun.store.rows import END_COLUMNS, RUN_COLUMNS, RUN_WIDTH, end_values, run_values
from jobrun.store.views import RunFilter
from jobrun.store.writer import Ledger

START = 1_700_000_000 * SECOND
STEP = 5 * SECOND
BATCH = 20_000
LIVE = 50

ENDS = (
    (0.90, Outcome.SUCCEEDED, None, "", 0),
    (0.95, Outcome.FAILED, Cause.EXIT_CODE, "exit code 1", 1),
    (0.97, Outcome.TIMED_OUT, Cause.TIMEOUT, "killed after its timeout of 5m", None),
    (1.00, Outcome.SKIPPED, Cause.OVERLAP, "run 17 of this job is unfinished (running)", None),
)


def job_name(number: int) -> str:
    return f"job-{number:04d}"


def plan(jobs: int) -> Iterator[Fact]:
    """The jobs, queues and schedules that the history is about."""
    for queue in ("default", "gpu", "mail"):
        yield QueueListed(queue, 4)
    for number in range(1, jobs + 1):
        name = job_name(number)
        kind = "after" if number % 10 == 0 else "cron"
        body = (
            f'{{"body":{{"kind":"shell","text":"true"}},"name":"{name}","schedules":[{{"kind":"{kind}"}}]}}'
        )
        yield DefinitionSeen(number, name, f"{number:012x}", body, START)
        yield JobListed(name, number, f"jobs.toml:{number}", enabled=True)
        yield ScheduleSeen(name, "*/5 * * * *", START, START, START + DAY)
    yield HostEvent(START, "started", {"pid": 1})


def make_run(number: int, jobs: int, draw: random.Random) -> Run:
    """One run of the history; its end is among ENDS."""
    created = START + number * STEP
    job = 1 + draw.randrange(jobs)
    share = draw.random()
    outcome, cause, detail, code = next(end[1:] for end in ENDS if share < end[0])
    ended = created + (0 if outcome is Outcome.SKIPPED else draw.randrange(90 * SECOND))
    return Run(
        id=number,
        job=job_name(job),
        queue="gpu" if job == 7 else "mail" if job % 5 == 0 else "default",
        definition_id=job,
        trigger=Trigger.SCHEDULE,
        status=Done(outcome, cause, ended, detail, code),
        created_at=created,
        slot=Slot("*/5 * * * *", created),
        attempt=0 if outcome is Outcome.SKIPPED else 1,
        charged=0 if outcome is Outcome.SKIPPED else 1,
    )


def fill(path: Path, runs: int, jobs: int = 200, seed: int = 1) -> None:
    """Make the store. Written past the ledger and without syncing: only the result matters here."""
    ledger = Ledger(path)
    ledger.commit(list(plan(jobs)))
    ledger.close()
    draw = random.Random(seed)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    insert = f"INSERT INTO runs ({RUN_COLUMNS}) VALUES ({', '.join('?' * RUN_WIDTH)})"
    attempt = (
        f"INSERT INTO attempts (run_id, number, opened_at, pid, started_at, {END_COLUMNS}) "
        f"VALUES ({', '.join('?' * 16)})"
    )
    for first in range(1, runs + 1, BATCH):
        batch = [make_run(number, jobs, draw) for number in range(first, min(first + BATCH, runs + 1))]
        connection.execute("BEGIN")
        connection.executemany(insert, map(run_values, batch))
        connection.executemany(attempt, [attempt_row(run) for run in batch if run.attempt])
        connection.execute(
            "UPDATE runs SET started_at = created_at + 4000 WHERE id >= ? AND attempt > 0", (first,)
        )
        connection.execute("COMMIT")
    live = [
        Run(
            id=runs + number,
            job=job_name(1 + number % jobs),
            queue="default",
            definition_id=1 + number % jobs,
            trigger=Trigger.MANUAL,
            status=Queued(START + runs * STEP),
            created_at=START + runs * STEP,
        )
        for number in range(1, LIVE + 1)
    ]
    connection.executemany(insert, map(run_values, live))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def attempt_row(run: Run) -> tuple[object, ...]:
    assert isinstance(run.status, Done)
    end = AttemptEnd(
        ended_at=run.status.ended_at,
        outcome=run.status.outcome,
        cause=run.status.cause,
        detail=run.status.detail,
        exit_code=run.status.exit_code,
        user_time=1200,
        system_time=2100,
        max_rss=3_600_000,
    )
    opened = run.created_at
    return (run.id, 1, opened, 4242, opened + 4000, *end_values(end))


def questions(runs: int) -> dict[str, Callable[[History], object]]:
    """What the commands ask, by name."""
    end = START + runs * STEP
    failed = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
    return {
        "jobs()": lambda history: history.jobs(),
        "queues()": lambda history: history.queues(),
        "live_runs()": lambda history: history.live_runs(),
        "last_run(job)": lambda history: history.last_run("job-0007"),
        "run(id) + attempts": lambda history: (history.run(runs // 2), history.attempts(runs // 2)),
        "runs()": lambda history: history.runs(),
        "runs(job)": lambda history: history.runs(RunFilter(job="job-0007")),
        "runs(job), no such job": lambda history: history.runs(RunFilter(job="nobody")),
        "runs(job, failed)": lambda history: history.runs(RunFilter(job="job-0007", outcomes=failed)),
        "runs(failed)": lambda history: history.runs(RunFilter(outcomes=failed)),
        "runs(lost)": lambda history: history.runs(RunFilter(outcomes=(Outcome.LOST,))),
        "runs(cause)": lambda history: history.runs(RunFilter(cause="timeout")),
        "runs(cause, none such)": lambda history: history.runs(RunFilter(cause="host_crash")),
        "runs(queue)": lambda history: history.runs(RunFilter(queue="gpu")),
        "runs(queue, succeeded)": lambda history: history.runs(
            RunFilter(queue="gpu", outcomes=(Outcome.SUCCEEDED,))
        ),
        "runs(queue, failed)": lambda history: history.runs(RunFilter(queue="gpu", outcomes=failed)),
        "runs(state queued)": lambda history: history.runs(RunFilter(state="queued")),
        "runs(since, until) long ago": lambda history: history.runs(
            RunFilter(since=START, until=START + 10 * MINUTE)
        ),
        "runs(lost, since)": lambda history: history.runs(
            RunFilter(outcomes=(Outcome.LOST,), since=end - 7 * DAY)
        ),
        "runs(job, until)": lambda history: history.runs(RunFilter(job="job-0007", until=START + DAY)),
        "runs(), page far back": lambda history: history.runs(before=1000),
        "slot(job, at)": lambda history: history.slot("job-0007", "*/5 * * * *", START + runs * STEP // 2),
        "versions(job)": lambda history: history.versions("job-0007"),
    }


def milliseconds(ask: Callable[[], object], rounds: int = 7) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Fill a store and show what reading it costs.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=200)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    full, empty = options.directory / "jobrun.db", options.directory / "empty.db"
    if not full.exists():
        fill(full, options.runs, options.jobs)
    if not empty.exists():
        fill(empty, 0, options.jobs)
    size = full.stat().st_size
    print(f"{options.runs} runs: {size / 1e6:.0f} MB, {size / options.runs:.0f} bytes per run")
    with History(full) as history, History(empty) as nothing:
        for name, ask in questions(options.runs).items():
            with_runs = milliseconds(lambda ask=ask: ask(history))
            without = milliseconds(lambda ask=ask: ask(nothing))
            print(f"{name:30} {with_runs:8.2f} ms   empty: {without:8.2f} ms")
    ledger = Ledger(full)
    print(f"{'open for writing':30} {milliseconds(lambda: Ledger(full).close(), 3):8.2f} ms")
    print(f"{'load()':30} {milliseconds(ledger.load):8.2f} ms")
    now = START + options.runs * STEP
    began = time.perf_counter()
    pruned = ledger.prune(now, {job_name(1): Retention(keep_succeeded=10)}, 500)
    print(f"{'prune(500)':30} {(time.perf_counter() - began) * 1000:8.2f} ms   {pruned.runs} runs")
    ledger.close()


if __name__ == "__main__":
    main()
