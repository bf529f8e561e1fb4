"""`jobrun workers`: shape and words, and the real daemon's workers."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.cli.reach import Reach

GOLDEN = Path(__file__).parent / "golden" / "workers.json"
WORKER = {
    "pool": "default",
    "worker": 7,
    "pid": 4711,
    "state": "busy",
    "run": 41,
    "job": "mail",
    "waiting": 2,
    "runs_done": 17,
    "age": 62.5,
    "rss": 25165824,
    "cpu": 1.25,
    "interpreter": "/usr/bin/python3",
    "python": "3.11.7",
}
STARTING = WORKER | {
    "pool": "gpu",
    "worker": 9,
    "pid": None,
    "state": "starting",
    "run": None,
    "job": None,
    "waiting": 0,
    "runs_done": 0,
    "rss": 0,
    "cpu": 0.0,
    "python": "",
}


@pytest.fixture
def canned(state: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A daemon whose workers are what the test says."""

    def answer(*workers: dict[str, object]) -> None:
        monkeypatch.setattr(Reach, "ask", lambda self, op: {"workers": list(workers)})

    return answer


def test_the_shape(canned: Callable[..., None], jobrun: Callable[..., object]) -> None:
    canned(WORKER)
    printed = jobrun("workers", "--json").out
    if os.environ.get("JOBRUN_WRITE_GOLDEN"):
        GOLDEN.write_text(printed, "utf-8")
    assert printed == GOLDEN.read_text("utf-8")


def test_the_table(canned: Callable[..., None], jobrun: Callable[..., object]) -> None:
    canned(STARTING, WORKER)
    assert jobrun("workers").out.splitlines() == [
        "POOL      PID  STATE     RUN  JOB   WAITING  DONE      AGE  MEMORY     CPU  PYTHON",
        "default  4711  busy       41  mail        2    17  62.500s    24MB  1.250s  3.11.7 /usr/bin/python3",
        "gpu         -  starting    -  -           -     0  62.500s       -  0.000s  /usr/bin/python3",
    ]


def test_pools_without_workers_are_named(canned: Callable[..., None], jobrun: Callable[..., object]) -> None:
    canned(STARTING)
    assert jobrun("workers").out.splitlines()[-1] == "Pool default (no jobs) has no worker now."
    shape = json.loads(jobrun("workers", "--json").out)
    assert [(pool["pool"], pool["workers"]) for pool in shape["pools"]] == [("default", 0), ("gpu", 1)]
