"""Other ways to have a Python function called in two processes, for `bench/calls.py`.

Each is started as its manual says, with its defaults, and is warm before its
clock runs. Its calls count as made when all of their results are there to be
read; reading and checking them is not on its clock.
"""

import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live import stop, until
from usage import Spent, Stopwatch

_HERE = Path(__file__).parent
_WARM_UP = 50
_INSTALL = "pip install -e '.[bench]'"


@dataclass(frozen=True)
class Peer:
    """`make_calls` makes a number of calls in an empty directory and says what they took.

    `missing` says what is not installed, if anything; `share` is the part of the calls it makes.
    """

    name: str
    make_calls: Callable[[Path, int], Spent]
    missing: Callable[[], str]
    share: float = 1.0


def executor(_directory: Path, calls: int) -> Spent:
    """A bare pool of processes of the standard library: nothing is written down."""
    with ProcessPoolExecutor(2) as pool:
        _results(pool, _WARM_UP)
        with Stopwatch() as watch:
            results = _results(pool, calls)
    check(results, calls)
    return watch.spent


def _results(pool: ProcessPoolExecutor, calls: int) -> list[object]:
    futures = [pool.submit(add, 1, 2) for _ in range(calls)]
    return [future.result() for future in futures]


def add(a: int, b: int) -> int:
    return a + b


def huey(directory: Path, calls: int) -> Spent:
    """SQLite as huey opens it (WAL, synchronous=FULL), a consumer with two processes."""
    tasks = _import_tasks("huey_tasks", directory)
    consumer = [sys.executable, "-m", "huey.bin.huey_consumer", "huey_tasks.huey", "-w", "2", "-k", "process"]
    with _service(consumer, directory):
        warm = [tasks.add(1, 2) for _ in range(_WARM_UP)]
        until(lambda: tasks.huey.storage.result_store_size() == len(warm), "huey to start")
        with Stopwatch() as watch:
            handles = [tasks.add(1, 2) for _ in range(calls)]
            all_there = len(warm) + calls
            until(lambda: tasks.huey.storage.result_store_size() == all_there, "huey", within=600)
    check([handle.get(preserve=True) for handle in handles], calls)
    tasks.huey.storage.close()
    return watch.spent


def celery(directory: Path, calls: int) -> Spent:
    """Redis with its defaults on a socket of its own, a worker with two preforked processes."""
    tasks = _import_tasks("celery_tasks", directory)
    redis = ["redis-server", "--port", "0", "--unixsocket", str(directory / "redis.sock")]
    worker = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "2", "-l", "info"]
    with _service([*redis, "--dir", str(directory)], directory), _service(worker, directory):
        until((directory / "redis.sock").exists, "Redis to start")
        client = tasks.app.backend.client
        warm = tasks.add_many(_WARM_UP)
        until(lambda: client.dbsize() == _WARM_UP, "Celery to start")
        with Stopwatch() as watch:
            asked = tasks.add_many(calls)
            until(lambda: client.dbsize() == _WARM_UP + calls, "Celery", within=600)
        check(asked.join_native(), calls)
        # While Redis is there to be told: a result object says goodbye when it goes.
        warm.forget()
        asked.forget()
        tasks.app.close()
    return watch.spent


PEERS = (
    Peer("executor", executor, lambda: ""),
    Peer("huey", huey, lambda: _lacks("huey"), 0.1),
    Peer("celery", celery, lambda: _lacks("celery", "redis") or _lacks_redis(), 0.2),
)


def check(results: list[Any], calls: int) -> None:
    """End the program unless every call has the result it must have."""
    wrong = [result for result in results if result != 3]
    if len(results) != calls or wrong:
        sys.exit(f"{len(results)} results of {calls} calls, {len(wrong)} of them wrong: {wrong[:3]}")


def _import_tasks(name: str, directory: Path) -> Any:
    """The module of the tasks, made anew for this directory."""
    os.environ["BENCH_DIRECTORY"] = str(directory)
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@contextmanager
def _service(command: list[str], directory: Path) -> Iterator[None]:
    """A process of somebody else's, its words in a file, ended when the block is left."""
    environ = {**os.environ, "PYTHONPATH": str(_HERE), "C_FORCE_ROOT": "1"}
    with directory.joinpath("log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=directory)
    try:
        yield
    finally:
        stop(process, signal.SIGTERM)


def _lacks(*modules: str) -> str:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed: {_INSTALL}" if missing else ""


def _lacks_redis() -> str:
    return "" if shutil.which("redis-server") else "redis-server not installed: apt install redis-server"
