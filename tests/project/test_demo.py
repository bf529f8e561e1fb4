"""`make demo` shows what it promises, in under a minute, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def processes_of(state: str) -> list[str]:
    mark = f"JOBRUN_STATE_DIR={state}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_the_demonstration():
    begin = time.monotonic()
    words = [sys.executable, str(ROOT / "tools" / "demo.py")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - begin < 60
    typed = re.findall(r"^\$ jobrun (\w+)", done.stdout, re.MULTILINE)
    assert {"check", "daemon", "run", "status", "history", "show", "logs", "stop"} <= set(typed)
    for word in ("succeeded", "failed", "timed_out", "overlap"):
        assert word in done.stdout
    state = re.search(r"JOBRUN_STATE_DIR=(\S+)", done.stdout)[1]
    assert not Path(state).exists()
    assert processes_of(state) == []


@pytest.mark.slow
def test_an_interrupted_demonstration_leaves_nothing():
    words = [sys.executable, "-u", str(ROOT / "tools" / "demo.py")]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as demo:
        state = ""
        for line in demo.stdout:
            if match := re.search(r"JOBRUN_STATE_DIR=(\S+)", line):
                state = match[1]
            if line.startswith("$ jobrun run sync"):
                break
        wait_until(lambda: processes_of(state), "the daemon")
        os.killpg(demo.pid, signal.SIGINT)
        demo.stdout.read()
        assert demo.wait(60) == 1
    assert not Path(state).exists()
    assert processes_of(state) == []


def test_the_demonstration_notices_what_is_left(tmp_path):
    """A check that never finds anything shows nothing."""
    sys.path.insert(0, str(ROOT))
    from tools.demo import Stage

    environ = {**os.environ, "JOBRUN_STATE_DIR": str(tmp_path)}
    with subprocess.Popen(["sleep", "60"], env=environ) as left:
        wait_until(lambda: Stage(tmp_path).left_running(), "the process to be seen")
        left.kill()
        left.wait()
        assert Stage(tmp_path).left_running() == []
