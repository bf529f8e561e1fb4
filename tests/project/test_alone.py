"""The locks that keep other tests away from one that is marked `alone`."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from alone import place
from live import until


@pytest.fixture
def doors(tmp_path: Path) -> dict[str, Path]:
    """A gate and a floor of their own: this test has a place on the true floor itself."""
    paths = {"gate": tmp_path / "gate", "floor": tmp_path / "floor"}
    for path in paths.values():
        path.mkdir()
    return paths


def is_held(directory: Path) -> bool:
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


class Other(threading.Thread):
    """A test that somebody else runs: takes its place, and leaves when it may."""

    def __init__(self, doors: dict[str, Path], *, alone: bool) -> None:
        super().__init__(daemon=True)
        self.doors, self.alone = doors, alone
        self.inside, self.may_leave = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with place(alone=self.alone, **self.doors):
            self.inside.set()
            self.may_leave.wait()

    def leave(self) -> None:
        self.may_leave.set()
        self.join()


def test_usual_tests_run_beside_each_other(doors):
    with place(alone=False, **doors):
        other = Other(doors, alone=False)
        until(other.inside.is_set, "the second test to run beside the first")
        other.leave()
    assert not is_held(doors["floor"])


def test_one_that_is_alone_waits_and_goes_before_those_who_come_later(doors):
    with place(alone=False, **doors):
        alone = Other(doors, alone=True)
        until(lambda: is_held(doors["gate"]), "the test that will be alone to wait")
        late = Other(doors, alone=False)
    until(alone.inside.is_set, "the test to be alone")
    assert not late.inside.is_set()
    alone.leave()
    until(late.inside.is_set, "the next test to run")
    late.leave()
    assert not is_held(doors["gate"]) and not is_held(doors["floor"])


def test_a_test_that_fails_gives_its_place_back(doors):
    for alone in (True, False):
        with pytest.raises(RuntimeError), place(alone=alone, **doors):
            raise RuntimeError
        assert not is_held(doors["gate"]) and not is_held(doors["floor"])
