"""The crew of warm workers at its end, with a real worker."""

import asyncio
import itertools
import os
import time
from pathlib import Path

from live import is_running, until

from jobrun.conf.paths import find_places
from jobrun.daemon.crew import Crew, CrewSetting
from jobrun.daemon.worker import Call, Worker
from jobrun.domain.job import Job, Pool, PythonCall
from jobrun.domain.run import Fence, Queued, Run, Trigger
from jobrun.proc.workerspec import CallFiles, function_text, worker_kind

CODE = """
import os, time

def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
"""
_PATIENCE = 60.0


class Heard:
    """What workers said, taken down as the pools would."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.ready = asyncio.Event()

    def __call__(self, worker: Worker, message) -> None:
        self.operations.append(message["op"])
        if message["op"] == "ready":
            worker.note_ready(message)
            self.ready.set()
        elif message["op"] == "begun":
            worker.calls[message["fence"]].begun = asyncio.get_running_loop().time()


def a_run() -> Run:
    return Run(
        id=7,
        job="hold",
        queue="default",
        definition_id=1,
        trigger=Trigger.MANUAL,
        status=Queued(1),
        created_at=1,
    )


def test_a_call_whose_begin_was_not_heard_yet_does_not_hold_up_the_end(tmp_path: Path):
    """The daemon stops in the very moment: the call goes on, and its worker is waited for no longer."""
    (tmp_path / "tasks.py").write_text(CODE)
    gate = tmp_path / "gate"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    places = find_places(str(tmp_path / "jobs.toml"), str(tmp_path / "state"), environ, os.geteuid())
    for folder in (places.attempts, places.logs):
        folder.mkdir(parents=True)
    body = PythonCall(target="tasks:hold", args=(str(gate),), python_path=(str(tmp_path),))
    job = Job(name="hold", body=body)
    heard = Heard()

    async def live() -> int:
        setting = CrewSetting(places, "store", None, itertools.count(1), lambda: 1, lambda *_, **__: None)
        crew = Crew(
            setting, heard=heard, listened=lambda _worker: None, ended=lambda worker, _exit: worker.bury()
        )
        worker = crew.start(worker_kind(job, environ), Pool(name="default"))
        await asyncio.wait_for(heard.ready.wait(), _PATIENCE)
        assert worker.send(function_text(1, "tasks:hold", [str(gate)]))
        worker.told.add(1)
        files = CallFiles("7.1", str(places.attempts / "7.1"), places.state_dir)
        worker.give(Call(a_run(), job, worker.kind, 1, files, Fence(7, 1)), '"7.1"')
        assert worker.send_given() == []
        # Nobody listens meanwhile: the loop stands still.
        until(lambda: Path(files.status).exists(), "the call to begin")
        assert "begun" not in heard.operations
        began = time.monotonic()
        await crew.close(patience=_PATIENCE)
        assert time.monotonic() - began < _PATIENCE / 2
        assert heard.operations == ["ready", "begun"]
        return worker.python.pid

    pid = asyncio.run(live())
    assert is_running(pid)
    gate.touch()
    until(lambda: not is_running(pid), "the worker to end after its call")
