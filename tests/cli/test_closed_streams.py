"""Standard streams that were closed, or cannot be written to: no traceback, and what was asked is done."""

import subprocess
import sys
from pathlib import Path

import pytest
from live import LiveDaemon

from jobrun.domain.run import Outcome

CLOSED = [
    "jobrun: Bad file descriptor.",
    "  hint: The command was started with stdin or stdout closed, which it needs.",
]


def shell(closing: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with what a shell's `>&-` and the like do to it."""
    line = ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "jobrun", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("status", "--watch"),
        ("history",),
        ("list",),
        ("show", "backup"),
        ("show", "2"),
        ("logs", "1"),
        ("next",),
        ("doctor",),
        ("explain", "@daily"),
        ("completion", "bash"),
        ("schema",),
        ("--help",),
        ("--version",),
    ],
)
def test_a_closed_stdout_is_an_error_in_a_sentence(words: tuple[str, ...], state: Path) -> None:
    said = shell(">&-", "--state-dir", str(state), *words)
    assert (said.returncode, said.stderr.splitlines()) == (1, CLOSED)
    said = shell(">&- 2>&- <&-", "--state-dir", str(state), *words)
    assert (said.returncode, said.stdout, said.stderr) == (1, "", "")


def test_a_command_without_output_needs_no_stdout(tmp_path: Path) -> None:
    said = shell(">&-", "--config", str(tmp_path / "jobs.toml"), "--state-dir", str(tmp_path), "list")
    assert (said.returncode, "There are no jobs yet" in said.stderr) == (0, True)


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
def test_what_cannot_be_remarked_is_no_failure(closing: str, tmp_path: Path) -> None:
    places = ("--config", str(tmp_path / "jobs.toml"), "--state-dir", str(tmp_path / "state"))
    assert shell(closing, *places, "init").returncode == 0
    assert shell(closing, *places, "check").returncode == 0
    assert shell(closing, *places, "list").stdout.startswith("JOB")
    assert shell(closing, *places, "history").returncode == 0
    assert shell(closing, *places, "show", "99").returncode == 5
    assert shell(closing, *places, "statsu").returncode == 2


def test_completion_offers_nothing_and_says_nothing(state: Path) -> None:
    said = shell(">&-", "_complete", "jobs", "--", "--state-dir", str(state))
    assert (said.returncode, said.stdout, said.stderr) == (1, "", "")


def test_a_closed_stdin_is_not_an_empty_one(state: Path) -> None:
    for option in ("--data", "--bulk"):
        said = shell("<&-", "--state-dir", str(state), "run", "backup", option, "-")
        assert (said.returncode, said.stderr.splitlines()) == (1, CLOSED)


def test_what_was_asked_of_the_daemon_is_done(tmp_path: Path) -> None:
    """The daemon has no streams either: it serves, and no file of its state gets their numbers."""
    daemon = LiveDaemon(tmp_path, '[jobs.hello]\ncommand = "echo hello; echo error >&2"\n')
    daemon.prefix = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    daemon.start()
    try:
        assert daemon.process is not None
        for number in range(3):
            assert str(Path(f"/proc/{daemon.process.pid}/fd/{number}").readlink()) == "/dev/null"
        places = ("--config", str(daemon.config), "--state-dir", str(daemon.state))
        for words in (("run", "hello", "--wait"), ("run", "hello", "--follow"), ("pause", "hello")):
            said = shell(">&-", *places, *words)
            assert (said.returncode, "Traceback" in said.stderr) == (1, False)
            assert CLOSED[0] in said.stderr
        assert [daemon.done(number).status.outcome for number in (1, 2)] == [Outcome.SUCCEEDED] * 2
        job = daemon.history.job("hello")
        assert job is not None
        assert job.paused is not None
        assert daemon.cli("logs", "1").stdout == "hello\nerror\n"
    finally:
        daemon.stop()
        daemon.sweep()
