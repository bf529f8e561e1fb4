"""`pip install .` into an empty environment gives a `jobrun` that works."""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from project.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = re.compile(
    "name resolution|Network is unreachable|Connection (refused|timed out)|NewConnectionError"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a package is made of, so that building leaves no trace in the repository."""
    place = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "jobrun", place / "jobrun", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    return place


def pip(python: Path, *words: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_holds_everything_and_nothing_else(source, tmp_path):
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("jobrun-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "jobrun").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == wanted
    assert {"jobrun/py.typed", "jobrun/store/schema.sql", "jobrun/task/call.py"} <= packed
    assert any(name.endswith("LICENSE") for name in names)


@pytest.mark.slow
def test_an_installed_jobrun_works(source, tmp_path):
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    pip(home / "bin" / "python", "install", str(source))
    jobrun = home / "bin" / "jobrun"

    def say(*words: str) -> str:
        places = ["--config", str(tmp_path / "jobs.toml"), "--state-dir", str(tmp_path / "state")]
        done = subprocess.run(
            [jobrun, *places, *words], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.fullmatch(r"(jobrun )?\d+\.\d+\.\d+\S*\n", say("--version"))
    say("init")
    say("check")
    words = [
        jobrun,
        "--config",
        str(tmp_path / "jobs.toml"),
        "--state-dir",
        str(tmp_path / "state"),
        "daemon",
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as daemon:
        try:
            wait_until(
                lambda: (tmp_path / "state" / "control.sock").exists() or daemon.poll() is not None,
                "the daemon",
            )
            assert daemon.poll() is None, daemon.stderr.read()
            say("run", "hello", "--wait")
            assert "Hello from jobrun" in say("logs", "hello")
            say("stop")
            assert daemon.wait(30) == 0
        finally:
            if daemon.poll() is None:
                daemon.kill()
