"""The repository itself: no traces of a machine, no dead links, nothing stale, nothing huge."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# In pieces, so that this file passes its own test.
TRACES = re.compile("|".join(("/wo" + "rk/", "/root/" + r"\.")))
REGISTRIES = re.compile(
    "|".join(("pypi" + r"\.org", "python" + "hosted", "test" + r"\.pypi", "anaconda" + r"\.org"))
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def tracked() -> list[Path]:
    """What belongs to the repository: what git knows, or in a bare copy whatever is not made by `make`."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = re.compile(
        r"(^|/)(\.venv|\.matrix|build|dist|__pycache__|\.\w+_cache|\.hypothesis|.*\.egg-info|\.git)/"
    )
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in files if not made.search(f"{path.relative_to(ROOT)}")]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT), path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


TEXTS = texts()


def test_the_repository_was_found():
    names = {str(path) for path, _ in TEXTS}
    assert {"README.md", "Makefile", ".ci/run", "jobrun/domain/run.py", "LICENSE"} <= names


def test_no_path_of_a_machine_and_no_registry():
    found = [f"{path}: {match[0]}" for path, text in TEXTS for match in TRACES.finditer(text)]
    found += [f"{path}: {match[0]}" for path, text in TEXTS for match in REGISTRIES.finditer(text)]
    assert found == []


def test_every_local_link_leads_somewhere():
    dead = []
    for path, text in TEXTS:
        if path.suffix != ".md":
            continue
        dead += [f"{path}: {link}" for link in LINK.findall(text) if not (ROOT / path.parent / link).exists()]
    assert dead == []


def test_files_end_with_a_newline_and_hold_no_conflict():
    bad = []
    for path, text in TEXTS:
        if text and not text.endswith("\n") and path.suffix not in (".json", ".jsonl", ".sql"):
            bad.append(f"{path}: no newline at the end")
        if re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE):
            bad.append(f"{path}: a merge conflict")
    assert bad == []


def test_nothing_is_huge():
    assert [str(path) for path in tracked() if path.stat().st_size > 500_000] == []


@pytest.mark.slow
def test_generated_files_are_fresh_and_make_knows_how_to_make_them():
    done = subprocess.run(
        [sys.executable, "tools/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for target in ("generate", "format"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_script_can_be_executed():
    for path, text in TEXTS:
        if text.startswith("#!"):
            assert (ROOT / path).stat().st_mode & 0o111, f"{path} has #! but is not executable"
