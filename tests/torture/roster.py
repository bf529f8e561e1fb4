"""The jobs of a torture: every kind of schedule, overlap rule, ending and queue, dozens of them, in a hurry.

The slots that are due are computed here, from the wall clock and the text of
the schedule alone, by counting seconds: not by the calendar under test.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

SECOND = 1_000_000


@dataclass(frozen=True)
class TortureJob:
    """One job. `kind` is every, cron, at, reboot, after or manual; times are in seconds; a warm one is a
    call in a worker.

    `codes` are the exit codes by attempt, `limit_one` says that two runs of it
    must never be at work at once, `fixed_output` that what it prints is known.
    """

    name: str
    kind: str
    period: int = 1
    offset: int = 0
    moment: int = 0
    nap: str = "0.1"
    codes: str = "0"
    attempts: int = 1
    overlap: str = "skip"
    queue: str = "default"
    stubborn: bool = False
    lock: str = "-"
    warm: bool = False
    more: dict[str, object] = field(default_factory=dict)

    @property
    def limit_one(self) -> bool:
        return self.overlap != "allow"

    def table(self, script: Path, *, scheduled: bool) -> str:
        words = [self.lock, self.nap, self.codes, *(["stubborn"] if self.stubborn else [])]
        body: dict[str, object] = {"command": ["/bin/sh", str(script), *words]}
        if self.warm:
            body = {"python": "warm_job:work", "args": words, "python_path": [str(script.parent)]}
        values: dict[str, object] = {
            **body,
            "overlap": self.overlap,
            "queue": self.queue,
            **self.more,
        }
        if self.attempts > 1:
            values |= {"attempts": self.attempts, "delay": "400ms", "backoff": "fixed"}
        if scheduled and self.kind != "manual":
            values |= self.schedule()
        lines = [f"{key} = {value if key == 'at' else json.dumps(value)}" for key, value in values.items()]
        return "\n".join([f"[jobs.{self.name}]", *lines, ""])

    def schedule(self) -> dict[str, object]:
        match self.kind:
            case "every":
                return {"every": f"{self.period}s"}
            case "after":
                return {"after": f"{self.period}s"}
            case "cron":
                return {"cron": f"{self.offset}-59/{self.period} * * * * *"}
            case "at":
                return {"at": datetime.fromtimestamp(self.moment, UTC).isoformat()}
            case _:
                return {"cron": "@reboot"}

    def due(self, anchor: int, until: int) -> Iterator[int] | None:
        """The slots after `anchor` up to `until`, in microseconds; None if they hang on what happened."""
        first = anchor // SECOND + 1
        match self.kind:
            case "every":
                step = self.period * SECOND
                return iter(range(anchor + step, until + 1, step))
            case "cron":
                seconds = range(first, until // SECOND + 1)
                matching = (s for s in seconds if s % 60 % self.period == self.offset % self.period)
                return (s * SECOND for s in matching if s % 60 >= self.offset)
            case "at":
                # One that had passed when a daemon first read of it is not due.
                return iter([self.moment * SECOND] if anchor < self.moment * SECOND <= until else [])
            case _:
                return None


QUEUES = {"default": 16, "narrow": 2, "single": 1}


def roster(seed: str, now: int, span: int) -> list[TortureJob]:
    """The jobs of a seed; one-offs fall into the `span` seconds after `now`."""
    draw = random.Random(f"roster {seed}")
    jobs: list[TortureJob] = []

    def add(name: str, kind: str, **more) -> None:
        job = TortureJob(name, kind, **more)
        jobs.append(job if not job.limit_one else TortureJob(name, kind, **{**more, "lock": name}))

    def nap(low: float, high: float) -> str:
        return f"{draw.uniform(low, high):.2f}"

    for number in range(6):
        add(f"tick-{number}", "every", period=1 + number % 3, nap=nap(0, 0.4))
    for number in range(6):
        period = draw.choice([2, 3, 4, 5])
        add(f"cron-{number}", "cron", period=period, offset=draw.randrange(period), nap=nap(0, 0.6))
    add("skips", "every", period=1, nap="2.4")
    add("one-waits", "every", period=1, nap="1.7", overlap="queue_one")
    add("all-wait", "every", period=3, nap="1.6", overlap="queue_all")
    add("replaces", "every", period=2, nap="2.9", overlap="replace")
    add(
        "replaces-stubborn",
        "every",
        period=4,
        nap="30",
        overlap="replace",
        stubborn=True,
        more={"grace": "500ms"},
    )
    add("beside", "every", period=1, nap="1.8", overlap="allow")
    for number in range(3):
        tries = draw.randint(2, 4)
        add(
            f"retries-{number}",
            "every",
            period=3,
            nap="0.1",
            attempts=tries,
            codes=",".join(["9"] * (tries - 1) + ["0"]),
        )
    add("fails", "every", period=3, codes="7")
    add("fails-for-good", "every", period=4, attempts=3, codes="75,s9,12")
    add("signalled", "every", period=4, codes="s9")
    add("times-out", "every", period=4, nap="60", more={"timeout": "900ms"})
    add(
        "times-out-hard",
        "every",
        period=5,
        nap="60",
        stubborn=True,
        more={"timeout": "700ms", "grace": "400ms"},
    )
    add("times-out-retried", "every", period=6, nap="60", attempts=2, more={"timeout": "500ms"})
    add("chain", "after", period=1, nap=nap(0.1, 0.4))
    add("chain-retried", "after", period=1, attempts=2, codes="3,0")
    add("boot", "reboot", nap="0.2")
    for number in range(4):
        add(f"narrow-{number}", "every", period=2, nap=nap(0.3, 0.9), queue="narrow", overlap="queue_one")
    for number in range(3):
        # One lock for all of them: the queue itself has one place.
        jobs.append(
            TortureJob(
                f"single-{number}",
                "every",
                period=3,
                nap=nap(0.1, 0.5),
                queue="single",
                lock="single",
                overlap="queue_one",
            )
        )
    for number in range(8):
        moment = now + 4 + draw.randrange(max(span - 6, 1))
        add(f"once-{number}", "at", moment=moment, nap=nap(0, 0.5))
    for number in range(4):
        add(f"warm-{number}", "every", period=1 + number % 2, nap=nap(0, 0.3), warm=True)
    add("warm-beside", "every", period=1, nap="1.8", overlap="allow", warm=True)
    add("warm-retries", "every", period=3, attempts=3, codes="9,8,0", warm=True)
    add("warm-crashes", "every", period=4, codes="s9", warm=True)
    add("warm-times-out", "every", period=4, nap="60", warm=True, more={"timeout": "900ms"})
    add(
        "warm-stubborn",
        "every",
        period=5,
        nap="60",
        stubborn=True,
        warm=True,
        more={"timeout": "700ms", "grace": "400ms"},
    )
    add("warm-replaces", "every", period=2, nap="2.9", overlap="replace", warm=True)
    add("warm-by-hand", "manual", nap="0.05", overlap="allow", warm=True)
    add("by-hand", "manual", nap="0.2", overlap="allow")
    add("by-hand-retried", "manual", attempts=3, codes="5,5,0", overlap="allow")
    add("by-hand-alone", "manual", nap="0.8", overlap="queue_all")
    add("by-hand-long", "manual", nap="8", overlap="allow")
    add("spread", "every", period=3, nap="0", overlap="queue_all", more={"spread": "2s"})
    return jobs


def job_file(jobs: list[TortureJob], script: Path, *, scheduled: bool = True) -> str:
    """The job file. Nothing is ever pruned, so that every row can be compared."""
    head = [
        "[jobrun]",
        'timezone = "UTC"',
        'shutdown_timeout = "1s"',
        "[defaults]",
        "keep_succeeded = 1000000",
        "keep_failed = 1000000",
        "",
    ]
    pools = ["[pools.default]", "max = 4", 'idle = "2s"', "max_runs_per_worker = 20", ""]
    queues = [f"[queues.{name}]\nconcurrency = {limit}\n" for name, limit in QUEUES.items()]
    return "\n".join([*head, *pools, *queues, *(job.table(script, scheduled=scheduled) for job in jobs)])
