"""Completion as the shells do it: commands, options, values, names out of the store."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_ASK_BASH = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
compopt() { :; }
_jobrun
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def path_with_jobrun(tmp_path: Path) -> str:
    """A PATH whose `jobrun` is this one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    launcher = folder / "jobrun"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobrun "$@"\n')
    launcher.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def in_bash(path: str, *words: str, **environment: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", _ASK_BASH, "bash", str(ROOT / "completions" / "jobrun.bash"), *words],
        env={**os.environ, "PATH": path, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash(path_with_jobrun: str, state: Path) -> None:
    def ask(*words: str) -> list[str]:
        return in_bash(path_with_jobrun, "jobrun", *words, JOBRUN_STATE_DIR=str(state))

    assert ask("st") == ["status", "stop"]
    assert ask("--st") == ["--state-dir"]
    assert ask("show", "b") == ["backup"]
    assert ask("cancel", "") == [str(run) for run in range(9, 0, -1)] + [
        "backup",
        "manual",
        "mirror",
        "old",
        "poll",
        "report",
    ]
    assert ask("history", "--queue", "") == ["default", "net"]
    assert ask("history", "--outcome", "=", "s") == ["succeeded", "skipped"]
    assert ask("history", "--out") == ["--outcome"]
    assert ask("completion", "z") == ["zsh"]
    assert ask("checkpoint", "") == ["save", "list", "latest"]
    assert ask("result", "b") == ["backup"]
    assert ask("retry", "--f") == ["--failed"]
    assert ask("re") == ["remove", "resume", "result", "retry", "retry-me", "reload"]
    assert "README.md" in ask("run", "backup", "--resume-from", "READ")
    assert "ls" in ask("submit", "--", "ls")
    assert ask("nonsense", "x") == []


def test_bash_minds_the_state_dir_in_the_line(path_with_jobrun: str, state: Path, tmp_path: Path) -> None:
    empty = {"JOBRUN_STATE_DIR": str(tmp_path / "none")}
    assert in_bash(path_with_jobrun, "jobrun", "show", "b", **empty) == []
    line = ("jobrun", "--state-dir", str(state), "show", "b")
    assert in_bash(path_with_jobrun, *line, **empty) == ["backup"]
    line = ("jobrun", "--state-dir", "=", str(state), "show", "b")
    assert in_bash(path_with_jobrun, *line, **empty) == ["backup"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(path_with_jobrun: str, state: Path) -> None:
    def ask(line: str) -> list[str]:
        script = f"source completions/jobrun.fish; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            env={**os.environ, "PATH": path_with_jobrun, "JOBRUN_STATE_DIR": str(state)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [text.split("\t")[0] for text in done.stdout.splitlines()]

    assert ask("jobrun st") == ["status", "stop"]
    assert ask("jobrun show b") == ["backup"]
    assert ask("jobrun logs ")[0] == "1" or "9" in ask("jobrun logs ")
    assert ask("jobrun history --queue n") == ["net"]
    assert "--outcome" in ask("jobrun history --out")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(path_with_jobrun: str, state: Path) -> None:
    """zsh completes only in its line editor; its words are asked for through a stand-in of `_describe`."""
    script = r"""
        compdef() { :; }
        _describe() { print -rl -- ${(P)@[-1]} }
        source completions/_jobrun
        words=(jobrun show b); CURRENT=3; _jobrun
        words=(jobrun history --outcome s); CURRENT=4; _jobrun
        words=(jobrun history --ou); CURRENT=3; _jobrun
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", script],
        env={**os.environ, "PATH": path_with_jobrun, "JOBRUN_STATE_DIR": str(state)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert "backup:job" in lines
    assert "succeeded" in lines
    assert any(line.startswith("--outcome:Only runs that ended like this") for line in lines)


@pytest.mark.parametrize("words", [["jobs"], ["nonsense"], [], ["runs", "--", "--state-dir"]])
def test_trouble_offers_nothing_and_says_nothing(
    words: list[str], process: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "jobrun.db").write_bytes(b"not a database at all")
    said = process("_complete", *words)
    assert (said.out, said.err) == ("", "")


def test_the_script_is_what_is_checked_in(jobrun: Callable[..., object]) -> None:
    assert jobrun("completion", "bash").out == (ROOT / "completions" / "jobrun.bash").read_text()
