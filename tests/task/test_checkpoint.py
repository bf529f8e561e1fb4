"""Checkpoints: kept, named, thinned out, found again."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from jobrun.task import checkpoint
from tests.task.support import WorkerRig


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBRUN_CHECKPOINT_DIR", str(tmp_path / "checkpoints" / "train"))
    monkeypatch.setenv("JOBRUN_RUN_ID", "5")
    monkeypatch.setenv("JOBRUN_ATTEMPT", "2")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "checkpoints" / "train"


def made(path: Path, text: str = "weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def index(home: Path) -> list[dict[str, Any]]:
    return json.loads((home / "index.json").read_text())["checkpoints"]


def test_a_file_from_outside_is_copied_in(home: Path, tmp_path: Path):
    source = made(tmp_path / "model.pt", "one")
    kept = checkpoint.save(source, 10, loss=0.5)
    assert kept == home / "model_step_10.pt"
    source.write_text("two")
    assert checkpoint.save("model.pt", 20) == home / "model_step_20.pt"
    assert [path.read_text() for path in (kept, home / "model_step_20.pt")] == ["one", "two"]
    assert checkpoint.latest() == home / "model_step_20.pt"
    first, second = index(home)
    assert first | {"at": None} == {
        "step": 10,
        "file": "model_step_10.pt",
        "at": None,
        "run": 5,
        "attempt": 2,
        "meta": {"loss": 0.5},
    }
    assert first["at"].endswith("Z")
    assert second["step"] == 20
    assert sorted(path.name for path in home.iterdir()) == [
        "index.json",
        "model_step_10.pt",
        "model_step_20.pt",
    ]


def test_a_file_made_inside_keeps_its_name(home: Path):
    directory = checkpoint.directory()
    assert directory == home
    made(directory / "a.pt")
    assert checkpoint.save(directory / "a.pt", 1) == home / "a.pt"
    made(directory / "deep" / "b.pt")
    assert checkpoint.save(directory / "deep" / "b.pt", 2) == home / "deep" / "b.pt"
    assert [entry["path"] for entry in checkpoint.all()] == [home / "a.pt", home / "deep" / "b.pt"]
    # Saved again under another step, it is one checkpoint, the newest.
    checkpoint.save(directory / "a.pt", 3)
    assert [(entry["step"], entry["file"]) for entry in index(home)] == [(2, "deep/b.pt"), (3, "a.pt")]


def test_a_directory(home: Path, tmp_path: Path):
    for text in ("one", "two"):
        made(tmp_path / "model" / "weights.bin", text)
        made(tmp_path / "model" / "deep" / "config.json")
        kept = checkpoint.save(tmp_path / "model", 5)
        assert kept == home / "model_step_5"
        assert (kept / "weights.bin").read_text() == text
    assert len(checkpoint.all()) == 1


def test_only_the_newest_are_kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JOBRUN_CHECKPOINT_KEEP", "2")
    for step in range(4):
        checkpoint.save(made(tmp_path / "model.pt"), step)
        checkpoint.save(made(tmp_path / "tree" / "x").parent, step)
    assert [entry["file"] for entry in index(home)] == ["model_step_3.pt", "tree_step_3"]
    assert sorted(path.name for path in home.iterdir()) == ["index.json", "model_step_3.pt", "tree_step_3"]


def test_latest(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert checkpoint.latest() is None
    kept = checkpoint.save(made(tmp_path / "model.pt"), 1)
    assert checkpoint.latest() == kept
    newer = checkpoint.save(made(tmp_path / "model.pt"), 2)
    newer.unlink()
    assert checkpoint.latest() == kept, "one whose file is gone does not count"


def test_a_run_resumes_from_what_it_was_given_until_it_has_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoint.save(made(tmp_path / "model.pt"), 1)
    monkeypatch.setenv("JOBRUN_RUN_ID", "6")
    monkeypatch.setenv("JOBRUN_RESUME_FROM", "/given/model.pt")
    assert checkpoint.latest() == Path("/given/model.pt")
    own = checkpoint.save(made(tmp_path / "model.pt"), 2)
    assert checkpoint.latest() == own


@pytest.mark.parametrize(
    ("interval", "due"), [(None, [10, 20]), ("3", [3, 6, 9, 12, 15, 18]), ("0", [10, 20]), ("x", [10, 20])]
)
def test_due(home: Path, monkeypatch: pytest.MonkeyPatch, interval: str | None, due: list[int]):
    if interval is not None:
        monkeypatch.setenv("JOBRUN_CHECKPOINT_INTERVAL", interval)
    assert [step for step in range(21) if checkpoint.due(step)] == due


def test_outside_jobrun_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JOBRUN_CHECKPOINT_DIR", raising=False)
    source = made(tmp_path / "model.pt")
    assert checkpoint.save(source, 1) == source
    assert (checkpoint.directory(), checkpoint.latest(), checkpoint.all()) == (None, None, [])
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_file(home: Path):
    with pytest.raises(FileNotFoundError):
        checkpoint.save("nothing.pt", 1)
    assert checkpoint.all() == []
    assert [path.name for path in home.iterdir()] == []


def test_meta_that_is_not_json(home: Path, tmp_path: Path):
    with pytest.raises(TypeError):
        checkpoint.save(made(tmp_path / "model.pt"), 1, bad=object())
    assert checkpoint.all() == []


@pytest.mark.parametrize(
    "text", ["", "not json", "[]", '{"checkpoints": 5}', '{"checkpoints": [5, {}, {"file": "x"}]}']
)
def test_a_broken_index_says_nothing(home: Path, tmp_path: Path, text: str):
    made(home / "index.json", text)
    assert checkpoint.all() == []
    checkpoint.save(made(tmp_path / "model.pt"), 1)
    assert len(index(home)) == 1


@pytest.mark.parametrize("name", ["/etc/passwd", "../victim", "a/../../victim"])
def test_an_index_cannot_have_anything_else_removed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    victim = made(home.parent / "victim")
    entry = {"step": 0, "file": name, "at": None, "run": 1, "attempt": 1, "meta": {}}
    made(home / "index.json", json.dumps({"checkpoints": [entry]}))
    monkeypatch.setenv("JOBRUN_CHECKPOINT_KEEP", "1")
    checkpoint.save(made(tmp_path / "model.pt"), 1)
    assert victim.exists()
    assert [entry["step"] for entry in index(home)] == [1]


def _save(path: str, step: int) -> None:
    checkpoint.save(path, step)


def test_processes_that_save_at_the_same_time(home: Path, tmp_path: Path):
    source = str(made(tmp_path / "model.pt"))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_save, args=(source, step)) for step in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(entry["step"] for entry in index(home)) == list(range(8))


def test_without_resume_each_attempt_begins_anew(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JOBRUN_CHECKPOINT_RESUME", "0")
    source = made(tmp_path / "model.pt")
    for run, attempt in (("4", "3"), ("5", "2")):
        monkeypatch.setenv("JOBRUN_RUN_ID", run)
        monkeypatch.setenv("JOBRUN_ATTEMPT", attempt)
        checkpoint.save(source, int(run))
    monkeypatch.setenv("JOBRUN_ATTEMPT", "3")
    assert checkpoint.latest() is None
    assert [entry["step"] for entry in checkpoint.all()] == [4, 5]
    monkeypatch.setenv("JOBRUN_RESUME_FROM", "/asked")
    assert checkpoint.latest() == Path("/asked")
    own = checkpoint.save(source, 6)
    assert checkpoint.latest() == own


def test_in_a_worker(rig: WorkerRig):
    rig.write(
        "tasks.py",
        "from jobrun.task import checkpoint, context\n"
        "def train():\n"
        "    start = checkpoint.latest()\n"
        "    step = int(open(start).read()) if start else 0\n"
        "    with open('state', 'w') as file: file.write(str(step + 1))\n"
        "    return [step, str(checkpoint.save('state', step + 1))]\n",
    )
    rig.start()
    env = {"JOBRUN_CHECKPOINT_DIR": str(rig.home / "kept")}
    results = [rig.call("tasks:train", env=env).result for _ in range(3)]
    assert [step for step, _ in results] == [0, 1, 2]
    assert Path(results[-1][1]).name == "state_step_3"
