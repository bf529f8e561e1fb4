"""Whatever stands in the place of a file of ours: it is not waited for, not followed, and not written to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.proc.checkpoints import newest
from jobrun.proc.files import first_mark_at, has_begun, never_began, open_log, open_status, read_status
from jobrun.proc.output import read_log, trim_running
from jobrun.proc.regular import make_regular, open_regular, read_regular, remove_file, take_odd
from jobrun.proc.spool import drop_worker_files, mark_stop, read_notes, revoke

KEPT = b"somebody else's"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to(path.parent / "other")


def second_name(path: Path) -> None:
    os.link(path.parent / "other", path)


def dangling(path: Path) -> None:
    path.symlink_to("/nonexistent")


def folder(path: Path) -> None:
    (path / "in it").mkdir(parents=True)


@pytest.fixture(params=[pipe, link, second_name, dangling, folder])
def taken(request, tmp_path: Path) -> Path:
    """A path at which something odd stands, beside a file that nobody may touch."""
    (tmp_path / "other").write_bytes(KEPT)
    path = tmp_path / "7.1.status"
    make: Callable[[Path], None] = request.param
    make(path)
    take_odd()
    return path


def test_a_file_is_made_in_its_place(taken: Path) -> None:
    fd = make_regular(taken)
    os.write(fd, b"ours")
    os.close(fd)
    assert (taken.read_bytes(), taken.with_name("other").read_bytes()) == (b"ours", KEPT)
    (told,) = take_odd()
    assert str(taken) in told
    assert taken.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("make", [open_status, lambda path: open_log(path, (os.geteuid(), os.getegid()))])
def test_status_and_log_are_made_anew(taken: Path, make: Callable[[Path], int]) -> None:
    before = taken.with_name("other").stat()
    fd = make(taken)
    os.write(fd, b"x" * 300)
    os.close(fd)
    after = taken.with_name("other").stat()
    assert taken.is_file() and not taken.is_symlink()
    assert taken.with_name("other").read_bytes() == KEPT
    assert (before.st_uid, before.st_mode, before.st_ino) == (after.st_uid, after.st_mode, after.st_ino)


def test_it_goes_when_the_file_is_dropped(taken: Path) -> None:
    remove_file(taken)
    assert not os.path.lexists(taken)
    assert taken.with_name("other").read_bytes() == KEPT
    remove_file(taken)


def test_a_folder_is_set_aside_whole(tmp_path: Path) -> None:
    (tmp_path / "0.3.job1" / "deep").mkdir(parents=True)
    drop_worker_files(tmp_path / "0.3.status")
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("aside.")
    assert (aside / "deep").is_dir()


def test_it_says_nothing(tmp_path: Path) -> None:
    for name, make in (("p", pipe), ("d", folder), ("n", dangling)):
        path = tmp_path / name
        make(path)
        assert read_regular(path, 10) is None
        assert read_status(path) is None
        assert not has_begun(path)
        assert not never_began(path)
        assert read_notes(str(path)) == (None, None)
        assert not revoke(str(path))
        assert not trim_running(path, 10)
        assert first_mark_at(path) > 0
        with pytest.raises(OSError):
            open_regular(path)
        with pytest.raises(OSError):
            list(read_log(path))


def test_a_stop_is_marked_without_waiting_for_anybody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "7.1.stop")
    mark_stop(f"{tmp_path}/7.1")


def test_no_hole_is_made_in_a_file_that_has_another_name(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x" * (1 << 20))
    os.link(other, tmp_path / "7.1.out")
    assert not trim_running(tmp_path / "7.1.out", 1000)
    assert other.read_bytes() == b"x" * (1 << 20)


@pytest.mark.parametrize(
    "times", ["9" * 40 + "m0s 0m0s", "1m" + "9" * 300 + "s 0m0s", "99999999999999m0s 0m0s"]
)
def test_times_that_cannot_be_are_not_known(tmp_path: Path, times: str) -> None:
    path = tmp_path / "7.1.status"
    path.write_text(f"began\nexit 3\n{times}\n0m0s 0m0s\nend\n")
    exit = read_status(path)
    assert exit is not None
    assert (exit.exit_code, exit.user_time, exit.system_time) == (3, None, None)


def test_a_checkpoint_of_a_name_that_cannot_be_is_none(tmp_path: Path) -> None:
    name = "x" * 5000
    (tmp_path / "index.json").write_text(
        f'{{"checkpoints": [{{"file": "{name}", "at": "2026", "step": 1}}, '
        '{"file": "a\\u0000b", "at": "2026", "step": 1}]}'
    )
    assert newest([tmp_path]) is None
