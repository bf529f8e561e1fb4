"""What a job puts where the daemon's files lie, or will lie: no other job and no daemon minds."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import LiveDaemon, until

from jobrun.domain.run import Cause, Outcome

CODE = """
import os, signal

def spool():
    return os.path.dirname(os.environ["JOBRUN_NOTES"])

def fence():
    return os.environ["JOBRUN_RUN_ID"] + "." + os.environ["JOBRUN_ATTEMPT"]

def pipe_for_status():
    path = f"{spool()}/{fence()}.status"
    os.unlink(path)
    os.mkfifo(path)
    os.kill(os.getpid(), signal.SIGKILL)

def pipe_for_next_worker():
    os.mkfifo(f"{spool()}/0.{int(os.environ['JOBRUN_WORKER']) + 1}.out")
    os.mkfifo(f"{spool()}/0.{int(os.environ['JOBRUN_WORKER']) + 1}.status")
    os.kill(os.getpid(), signal.SIGKILL)

def add(a, b):
    return a + b
"""
JOBS = """
[defaults]
python_path = ["{code}"]
cwd = "/"
{user}

[jobs.pipe_for_status]
python = "evil:pipe_for_status"

[jobs.pipe_for_next_worker]
python = "evil:pipe_for_next_worker"

[jobs.add]
python = "evil:add"
args = [1, 2]

[jobs.shell]
command = '{shell}'
attempts = 3

[jobs.reads]
command = 'cat "$JOBRUN_DATA"'
"""
SPOOL = 'cd "$(dirname "$JOBRUN_NOTES")"'


# The one of the tests may lie where only their own account comes to.
OTHERS_PYTHON = Path("/usr/bin/python3")


class Hostile:
    """A daemon whose jobs all run under one account."""

    def __init__(self, home: Path, user: str) -> None:
        home.chmod(0o711)
        code = home / "code"
        code.mkdir()
        (code / "evil.py").write_text(CODE)
        for path in (code, code / "evil.py"):
            path.chmod(0o755)
        account = f'user = "{user}"\ninterpreter = "{OTHERS_PYTHON}"' if user else ""
        self._words = {"{code}": str(code), "{user}": account}
        self.live = LiveDaemon(home)
        self.shell("true")

    def shell(self, text: str) -> None:
        """What the job of that name does from the next start on."""
        told = JOBS.replace("{shell}", text)
        for word, meaning in self._words.items():
            told = told.replace(word, meaning)
        self.live.config.write_text(told)

    def outcome(self, job: str, **more: object) -> tuple[Outcome, Cause | None]:
        status = self.live.done(self.live.run(job, **more)).status
        return status.outcome, status.cause

    def begin_again(self) -> None:
        """The daemon ends when it is told to, and the next one starts."""
        assert self.live.stop() == 0
        self.live.start()


def can_be_nobody() -> bool:
    if os.geteuid() != 0:
        return False
    around = [OTHERS_PYTHON, *Path(__file__).resolve().parents]
    return all(path.exists() and path.stat().st_mode & 0o001 for path in around)


@pytest.fixture(params=["", "nobody"])
def hostile(request) -> Iterator[Hostile]:
    if request.param and not can_be_nobody():
        pytest.skip("only root has jobs of other accounts, which must come to the tree under test")
    home = Path(tempfile.mkdtemp(prefix="jobrun-hostile-"))
    found = Hostile(home, request.param)
    yield found
    if found.live.process is not None and found.live.process.poll() is None:
        found.live.process.kill()
        found.live.process.wait()
    found.live.sweep()
    shutil.rmtree(home)


def test_a_pipe_in_place_of_the_status_of_a_call(hostile: Hostile):
    hostile.live.start()
    assert hostile.outcome("pipe_for_status") == (Outcome.FAILED, Cause.SIGNAL)
    assert hostile.outcome("add") == (Outcome.SUCCEEDED, None)
    hostile.begin_again()
    assert hostile.outcome("add") == (Outcome.SUCCEEDED, None)


def test_a_pipe_in_place_of_the_files_of_the_next_worker(hostile: Hostile):
    hostile.live.start()
    assert hostile.outcome("pipe_for_next_worker") == (Outcome.FAILED, Cause.SIGNAL)
    assert hostile.outcome("add") == (Outcome.SUCCEEDED, None)
    until(lambda: "spool.odd" in hostile.live.log(), "the log to say so")


def test_a_pipe_in_place_of_the_next_runs_data(hostile: Hostile):
    hostile.shell(f"{SPOOL}; mkfifo 2.1.data; mkdir 3.1.data; ln -s /etc/hostname 4.1.data")
    before = Path("/etc/hostname").read_bytes()
    hostile.live.start()
    assert hostile.outcome("shell") == (Outcome.SUCCEEDED, None)
    for number in (2, 3, 4):
        run_id = hostile.live.run("reads", data={"n": number})
        assert run_id == number
        assert hostile.live.done(run_id).status.outcome is Outcome.SUCCEEDED
        assert hostile.live.history.outputs(run_id)[0].body == b'{"n":%d}' % number
    assert Path("/etc/hostname").read_bytes() == before


@pytest.mark.parametrize(
    "deed",
    [
        "ln -s /nonexistent 77.1.out",
        "ln -s /nonexistent 0.5.out",
        "mkdir 0.5.d 1.5.status 77.1.status",
        "mkdir -p 0.5.d/a 77.1.out/b",
        "touch 99999999999999999999.1.status 1.99999999999999999999.status 0.99999999999999999999.out",
        "mkfifo 77.1.status 1.7.status 0.7.status 1.1.report 1.1.stop",
        "ln -s / loop; ln -s . u7",
    ],
)
def test_names_that_are_no_files_of_ours_keep_no_daemon_from_starting(hostile: Hostile, deed: str):
    hostile.shell(f"{SPOOL}; {deed}")
    hostile.live.start()
    assert hostile.outcome("shell") == (Outcome.SUCCEEDED, None)
    hostile.live.kill()
    hostile.live.start()
    assert hostile.outcome("add") == (Outcome.SUCCEEDED, None)
    assert hostile.live.stop() == 0


@pytest.mark.parametrize("wait", [10**18, 10**40, -1, True, 1.5])
def test_a_wait_that_cannot_be_is_none(hostile: Hostile, wait: object):
    note = json.dumps({"retry_in": wait})
    hostile.shell(f"""printf %1024s%s "" "{note.replace('"', chr(92) + '"')}" > "$JOBRUN_NOTES"; exit 75""")
    hostile.live.start()
    run = hostile.live.run("shell")
    attempt = until(lambda: hostile.live.history.attempts(run)[0].end, "the attempt's end")
    assert (attempt.outcome, attempt.exit_code) == (Outcome.FAILED, 75)
    assert "engine.bug" not in hostile.live.log()
    hostile.live.client.call("cancel", runs=[run])
    hostile.live.done(run)
    hostile.live.signal(signal.SIGTERM)
    assert hostile.live.wait() == 0
