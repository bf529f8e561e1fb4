"""What `workers` shows: the daemon's word about its workers, and the pools that have none."""

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


class Workforce:
    """The workers at one moment, and how many warm jobs each pool has."""

    def __init__(self, at: Instant, workers: Sequence[Mapping[str, Any]], pools: Mapping[str, int]) -> None:
        self.at = at
        self.workers = sorted(workers, key=lambda worker: (worker["pool"], worker["worker"]))
        self.pools = pools

    @classmethod
    def read(cls, reach: Reach) -> Self:
        """Ask the daemon about the workers, the store about the jobs. Raises DaemonUnreachable."""
        workers = reach.ask("workers")["workers"]
        return cls(now(), workers, _jobs_of_pools(reach))

    def shape(self, zone: tzinfo | None) -> dict[str, Any]:
        """The JSON of `workers`."""
        return {
            "workers": [worker_shape(worker) for worker in self.workers],
            "pools": [
                {"pool": name, "jobs": self.pools.get(name, 0), "workers": self._count(name)}
                for name in sorted({*self.pools, *(worker["pool"] for worker in self.workers)})
            ],
        }

    def blocks(self, look: Look) -> list[Block]:
        """What a person sees."""
        blocks: list[Block] = [self._table(look)] if self.workers else []
        for name in sorted(self.pools):
            if not self._count(name):
                jobs = "1 job" if self.pools[name] == 1 else f"{self.pools[name]} jobs"
                blocks.append(Cell(f"Pool {name} ({jobs}) has no worker now.", "dim"))
        return blocks or [Cell("There are no workers: no job runs in warm workers.")]

    def _count(self, pool: str) -> int:
        return sum(worker["pool"] == pool for worker in self.workers)

    def _table(self, look: Look) -> Table:
        columns = ("pool", "worker", "pid", "state", "run", "job", "waiting", "done", "age", "memory", "cpu")
        right = ("worker", "pid", "run", "waiting", "done", "age", "memory", "cpu")
        table = Table((*columns, "python"), right=right)
        for worker in self.workers:
            state = str(worker["state"])
            table.rows.append(
                (
                    str(worker["pool"]),
                    str(worker["worker"]),
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


def _jobs_of_pools(reach: Reach) -> dict[str, int]:
    """How many jobs run in each pool, by the definitions that the daemon goes by."""
    pools: dict[str, int] = {}
    for row in reach.history.jobs():
        # Looked up in the stored text, where defaults are left out: decoding every job is not for --watch.
        body = json.loads(row.body).get("body", {})
        if body.get("kind") == "python" and body.get("isolation", "warm") == "warm":
            pool = body.get("pool", "default")
            pools[pool] = pools.get(pool, 0) + 1
    return pools
