"""What is generated is fresh, and good enough for the tools that read it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("jobrun.1", "jobrun-daemon.8", "jobs.toml.5")


def test_generated_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing(page: str) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", str(ROOT / "man" / page)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_a_page_reads_as_it_should() -> None:
    done = subprocess.run(
        ["mandoc", "-T", "ascii", str(ROOT / "man" / "jobrun.1")],
        capture_output=True,
        timeout=60,
        check=True,
    )
    text = subprocess.run(["col", "-b"], input=done.stdout, capture_output=True, check=True).stdout.decode()
    assert "jobrun add backup --cron '0 3 * * *' --timeout 2h -- 'pg_dump app | zstd" in text
    assert "-o, --outcome succeeded|failed|timed_out|cancelled|skipped|lost" in text


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", "jobrun.bash"), ("zsh", "_jobrun"), ("fish", "jobrun.fish")],
)
def test_the_shell_can_read_its_completion(shell: str, file: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-n", str(ROOT / "completions" / file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
