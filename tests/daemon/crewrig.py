"""A crew with a real worker and no daemon around it, for the tests of its moments."""

import asyncio
import itertools
import os
from pathlib import Path

from store.lives import queued

from jobrun.conf.paths import find_places
from jobrun.daemon.crew import Crew, CrewSetting
from jobrun.daemon.worker import Call, Worker
from jobrun.domain.job import Job, Pool, PythonCall
from jobrun.domain.run import Fence, Starting
from jobrun.proc.workerspec import CallFiles, function_text, worker_kind

CODE = """
import os, time

def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.01)
"""
PATIENCE = 60.0
FENCE = Fence(7, 1)


class CrewRig:
    """One worker, and what it said, taken down as the pools would. Made inside a loop."""

    def __init__(self, home: Path) -> None:
        (home / "tasks.py").write_text(CODE)
        self.gate = home / "gate"
        environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
        self.places = find_places(str(home / "jobs.toml"), str(home / "state"), environ, os.geteuid())
        for folder in (self.places.attempts, self.places.logs):
            folder.mkdir(parents=True)
        body = PythonCall(target="tasks:hold", args=(str(self.gate),), python_path=(str(home),))
        self.job = Job(name="hold", body=body)
        self.heard: list[str] = []
        self.ended = 0
        self._ready = asyncio.Event()
        self._kind = worker_kind(self.job, environ)
        setting = CrewSetting(
            self.places, "store", None, itertools.count(1), lambda: 1, lambda *_, **__: None
        )
        self.crew = Crew(
            setting, heard=self._hear, listened=lambda _: None, ended=lambda worker, _: worker.bury()
        )

    async def worker(self) -> Worker:
        """A worker that is ready, and was told the job as its first."""
        worker = self.crew.start(self._kind, Pool(name="default"))
        await asyncio.wait_for(self._ready.wait(), PATIENCE)
        assert worker.send(function_text(1, "tasks:hold", [str(self.gate)]))
        worker.told.add(1)
        return worker

    def call(self, opened: int = 1) -> Call:
        """A call of the job, admitted at that moment."""
        run = queued(
            FENCE.run_id, "hold", at=1, has_slot=False, status=Starting(opened), attempt=FENCE.attempt
        )
        files = CallFiles(str(FENCE), f"{self.places.attempts}/{FENCE}", self.places.state_dir)
        return Call(run, self.job, self._kind, 1, files, FENCE)

    def _hear(self, worker: Worker, message) -> None:
        self.heard.append(message["op"])
        if message["op"] == "ready":
            worker.note_ready(message)
            self._ready.set()
        elif message["op"] == "begun":
            worker.calls[message["fence"]].begun = asyncio.get_running_loop().time()
