"""What `workers` shows: the daemon's word about its workers, and the pools they belong to."""

import json
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Self

from jobrun.cli.cells import Look
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Block, Cell, Table
from jobrun.cli.shapes import worker_shape
from jobrun.domain.instants import SECOND, Instant
from jobrun.domain.sizes import format_size

_TONES = {"busy": "live", "starting": "warn", "stalled": "bad", "retiring": "dim"}


class Known:
    """A pool: its bounds (`most` None: the number of processors), how many jobs and workers it has."""

    __slots__ = ("jobs", "least", "most", "name", "workers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.least = 0
        self.most: int | None = None
        self.jobs = 0
        self.workers = 0


class Workforce:
    """The workers and the pools at one moment."""

    def __init__(self, at: Instant, workers: Sequence[Mapping[str, Any]], pools: Sequence[Known]) -> None:
        self.at = at
        self.workers = workers
        self.pools = pools

    @classmethod
    def read(cls, reach: Reach) -> Self:
        """Ask the daemon about the workers, the store about pools and jobs. Raises DaemonUnreachable."""
        answer = reach.ask("workers")["workers"]
        workers = sorted(answer, key=lambda worker: (worker["pool"], worker["worker"]))
        return cls(now(), workers, _pools(reach, workers))

    def shape(self, zone: tzinfo | None) -> dict[str, Any]:
        """The JSON of `workers`."""
        return {
            "workers": [worker_shape(worker) for worker in self.workers],
            "pools": [
                {
                    "pool": pool.name,
                    "min": pool.least,
                    "max": pool.most,
                    "jobs": pool.jobs,
                    "workers": pool.workers,
                }
                for pool in self.pools
            ],
        }

    def blocks(self, look: Look) -> list[Block]:
        """What a person sees."""
        blocks: list[Block] = [self._table(look)] if self.workers else []
        for pool in self.pools:
            if not pool.workers:
                jobs = "1 job" if pool.jobs == 1 else f"{pool.jobs or 'no'} jobs"
                blocks.append(Cell(f"Pool {pool.name} ({jobs}) has no worker now.", "dim"))
        return blocks or [Cell("There are no workers: no job is called in one.")]

    def _table(self, look: Look) -> Table:
        columns = ("pool", "pid", "state", "run", "job", "waiting", "done", "age", "memory", "cpu")
        right = ("pid", "run", "waiting", "done", "age", "memory", "cpu")
        table = Table((*columns, "python"), right=right)
        for worker in self.workers:
            state = str(worker["state"])
            table.rows.append(
                (
                    str(worker["pool"]),
                    _text(worker["pid"]),
                    Cell(state, _TONES.get(state, "")),
                    _text(worker["run"]),
                    _text(worker["job"]),
                    str(worker["waiting"] or "-"),
                    str(worker["runs_done"]),
                    look.span(round(worker["age"] * SECOND)),
                    format_size(worker["rss"]) if worker["rss"] else "-",
                    look.span(round(worker["cpu"] * SECOND)),
                    " ".join(word for word in (worker["python"], worker["interpreter"]) if word),
                )
            )
        return table


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _pools(reach: Reach, workers: Sequence[Mapping[str, Any]]) -> list[Known]:
    """The pools of the job file, those that jobs only name, and those that still have workers; by name."""
    found: dict[str, Known] = {}

    def pool(name: str) -> Known:
        return found.setdefault(name, Known(name))

    for row in reach.history.pools():
        pool(row.name).least, pool(row.name).most = row.min, row.max
    for job in reach.history.jobs():
        # Looked up in the stored text, where defaults are left out: decoding every job is not for --watch.
        body = json.loads(job.body).get("body", {})
        if body.get("kind") == "python" and body.get("isolation", "warm") == "warm":
            pool(body.get("pool", "default")).jobs += 1
    for worker in workers:
        pool(worker["pool"]).workers += 1
    return [found[name] for name in sorted(found)]
