"""The task that huey runs for `bench/calls.py`; $BENCH_DIRECTORY has its database."""

import os
from pathlib import Path

from huey import SqliteHuey

huey = SqliteHuey(filename=str(Path(os.environ["BENCH_DIRECTORY"], "huey.db")))


@huey.task()
def add(a: int, b: int) -> int:
    return a + b
