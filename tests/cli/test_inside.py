"""What jobs say by commands: the quick way and the command tree do the same, and both are told apart."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.cli.inside import at_once
from jobrun.domain.instants import SECOND
from jobrun.proc.checkpoints import read_index
from jobrun.proc.spool import read_notes
from jobrun.task.notes import forget_notes


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a running job; its notes file is returned."""
    notes = tmp_path / "7.1.notes"
    monkeypatch.setenv("JOBRUN_NOTES", str(notes))
    monkeypatch.setenv("JOBRUN_RUN_ID", "7")
    monkeypatch.setenv("JOBRUN_ATTEMPT", "1")
    monkeypatch.setenv("JOBRUN_CHECKPOINT_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("JOBRUN_CHECKPOINT_KEEP", "2")
    return notes


PLAIN = [
    (("progress", "40"), (40.0, None, {})),
    (("progress", "12.5%"), (12.5, None, {})),
    (("progress", "140"), (100.0, None, {})),
    (("progress", "--of", "3/12"), (25.0, None, {})),
    (("progress", "--of=12/12", "--state", "pack"), (100.0, "pack", {})),
    (("progress", "--of", "0/0"), (100.0, None, {})),
    (("progress", "--state", "warming up"), (None, "warming up", {})),
    (
        ("progress", "1", "--meta", "epoch=12", "--meta", "where=a=b", "--meta", "on=true"),
        (1.0, None, {"epoch": 12, "where": "a=b", "on": True}),
    ),
]


@pytest.mark.parametrize(("words", "expected"), PLAIN)
def test_progress(
    words: tuple[str, ...], expected: tuple[object, ...], inside: Path, jobrun: Callable[..., object]
) -> None:
    """`--utc` is nothing the quick way knows: with it the command tree does the work."""
    for line in (words, (*words, "--utc")):
        forget_notes()
        inside.unlink(missing_ok=True)
        assert at_once(line) == (0 if line is words else None)
        if line is not words:
            said = jobrun(*line)
            assert (said.code, said.out, said.err) == (0, "", "")
        progress, _ = read_notes(inside)
        assert progress is not None
        assert (progress.percent, progress.state, progress.meta) == expected


def test_a_wish_for_a_retry_leaves_the_progress(inside: Path, jobrun: Callable[..., object]) -> None:
    assert at_once(["progress", "40"]) == 0
    assert at_once(["retry-me", "--in", "1h30m"]) == 0
    progress, wait = read_notes(inside)
    assert (progress.percent, wait) == (40.0, 5400 * SECOND)
    assert jobrun("retry-me", "--in", "2").code == 0
    assert at_once(["progress", "50"]) == 0
    progress, wait = read_notes(inside)
    assert (progress.percent, wait) == (50.0, 2 * SECOND)


WRONG = [
    (["progress"], 2, "Say how far the run is."),
    (["progress", "half"], 2, '"half" is not a percentage.'),
    (["progress", "nan"], 2, '"nan" is not a percentage.'),
    (["progress", "40", "--of", "3/12"], 2, "not both"),
    (["progress", "40", "50"], 2, "unexpected extra argument"),
    (["progress", "--of", "3"], 2, '--of "3" is not DONE/ALL.'),
    (["progress", "--of", "3/x"], 2, '--of "3/x" is not DONE/ALL.'),
    (["progress", "40", "--meta", "epoch"], 2, '--meta "epoch" is not NAME=VALUE.'),
    (["progress", "40", "--meta", "state=x"], 2, "--meta cannot be called state."),
    (["progress", "40", "--staet", "x"], 2, "There is no option --staet."),
    (["progress", "-5"], 2, "There is no option -5."),
    (["retry-me"], 2, 'Missing option "--in"'),
    (["retry-me", "--in", "soon"], 2, '--in: "soon" is not a wait'),
    (["checkpoint", "save"], 2, "Name the file and its step."),
    (["checkpoint", "save", "x"], 2, "Name the file and its step."),
    (["checkpoint", "save", "x", "--step", "two"], 2, '--step "two" is not a whole number.'),
    (["checkpoint", "save", "nothing.pt", "--step", "2"], 1, "nothing.pt: No such file or directory."),
    (["checkpoint", "latest", "x"], 2, '"x" is not the number of a run.'),
    (["checkpoint", "latest", "99"], 5, "There is no run 99."),
    (["checkpoint", "list", "--step", "3"], 2, "--step and --meta go with"),
    (["checkpoint", "keep", "x"], 2, "is not one of"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), WRONG)
def test_what_is_wrong_is_left_to_the_tree_and_said(
    words: list[str], code: int, sentence: str, inside: Path, jobrun: Callable[..., object]
) -> None:
    assert at_once(words) is None
    said = jobrun(*words)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert said.err.startswith("jobrun: ")
    assert not inside.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["progress", "40"],
        ["retry-me", "--in", "60s"],
        ["checkpoint", "save", "x", "--step", "1"],
        ["checkpoint", "latest"],
        ["checkpoint", "list"],
    ],
)
def test_outside_a_job(
    words: list[str], jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JOBRUN_NOTES", "JOBRUN_RUN_ID", "JOBRUN_CHECKPOINT_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert at_once(words) is None
    said = jobrun(*words)
    assert (said.code, said.out) == (2, "")
    assert "not inside" in said.err


def test_checkpoints_are_saved_listed_and_found(
    inside: Path, jobrun: Callable[..., object], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    kept = tmp_path / "kept"
    assert at_once(["checkpoint", "latest"]) == 1
    assert jobrun("checkpoint", "latest").code == 1
    assert "No checkpoint" in jobrun("checkpoint", "list").err
    model = tmp_path / "model.pt"
    paths = []
    for step in (10, 20, 30):
        model.write_text(str(step))
        said = jobrun("checkpoint", "save", str(model), "--step", str(step), "--meta", "loss=0.5")
        paths.append(said.out.strip())
    assert [entry["step"] for entry in read_index(kept)] == [20, 30]
    assert [Path(path).exists() for path in paths] == [False, True, True]
    assert jobrun("checkpoint", "latest").out == f"{paths[-1]}\n"
    told = json.loads(jobrun("checkpoint", "list", "--json").out)["checkpoints"]
    assert [(item["step"], item["path"], item["run"], item["meta"]) for item in told] == [
        (20, paths[1], 7, {"loss": 0.5}),
        (30, paths[2], 7, {"loss": 0.5}),
    ]
    listed = jobrun("checkpoint", "list").out.splitlines()
    assert listed[0].split() == ["STEP", "SAVED", "RUN", "ATTEMPT", "META", "PATH"]
    assert listed[2].split()[2:] == ["7", "1", "loss=0.5", paths[2]]
    model.write_text("40")
    capsysbinary.readouterr()
    assert at_once(["checkpoint", "save", str(model), "--step", "40"]) == 0
    quick = capsysbinary.readouterr().out.decode().strip()
    assert at_once(["checkpoint", "latest"]) == 0
    assert capsysbinary.readouterr().out.decode().strip() == quick
    assert Path(quick).read_text() == "40"


def test_a_job_without_checkpoints(
    inside: Path, jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOBRUN_CHECKPOINT_DIR")
    said = jobrun("checkpoint", "save", __file__, "--step", "1")
    assert said.code == 2
    assert "This job keeps no checkpoints." in said.err
    assert jobrun("checkpoint", "latest").code == 1
    monkeypatch.setenv("JOBRUN_RESUME_FROM", "/srv/best.pt")
    assert jobrun("checkpoint", "latest").out == "/srv/best.pt\n"


def test_progress_never_fails_a_job(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBRUN_NOTES", "/nonexistent/notes")
    assert at_once(["progress", "40"]) == 0


_LIST = """
import json, sys
from jobrun.__main__ import main
sys.argv = ["jobrun", *sys.argv[1:]]
code = main()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("progress", "--of", "3/12", "--state", "x", "--meta", "k=1"), set()),
        (("retry-me", "--in", "60s"), set()),
        (("checkpoint", "latest"), {"jobrun.task.checkpoint"}),
    ],
)
def test_the_quick_way_loads_this_and_no_more(words: tuple[str, ...], more: set[str], inside: Path) -> None:
    """Called in loops: what is loaded is what it costs."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST, *words],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    modules = set(json.loads(done.stderr.splitlines()[-1])[1])
    own = {name for name in modules if name.partition(".")[0] == "jobrun"}
    task = {f"jobrun.task.{name}" for name in ("context", "notes", "outcomes", "results", "stopping")}
    base = {"jobrun", "jobrun.__main__", "jobrun.cli", "jobrun.cli.inside"}
    base |= {"jobrun.domain", "jobrun.domain.errors", "jobrun.task"}
    assert own == base | task | more
    assert not modules & {"typer", "dataclasses", "sqlite3", "inspect", "asyncio", "subprocess"}
