#!/usr/bin/env python3
"""Run the tests under every supported Python that this machine has; arguments go to pytest.

Interpreters are looked for on the PATH and among pyenv's versions. Each gets
its own environment in `.matrix/`. The exit code is 1 if any of them fails, or
if there is none.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")


def find_interpreter(version: str) -> Path | None:
    """An interpreter of that minor version that really is one, or None."""
    candidates = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python3"), reverse=True)
    for candidate in candidates:
        question = "import sys; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    return None


def run_tests(interpreter: Path, version: str, arguments: list[str]) -> bool:
    """Whether the tests pass under this interpreter."""
    environment = ROOT / ".matrix" / version
    python = environment / "bin" / "python"
    steps: list[list[str | Path]] = [
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[dev]"],
        [python, "-m", "pytest", *arguments],
    ]
    if not python.exists():
        steps.insert(0, [interpreter, "-m", "venv", environment])
    return all(subprocess.run(step, cwd=ROOT, check=False).returncode == 0 for step in steps)


def main() -> int:
    """Run all of them, then print one line for each."""
    results = {}
    for version in VERSIONS:
        interpreter = find_interpreter(version)
        if interpreter is None:
            results[version] = "not on this machine"
            continue
        print(f"--- Python {version} ({interpreter})", flush=True)
        results[version] = "passed" if run_tests(interpreter, version, sys.argv[1:]) else "failed"
    for version, result in results.items():
        print(f"Python {version}: {result}")
    return 0 if "passed" in results.values() and "failed" not in results.values() else 1


if __name__ == "__main__":
    sys.exit(main())
