"""What a command costs to start: `jobrun status` beside `python -c "import typer"`, in one run.

    python bench/startup.py [--runs 25]

Prints the least user and system time of each, in milliseconds, and the ratio.
Bytecode is compiled first: without it, only our own modules would be compiled
anew at every start.
"""

import argparse
import compileall
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import jobrun


def least_cpu(command: list[str], runs: int) -> float:
    """The least CPU time of a command over a number of runs, in seconds."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    least = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=25)
    runs = parser.parse_args().runs
    compileall.compile_dir(str(Path(jobrun.__file__).parent), quiet=1)
    with tempfile.TemporaryDirectory() as directory:
        places = ["--config", f"{directory}/jobs.toml", "--state-dir", f"{directory}/state"]
        Path(directory, "jobs.toml").write_text("")
        status = [sys.executable, "-m", "jobrun", *places, "status"]
        least = {"import typer": least_cpu([sys.executable, "-c", "import typer"], runs)}
        least["jobrun status"] = least_cpu(status, runs)
    for name, seconds in least.items():
        print(f"{name:<14} {seconds * 1000:6.1f} ms")
    print(f"ratio          {least['jobrun status'] / least['import typer']:6.2f}")


if __name__ == "__main__":
    main()
