"""What a job's account may have written into its spool is read by its form only."""

import json
from pathlib import Path

import pytest

from jobrun.domain.run import ProcessIdentity
from jobrun.proc.spool import leader_of, whole, worker_of

BOOT = "0d7f5b7c-9f0c-4a53-9d3b-2f4a4a1f6c11"


def status(folder: Path, tail: object) -> str:
    path = folder / "7.1.status"
    path.write_bytes(b"began\n".ljust(255) + b"\n" + json.dumps(tail).encode())
    return str(path)


def test_the_leader_of_a_worker(tmp_path: Path):
    path = status(tmp_path, {"worker": 3, "leader": [4711, 123456, BOOT]})
    assert leader_of(path) == ProcessIdentity(4711, 123456, BOOT)
    assert worker_of(path) == 3


@pytest.mark.parametrize(
    "leader",
    [
        None,
        4711,
        [],
        [4711, 123456],
        [4711, 123456, BOOT, 1],
        [0, 123456, BOOT],
        [-1, 123456, BOOT],
        [True, 123456, BOOT],
        [1 << 23, 123456, BOOT],
        [10**30, 123456, BOOT],
        [4711, -1, BOOT],
        [4711, 10**30, BOOT],
        [4711, 1.5, BOOT],
        [4711, 123456, None],
        [4711, 123456, ""],
        [4711, 123456, "x" * 65],
        [4711, 123456, "\ud800"],
        [4711, 123456, "a b"],
    ],
)
def test_a_leader_that_cannot_be_is_none(tmp_path: Path, leader: object):
    assert leader_of(status(tmp_path, {"worker": 3, "leader": leader})) is None


@pytest.mark.parametrize("number", [None, True, -1, 1.5, "3", 10**30, [3]])
def test_a_number_that_cannot_be_is_none(tmp_path: Path, number: object):
    assert worker_of(status(tmp_path, {"worker": number})) is None
    assert whole(number, 5) == 5


def test_the_largest_numbers():
    assert whole((1 << 63) - 1) == (1 << 63) - 1
    assert whole(1 << 63) is None
    assert (whole(7, most=7), whole(8, most=7)) == (7, None)
