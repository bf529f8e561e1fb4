"""`logs`: kept in the database, kept in a file, growing, cut, gone, and not text at all."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filled import NOON, Filling
from hypothesis import given
from hypothesis import strategies as st
from live import until

from jobrun.cli.attemptlog import GrowingFile, last_lines
from jobrun.domain.events import Admitted, DelayOver, Exited, Spawned
from jobrun.domain.instants import SECOND
from jobrun.domain.run import Delayed, Exit, ProcessIdentity, Run

DAY = "2026-03-01"
PROCESS = ProcessIdentity(4242, 100, "boot")


@pytest.fixture
def filling(tmp_path: Path) -> Iterator[Filling]:
    (tmp_path / "state").mkdir()
    it = Filling(tmp_path / "state")
    it.plan()
    yield it


def flush(it: Filling) -> None:
    it.ledger.commit(it.facts)
    it.facts.clear()


def grow(it: Filling, run: Run, body: bytes, stream: str = "out") -> Path:
    """Append to the attempt's live file, as the job would."""
    path = it.state_dir / "logs" / DAY / f"{run.id}.{run.attempt}.{stream}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(body)
    return path


def begin(it: Filling, name: str = "report") -> Run:
    run = it.start(it.create(it.run(name, NOON, slot=False)), NOON)
    flush(it)
    return run


def test_streams_go_where_they_went(state: Path, jobrun: Callable[..., object]) -> None:
    said = jobrun("logs", "2", "--attempt", "2")
    assert said.out == "try 2\n"
    assert said.err.startswith("bad ")
    assert jobrun("logs", "2", "--stderr").err == ""
    assert jobrun("logs", "2", "--stdout").out == "try 3\n"


def test_bytes_pass_through_a_pipe_unchanged(state: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobrun", "--state-dir", str(state), "logs", "2", "--stderr"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"bad \xff byte\n"


def test_a_job_means_its_last_run_that_started(state: Path, jobrun: Callable[..., object]) -> None:
    """Skipped runs of the job come after it and have nothing to show."""
    assert jobrun("logs", "backup").out == jobrun("logs", "1").out == "dumping\n\x1b[32mdone\x1b[0m\n"


def test_a_run_that_started_nothing(state: Path, jobrun: Callable[..., object]) -> None:
    said = jobrun("logs", "5")
    assert (said.code, said.out) == (0, "")
    assert "has not started anything" in said.err


def test_lines_from_the_end(filling: Filling, jobrun: Callable[..., object]) -> None:
    run = begin(filling)
    grow(filling, run, b"".join(b"%d\n" % n for n in range(100_000)) + b"no end")
    filling.ledger.close()
    assert jobrun("logs", str(run.id), "-n", "2").out == "99999\nno end"
    assert jobrun("logs", str(run.id), "-n", "0").out == ""


def test_a_hole_in_a_growing_file_is_one_line(filling: Filling, jobrun: Callable[..., object]) -> None:
    """TRAPS, Output: what was cut is said, and its bytes are not printed as NULs."""
    run = begin(filling)
    path = grow(filling, run, b"head\n".ljust(1 << 16, b"h"))
    os.truncate(path, 1 << 20)
    grow(filling, run, b"tail\n")
    filling.ledger.close()
    out = jobrun("logs", str(run.id)).out
    assert "\0" not in out
    assert f"[jobrun: {(1 << 20) - (1 << 16)} bytes dropped here]\ntail\n" in out


def test_a_kept_file(filling: Filling, jobrun: Callable[..., object]) -> None:
    run = begin(filling)
    path = grow(filling, run, b"big\n")
    place = str(path.relative_to(filling.state_dir))
    filling.printed(run, None, size=1000, dropped=996, path=place)
    filling.finish(run, NOON + SECOND)
    filling.close()
    assert jobrun("logs", str(run.id)).out == "big\n"
    path.unlink()
    said = jobrun("logs", str(run.id))
    assert said.code == 1
    assert "was deleted" in said.err


def follow(state: Path, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "jobrun", "--state-dir", str(state), "logs", "-f", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC"},
    )


class Reader:
    """Collects what a child prints, in a thread."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.child = child
        self.text = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        while piece := os.read(self.child.stdout.fileno(), 4096):
            self.text += piece

    def end(self) -> tuple[bytes, bytes]:
        self._thread.join(30)
        assert self.child.stderr is not None
        return self.text, self.child.stderr.read()


def test_follow_goes_over_attempts_until_the_run_is_done(filling: Filling) -> None:
    run = begin(filling)
    grow(filling, run, b"one\n")
    child = follow(filling.state_dir, str(run.id))
    reader = Reader(child)
    until(lambda: reader.text == b"one\n")
    grow(filling, run, b"two\n")
    until(lambda: reader.text == b"one\ntwo\n")

    # The first attempt ends: its small output moves into the database and the file goes.
    filling.printed(run, b"one\ntwo\n")
    run = filling.finish(run, NOON + SECOND, 1)
    assert isinstance(run.status, Delayed)
    flush(filling)
    (filling.state_dir / "logs" / DAY / f"{run.id}.1.out").unlink()
    moment = run.status.until
    run = filling.drive(run, DelayOver(moment), Admitted(moment))
    run = filling.drive(run, Spawned(moment, PROCESS))
    flush(filling)
    grow(filling, run, b"three")
    until(lambda: reader.text.endswith(b"three"))

    ended = moment + 2 * SECOND
    filling.drive(run, Exited(ended, Exit(ended_at=ended, exit_code=0), 0.5))
    filling.close()
    out, err = reader.end()
    assert out == b"one\ntwo\nthree"
    assert child.wait(30) == 0
    lines = err.decode().splitlines()
    assert lines[0] == "jobrun: attempt 1 failed: exit code 1"
    assert lines[-2:] == [f"jobrun: attempt 2 of run {run.id}", f"Run {run.id} of report succeeded."]


def test_follow_of_output_that_is_in_the_database_already(state: Path) -> None:
    child = follow(state, "2", "-n", "1")
    out, err = child.communicate(timeout=30)
    assert out == b"try 3\n"
    assert err.endswith(b"Run 2 of report failed: exit code 3.\n")


def test_a_file_replaced_while_followed_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first ")
    growing = GrowingFile(lambda: path, None)
    assert b"".join(growing.read_new()) == b"first "
    with path.open("ab") as file:
        file.write(b"last")
    (tmp_path / "new").write_bytes(b"cut")
    (tmp_path / "new").replace(path)
    assert b"".join(growing.read_new()) == b"last"
    growing.close()


@given(st.lists(st.binary(max_size=12), max_size=8), st.integers(0, 5))
def test_last_lines_are_those_of_the_whole(pieces: list[bytes], count: int) -> None:
    whole = b"".join(pieces)
    ends = whole.split(b"\n")
    lines = [line + b"\n" for line in ends[:-1]] + ([ends[-1]] if ends[-1] else [])
    expected = b"".join(lines[-count:]) if count else b""
    assert b"".join(last_lines(pieces, count)) == expected


@given(st.binary(max_size=40), st.integers(0, 5))
def test_a_growing_file_begins_at_its_last_lines(text: bytes, count: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(text)
        growing = GrowingFile(lambda: path, count)
        printed = b"".join(growing.read_new())
        growing.close()
    assert printed == b"".join(last_lines([text], count))
