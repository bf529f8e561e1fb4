"""A user's daemon in its usual places, and who finds it there. Its socket is in the session's directory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import until

# Root has other places than everybody else, whom the tests may not be able to become.
AS_A_USER = (
    sys.executable,
    "-c",
    "import os, sys; os.getuid = lambda: 4321; from jobrun.__main__ import main; sys.exit(main())",
)


class Home:
    """A home with a session's directory; `environ` is that of a login, `outside` that of su or cron."""

    def __init__(self, home: Path) -> None:
        self.state = home / ".local/state/jobrun"
        self.runtime = home / "run"
        self.config = home / ".config/jobrun/jobs.toml"
        self.config.parent.mkdir(parents=True)
        self.runtime.mkdir()
        self.outside = {"HOME": str(home), "PATH": os.environ["PATH"], "NO_COLOR": "1"}
        self.environ = {**self.outside, "XDG_RUNTIME_DIR": str(self.runtime)}
        self.daemon: subprocess.Popen[bytes] | None = None

    def write(self, job_file: str) -> None:
        self.config.write_text(job_file)

    def start(self, environ: dict[str, str]) -> None:
        self.daemon = subprocess.Popen(
            [*AS_A_USER, "daemon"],
            env=environ,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: self.cli(environ, "status").startswith("The daemon is running"), "the daemon")

    def cli(self, environ: dict[str, str], *words: str) -> str:
        done = subprocess.run(
            [*AS_A_USER, *words],
            env=environ,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def kill(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()


@pytest.fixture
def home() -> Iterator[Home]:
    # Not below tmp_path: a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="jobrun-") as directory:
        home = Home(Path(directory))
        yield home
        if home.daemon is not None and home.daemon.poll() is None:
            home.kill()


def test_a_daemon_is_found_without_the_sessions_directory(home):
    """su, sudo -u, cron and a job have no XDG_RUNTIME_DIR."""
    programs = Path(sys.executable).parent
    home.write(f'[jobs.ask]\ncommand = "jobrun status"\nenv.PATH = "{programs}:${{PATH}}"\n')
    home.start(home.environ)
    assert (home.runtime / "jobrun/control.sock").is_socket()
    assert home.cli(home.outside, "status").startswith("The daemon is running")
    named = home.cli(home.outside, "--state-dir", str(home.state), "run", "ask", "--wait")
    assert "succeeded" in named
    assert home.cli(home.outside, "logs", "ask").startswith("The daemon is running")
    assert "The daemon has stopped." in home.cli(home.outside, "stop")
    assert not os.path.lexists(home.state / "control.sock")


def test_a_daemon_without_a_session_is_found_from_one(home):
    """Whatever an earlier daemon left behind, here a dead socket in the session and a link to it."""
    home.write("")
    home.start(home.environ)
    home.kill()
    assert (home.state / "control.sock").is_symlink()
    assert home.cli(home.environ, "status").startswith("The daemon is not running")
    home.start(home.outside)
    assert not (home.state / "control.sock").is_symlink()
    assert home.cli(home.environ, "status").startswith("The daemon is running")
    home.kill()
    home.start(home.environ)
    assert home.cli(home.outside, "status").startswith("The daemon is running")


def test_a_link_that_somebody_removed_is_made_again(home):
    home.write("")
    home.start(home.environ)
    link = home.state / "control.sock"
    link.unlink()
    until(link.is_symlink, "the link")
    until(lambda: home.cli(home.outside, "status").startswith("The daemon is running"), "an answer")


def test_a_file_in_place_of_the_link_is_left_alone(home):
    home.write("")
    home.state.mkdir(parents=True)
    other = home.state / "control.sock"
    other.write_text("mine")
    home.daemon = subprocess.Popen(
        [*AS_A_USER, "daemon"],
        env=home.environ,
        stderr=subprocess.PIPE,
        cwd="/",
        text=True,
    )
    lines = iter(home.daemon.stderr.readline, "")
    said = next(line for line in lines if "control.unlinked" in line or "daemon.started" in line)
    assert "control.unlinked" in said
    assert other.read_text() == "mine"
