"""The task that Celery runs for `bench/calls.py`; $BENCH_DIRECTORY has the socket of its Redis."""

import os

from celery import Celery, group
from celery.result import GroupResult

_REDIS = f"redis+socket://{os.environ['BENCH_DIRECTORY']}/redis.sock"

app = Celery("celery_tasks", broker=f"{_REDIS}?virtual_host=0", backend=f"{_REDIS}?virtual_host=1")


@app.task
def add(a: int, b: int) -> int:
    return a + b


def add_many(calls: int) -> GroupResult:
    """Ask for so many calls at once: faster than one `delay` after the other."""
    return group(add.s(1, 2) for _ in range(calls)).apply_async()
