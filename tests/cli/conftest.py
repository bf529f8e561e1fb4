"""What the tests of the command line share."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from filled import NOON, fill


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host's zone is UTC, and nothing of the developer's environment shines through."""
    for name in ("JOBRUN_CONFIG", "JOBRUN_STATE_DIR", "JOBRUN_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LOGNAME", "alice")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass(frozen=True)
class Said:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with the filled store; no daemon."""
    directory = tmp_path / "state"
    fill(directory)
    return directory


@pytest.fixture
def jobrun(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Run a command line in this process, at noon of 1 March 2026, in this test's directories."""
    from jobrun.cli.gate import run

    monkeypatch.setenv("JOBRUN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("JOBRUN_CONFIG", str(tmp_path / "jobs.toml"))
    monkeypatch.setattr(time, "time_ns", lambda: NOON * 1000)

    def call(*words: str) -> Said:
        capsysbinary.readouterr()
        code = run(list(words))
        printed = capsysbinary.readouterr()
        return Said(int(code), printed.out.decode(errors="replace"), printed.err.decode(errors="replace"))

    return call


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Said]:
    """Run a command line as a process of its own."""

    def call(*words: str, **more: str) -> Said:
        environment = {
            **os.environ,
            "JOBRUN_STATE_DIR": str(tmp_path / "state"),
            "JOBRUN_CONFIG": str(tmp_path / "jobs.toml"),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "jobrun", *words],
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode())

    return call
