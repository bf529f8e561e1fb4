"""Progress: what it says, what it costs, and that it never fails."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobrun.task import progress
from jobrun.task.notes import NOTES_SIZE, forget_notes
from tests.task.support import WorkerRig


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "1.1.notes"
    monkeypatch.setenv("JOBRUN_NOTES", str(path))
    return path


def read(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    assert len(raw) == NOTES_SIZE
    assert raw[1023:1024] == b"\n"
    return json.loads(raw[:1024])


@pytest.mark.parametrize(
    ("args", "percent"),
    [
        ((40,), 40.0),
        ((3, 12), 25.0),
        ((1, 3), 33.33),
        ((0, 0), 100.0),
        ((-5,), 0.0),
        ((150,), 100.0),
        ((7, 5), 100.0),
        ((float("inf"),), 100.0),
        ((float("nan"),), None),
        ((), None),
    ],
)
def test_percent(notes: Path, args: tuple, percent: float | None):
    before = time.time_ns() // 1000
    progress(*args)
    note = read(notes)
    assert (note["percent"], note["state"], note["meta"]) == (percent, None, {})
    assert before <= note["at"] <= time.time_ns() // 1000


def test_state_and_meta(notes: Path):
    progress(1, state="PROGRESS", epoch=12, name="ü", list=[1])
    assert read(notes)["state"] == "PROGRESS"
    assert read(notes)["meta"] == {"epoch": 12, "name": "ü", "list": [1]}
    progress(2)
    assert (read(notes)["state"], read(notes)["meta"]) == (None, {})


def test_what_does_not_fit_is_left_out(notes: Path):
    progress(5, state="s" * 500, small=1, large="x" * 2000, loss=float("nan"), thing=Path("/x"), circle=[])
    note = read(notes)
    assert (note["percent"], note["state"]) == (5.0, "s" * 200)
    assert note["meta"] == {"small": 1, "loss": "nan", "thing": "/x", "circle": []}


def test_a_text_that_only_looks_long_as_json(notes: Path):
    progress(5, state="ü" * 200)
    assert read(notes)["percent"] == 5.0


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __float__ = __str__


@pytest.mark.parametrize(
    "call",
    [lambda: progress("x"), lambda: progress(Bad()), lambda: progress(1, bad=Bad()), lambda: progress([], 1)],
)
def test_it_never_raises(notes: Path, call: Any):
    call()


@pytest.mark.parametrize("place", ["/nowhere/x", "/", "/dev/full", ""])
def test_a_place_that_cannot_be_written_does_not_matter(monkeypatch: pytest.MonkeyPatch, place: str):
    monkeypatch.setenv("JOBRUN_NOTES", place)
    progress(1)


def test_a_pipe_in_its_place_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("JOBRUN_NOTES", str(tmp_path / "pipe"))
    progress(1)


def test_outside_jobrun_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JOBRUN_NOTES", raising=False)
    monkeypatch.chdir(tmp_path)
    progress(50)
    assert list(tmp_path.iterdir()) == []


def test_a_soft_timeout_that_comes_meanwhile_is_not_lost(rig: WorkerRig):
    rig.write(
        "tasks.py",
        "from jobrun.task import progress\n"
        "def f():\n"
        "    while True: progress(1, state='x' * 100, text='y' * 2000)\n",
    )
    rig.start()
    for _ in range(20):
        done = rig.call("tasks:f", soft={"signal": None, "after": 0.01})
        assert done.error["type"] == "jobrun.task.SoftTimeout"


def test_the_second_place_is_left_alone(notes: Path):
    note = b'{"retry_in": 5}'.ljust(1023) + b"\n"
    notes.write_bytes(b" " * 1023 + b"\n" + note)
    progress(10)
    assert notes.read_bytes()[1024:] == note
    assert read(notes)["percent"] == 10.0


def test_a_closed_and_reused_descriptor_is_not_written_to(notes: Path, tmp_path: Path):
    progress(1)
    victim = tmp_path / "victim"
    open_files = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    (mine,) = [int(link.name) for link in open_files if link.resolve() == notes.resolve()]
    os.close(mine)
    taken = os.open(victim, os.O_RDWR | os.O_CREAT)
    try:
        os.dup2(taken, mine)
        progress(2)
        assert victim.read_bytes() == b""
        assert read(notes)["percent"] == 2.0
    finally:
        os.close(taken)
        forget_notes()


def test_each_run_has_its_own(notes: Path, monkeypatch: pytest.MonkeyPatch):
    progress(1)
    other = notes.with_name("2.1.notes")
    monkeypatch.setenv("JOBRUN_NOTES", str(other))
    progress(2)
    assert (read(notes)["percent"], read(other)["percent"]) == (1.0, 2.0)


def test_readers_see_one_note_or_the_other(notes: Path):
    """One write for the whole place: nobody sees half of it."""
    progress(0)
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number = (number + 1) % 101
            progress(number, state="s" * (number % 50), count=number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        fd = os.open(notes, os.O_RDONLY)
        for _ in range(2000):
            note = json.loads(os.pread(fd, 1024, 0))
            if note["meta"]:
                assert note["percent"] == note["meta"]["count"]
        os.close(fd)
    finally:
        done.set()
        writer.join()


def test_it_costs_microseconds(rig: WorkerRig):
    rig.write(
        "tasks.py",
        "import time\nfrom jobrun.task import progress\n"
        "def f(n):\n"
        "    start = time.perf_counter()\n"
        "    for i in range(n): progress(i, n, state='x', step=i)\n"
        "    return (time.perf_counter() - start) / n * 1e6\n",
    )
    rig.start()
    micros = min(rig.call("tasks:f", 1000).result for _ in range(5))
    # Measured: 6; an open and a close for each would already be more than this machine's noise.
    assert micros < 100
