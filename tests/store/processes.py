"""Other processes on the same database, for the store's tests."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def is_root() -> bool:
    return os.geteuid() == 0


@contextmanager
def another(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process running `code`; it says `ready` on stdout, and goes on or ends by its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def run_python(code: str, *arguments: object) -> str:
    """The output of a Python process running `code` to its end."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    ).stdout


def as_nobody(question: Callable[[], object]) -> object:
    """What the question answers in a child that has dropped root's rights. Needs root."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            answer = question()
        except BaseException as error:  # noqa: BLE001 - it travels to the parent
            answer = error
        os.write(writing, pickle.dumps(answer))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        return pickle.loads(pipe.read())


@contextmanager
def small_volume(directory: Path, size: str = "2M") -> Iterator[Path]:
    """A tmpfs of that size mounted below the directory. Needs root and the right to mount."""
    point = directory / "volume"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "jobrun-test", point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)


def can_mount(directory: Path) -> bool:
    """Whether this process may mount a tmpfs."""
    if not is_root():
        return False
    point = directory / "probe"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "probe", point], capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", point], check=True)
    return True


FILL = """
import sys
from pathlib import Path
from store.lives import a_ledger, finished, queued, RunCreated
ledger = a_ledger(Path(sys.argv[1]))
ledger.commit(finished(queued(1)))
ledger.commit([RunCreated(queued(2))])
print("ready", flush=True)
sys.stdin.readline()
"""
"""Makes a store with runs 1 (done) and 2 (queued), then stays, its database open."""
