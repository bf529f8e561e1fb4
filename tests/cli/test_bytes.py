"""Bytes that are not UTF-8: refused in words, in one sentence; kept in the paths of files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

# As Python has the byte 0xfc of a command line: "ü" of a Latin-1 terminal.
BYTE = "\udcfc"


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (["run", BYTE], "JOB"),
        (["logs", BYTE], "RUN|JOB"),
        (["history", BYTE], "JOB"),
        (["history", "-q", BYTE], "--queue"),
        (["why", BYTE], "JOB"),
        (["status", BYTE], "JOB"),
        (["cancel", BYTE], "RUN|JOB"),
        (["result", BYTE], "RUN|JOB"),
        (["show", BYTE], "JOB|RUN"),
        (["pause", BYTE], "JOB"),
        (["pause", "backup", "--reason", BYTE], "--reason"),
        (["add", "x", "--description", BYTE, "--", "true"], "--description"),
        (["add", "x", "--", "echo", BYTE], "CMD"),
        (["submit", "--", BYTE], "CMD"),
        (["submit", "--python", f"{BYTE}.py"], "--python"),
        (["run", "backup", "-e", f"A={BYTE}"], "--env"),
    ],
)
def test_a_word_that_is_not_utf8_is_refused(
    words: list[str], label: str, state: Path, process: Callable[..., object]
) -> None:
    said = process(*words)
    assert (said.code, said.out) == (2, "")
    sentence, hint = said.err.splitlines()
    assert sentence.startswith(f"jobrun: {label}: ")
    assert sentence.endswith(" is not UTF-8.")
    assert "\\xfc" in sentence
    assert hint.startswith("  hint: ")


@pytest.mark.parametrize(
    "words",
    [
        ["submit", "--cwd", f"/tmp/{BYTE}", "--", "true"],
        ["submit", "--python", "a:b", "--interpreter", f"/tmp/{BYTE}"],
        ["run", "backup", "--resume-from", f"{BYTE}/jobs.toml"],
        ["run", "backup", "-e", "WORD"],
        ["add", "x", "--cwd", f"/tmp/{BYTE}", "--", "true"],
    ],
)
def test_what_is_kept_has_to_be_text(
    words: list[str],
    state: Path,
    process: Callable[..., object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A path or a value of the environment that goes to the daemon, or into a job file."""
    (tmp_path / BYTE).mkdir()
    (tmp_path / BYTE / "jobs.toml").touch()
    (tmp_path / "jobs.toml").touch()
    monkeypatch.chdir(tmp_path)
    said = process(*words, WORD=BYTE)
    assert said.code == 2
    assert "\\xfc" in said.err.splitlines()[0]
    assert "is not UTF-8" in said.err.splitlines()[0]
    assert not (tmp_path / "jobs.d").exists()


@pytest.mark.parametrize("option", ["--arg", "--kwarg"])
def test_half_a_surrogate_pair_is_no_value(
    option: str, state: Path, process: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "jobs.toml").touch()
    value = '"\\ud800"' if option == "--arg" else 'x="\\ud800"'
    for words in (["add", "x"], ["submit"]):
        said = process(*words, "--python", "a:b", option, value)
        assert said.code == 2
        assert "half of a surrogate pair" in said.err


def test_paths_of_files_may_be_any_bytes(process: Callable[..., object], tmp_path: Path) -> None:
    """--config and --state-dir; files that are only read (--data @FILE, --bulk) are found too."""
    place = tmp_path / BYTE
    config = str(place / "jobs.toml")
    general = ("--config", config, "--state-dir", str(place / "state"))
    assert process(*general, "init").code == 0
    assert process(*general, "add", "nightly", "--cron", "@daily", "--", "true").code == 0
    assert "nightly" in process(*general, "list").out
    assert "\\xfc" in process(*general, "show", "nightly").out
    assert json.loads(process(*general, "check", "--json").out)["config"] == config
    (place / "data").write_text("{}")
    for words in (("--data", f"@{place}/data"), ("--bulk", f"{place}/data")):
        said = process(*general, "run", "nightly", *words)
        assert (said.code, "No daemon answers" in said.err) == (3, True)
