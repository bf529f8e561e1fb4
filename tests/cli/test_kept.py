"""`jobrun checkpoint list` and `latest` of any run, daemon or none."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filled import NOON, Filling

from jobrun.domain.definition import digest, encode
from jobrun.domain.job import Checkpoint, Job, ShellCommand
from jobrun.domain.records import DefinitionSeen

GOLDEN = Path(__file__).parent / "golden" / "checkpoints.json"


def runs_of(state: Path, wish: Checkpoint, *numbers: int) -> None:
    """A store with runs of the job `train`."""
    state.mkdir()
    it = Filling(state)
    it.plan()
    body = encode(Job(name="train", body=ShellCommand("./train"), checkpoint=wish))
    it.facts.append(DefinitionSeen(99, "train", digest(body), body, NOON))
    for number in numbers:
        it.create(it.run("backup", NOON, slot=False, id=number, job="train", definition_id=99))
    it.close()


def keep(directory: Path, *entries: tuple[str, int, int], **odd: object) -> None:
    """Checkpoints of (file, step, run) in a directory, as a job's side leaves them."""
    directory.mkdir(parents=True, exist_ok=True)
    index = []
    for file, step, run in entries:
        (directory / file).parent.mkdir(exist_ok=True)
        (directory / file).write_text(file)
        at = f"2026-03-01T11:00:{step:02}.5Z"
        index.append({"step": step, "file": file, "at": at, "run": run, "attempt": 1, "meta": {"loss": 0.5}})
    (directory / "index.json").write_text(json.dumps({"checkpoints": [*index, *odd.get("more", ())]}))


def test_of_a_run_with_a_directory_of_its_own(
    tmp_path: Path, jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    runs_of(state, Checkpoint(), 41, 42)
    own = state / "checkpoints" / "train" / "41"
    keep(own, ("model_step_20.pt", 20, 41), ("sub/model_step_30.pt", 30, 41))
    printed = jobrun("checkpoint", "list", "41", "--json").out.replace(str(tmp_path), "/etc/jobrun")
    if os.environ.get("JOBRUN_WRITE_GOLDEN"):
        GOLDEN.write_text(printed, "utf-8")
    assert printed == GOLDEN.read_text("utf-8")
    assert jobrun("checkpoint", "list", "41").out.splitlines()[1:] == [
        f"  20  2026-03-01T11:00:20+00:00   41        1  loss=0.5  {own}/model_step_20.pt",
        f"  30  2026-03-01T11:00:30+00:00   41        1  loss=0.5  {own}/sub/model_step_30.pt",
    ]
    assert jobrun("checkpoint", "latest", "41").out == f"{own}/sub/model_step_30.pt\n"
    assert jobrun("checkpoint", "latest", "42").code == 1
    assert jobrun("checkpoint", "latest", "42").out == ""
    assert jobrun("checkpoint", "list", "42").err == "No checkpoint is kept.\n"
    (own / "sub" / "model_step_30.pt").unlink()
    assert jobrun("checkpoint", "latest", "41").out == f"{own}/model_step_20.pt\n"


def test_of_a_directory_that_runs_share(tmp_path: Path, jobrun: Callable[..., object]) -> None:
    runs_of(tmp_path / "state", Checkpoint(dir=f"{tmp_path}/models/${{JOBRUN_JOB}}"), 41, 42)
    shared = tmp_path / "models" / "train"
    keep(shared, ("a", 10, 41), ("b", 20, 42), ("c", 30, 41))
    told = json.loads(jobrun("checkpoint", "list", "41", "--json").out)["checkpoints"]
    assert [item["step"] for item in told] == [10, 30]
    assert jobrun("checkpoint", "latest", "42").out == f"{shared}/b\n"


def test_a_directory_that_cannot_be_told(tmp_path: Path, jobrun: Callable[..., object]) -> None:
    runs_of(tmp_path / "state", Checkpoint(dir="${NOT_SET_HERE}/x"), 41)
    said = jobrun("checkpoint", "list", "41")
    assert said.code == 1
    assert "checkpoint.dir uses ${NOT_SET_HERE}, which is not set" in said.err


def test_what_a_job_wrote_into_its_index_is_not_believed(
    tmp_path: Path, jobrun: Callable[..., object]
) -> None:
    state = tmp_path / "state"
    runs_of(state, Checkpoint(), 41)
    own = state / "checkpoints" / "train" / "41"
    odd = [
        {"step": 1, "file": "../../../../etc/passwd", "at": "x"},
        {"step": 1, "file": "/etc/passwd", "at": "x"},
        {"step": "one", "file": "a", "at": "x"},
        {"step": 2, "file": "a", "at": "whenever", "meta": [1]},
        7,
    ]
    keep(own, ("a", 1, 41), more=odd)
    told = json.loads(jobrun("checkpoint", "list", "41", "--json").out)["checkpoints"]
    seen = [(item["step"], item["at"] is None, item["run"], item["meta"]) for item in told]
    assert seen == [(1, False, 41, {"loss": 0.5}), (2, True, None, {})]
    assert jobrun("checkpoint", "list", "41").code == 0
    (own / "index.json").write_text("nonsense")
    assert jobrun("checkpoint", "list", "41").err == "No checkpoint is kept.\n"
