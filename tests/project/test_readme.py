"""Every command that README.md shows is run, and prints what README.md says it prints.

Blocks marked `console` are typed into one shell, in order, in an empty home
directory. Output lines are compared; `…` stands for anything, as does a block
that shows no output. Blocks marked `sh` are not run here: each of their lines
is named below with the place that runs it. Blocks marked `toml` are checked.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from project.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a test cannot type, and which test or script shows that it works.
ELSEWHERE = {
    "pip install .": "tests/project/test_package.py",
    "make demo": "tests/project/test_demo.py",
    "make test": ".ci/run",
    "make setup": ".ci/run",
    "make lint": ".ci/run",
    "make format": "tests/project/test_hygiene.py",
    "make generate": "tests/project/test_hygiene.py",
    "install -m 644 systemd/jobrun.service /etc/systemd/system/": "tests/project/test_units.py",
    "systemctl daemon-reload": "tests/project/test_units.py",
    "systemctl enable --now jobrun": "tests/project/test_units.py",
}


@dataclass
class Typed:
    """A command and the output that the page shows under it."""

    command: str
    output: list[str] = field(default_factory=list)


def blocks(page: str, kind: str) -> list[str]:
    return [body for found, body in BLOCK.findall((ROOT / page).read_text("utf-8")) if found == kind]


def typed() -> list[Typed]:
    found: list[Typed] = []
    for block in blocks("README.md", "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Typed(line[2:]))
            else:
                found[-1].output.append(line)
    return found


def pattern(lines: list[str]) -> re.Pattern[str]:
    """The shown output as a pattern; `…` is anything."""
    return re.compile(re.escape("\n".join(lines)).replace("…", ".*"), re.DOTALL)


@pytest.mark.slow
def test_every_command_of_the_readme_does_what_it_says(tmp_path):
    environ = {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JOBRUN_CONFIG": str(tmp_path / "jobs.toml"),
        "JOBRUN_STATE_DIR": str(tmp_path / "state"),
    }
    daemon = None
    commands = typed()
    assert len(commands) > 20
    try:
        for one in commands:
            if one.command.endswith("&"):
                words = shlex.split(one.command.rstrip("& "))
                log = (tmp_path / "daemon.log").open("wb")
                daemon = subprocess.Popen(words, env=environ, cwd=tmp_path, stdout=log, stderr=log)
                wait_until((tmp_path / "state" / "control.sock").exists, "the control socket")
                continue
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", one.command],
                env=environ,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = (done.stdout + done.stderr).strip()
            assert done.returncode == 0, f"{one.command}\n{said}"
            assert "Traceback" not in said
            if one.output:
                assert pattern(one.output).fullmatch(said), (
                    f"{one.command} printed\n{said}\nnot\n{one.output}"
                )
        assert daemon is not None
        assert daemon.wait(30) == 0
    finally:
        if daemon is not None and daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def test_a_shown_output_that_differs_is_seen():
    assert pattern(["Wrote …/jobs.toml.", "…"]).fullmatch("Wrote /a/jobs.toml.\nNext: check")
    assert not pattern(["…: 1 job, no problem."]).fullmatch("f: 2 jobs, no problem.")
    assert pattern(["…"]).fullmatch("")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_other_command_is_tested_somewhere(page):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert lines
    assert [line for line in lines if line not in ELSEWHERE] == []
    assert [where for where in ELSEWHERE.values() if not (ROOT / where).exists()] == []


def test_no_block_escapes_the_tests():
    for page in ("README.md", "CONTRIBUTING.md"):
        kinds = {kind for kind, _ in BLOCK.findall((ROOT / page).read_text("utf-8"))}
        assert kinds <= {"console", "sh", "toml"}, page


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / page).read_text("utf-8")))
        assert named <= targets, page


def test_the_job_files_shown_are_right(tmp_path):
    shown = blocks("README.md", "toml")
    assert shown
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, "utf-8")
        words = [sys.executable, "-m", "jobrun", "--config", str(path), "check"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
