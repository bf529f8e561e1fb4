"""The spare files behind the claims: used again when they are free, made anew when they are not."""

import json
from pathlib import Path

import pytest

from jobrun.task.statusfile import StatusFile

TIMES = (61.5, 0.25, 0.0, 0.0)
BEGUN = 1_800_000_000_000_000


@pytest.fixture
def status(tmp_path: Path) -> StatusFile:
    return StatusFile('{"worker":7}', 7)


def spares(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("0.7.spare*"))


def make(status: StatusFile, path: Path, report: str = "{}") -> None:
    status.claim(str(path))
    assert path.read_bytes()[256:].rstrip() == b'{"worker":7}'
    assert path.read_bytes().startswith(b"began\n ")
    assert status.complete(0, TIMES, report, BEGUN)
    assert json.loads(path.read_bytes()[256:]) == {"worker": 7, "begun": BEGUN, **json.loads(report)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_forgotten_calls_file_is_used_again(status: StatusFile, tmp_path: Path):
    before = open_files()
    for number in range(5):
        path = tmp_path / f"{number}.1.status"
        make(status, path, '{"result":"' + "x" * (5000 if number == 2 else 10) + '"}')
        assert path.read_bytes().startswith(
            b"began\nexit 0\n1m1.500000s 0m0.250000s\n0m0.000000s 0m0.000000s\n"
        )
        path.unlink()
    assert spares(tmp_path) == ["0.7.spare1"]
    assert open_files() == before


def test_one_that_is_not_forgotten_is_left_alone(status: StatusFile, tmp_path: Path):
    before = open_files()
    paths = [tmp_path / f"{number}.1.status" for number in range(3)]
    for path in paths:
        make(status, path)
    assert len({path.stat().st_ino for path in paths}) == 3
    paths[0].unlink()
    make(status, tmp_path / "3.1.status")
    assert spares(tmp_path) == ["0.7.spare1", "0.7.spare2", "0.7.spare3"]
    assert open_files() == before


def test_a_spare_that_somebody_removed_is_made_anew(status: StatusFile, tmp_path: Path):
    path = tmp_path / "1.1.status"
    make(status, path)
    path.unlink()
    (tmp_path / "0.7.spare1").unlink()
    make(status, tmp_path / "2.1.status")
    assert spares(tmp_path) == ["0.7.spare2"]


def test_a_claim_that_somebody_has_costs_no_spare(status: StatusFile, tmp_path: Path):
    before = open_files()
    taken = tmp_path / "1.1.status"
    taken.touch()
    for _ in range(3):
        with pytest.raises(FileExistsError):
            status.claim(str(taken))
    make(status, tmp_path / "2.1.status")
    assert spares(tmp_path) == ["0.7.spare1"]
    assert open_files() == before


def test_the_spares_go_with_the_worker(status: StatusFile, tmp_path: Path):
    for number in range(3):
        make(status, tmp_path / f"{number}.1.status")
    status.discard()
    assert spares(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3
