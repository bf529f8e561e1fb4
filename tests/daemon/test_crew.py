"""The crew of warm workers at its end, with a real worker."""

import asyncio
import os
import time
from pathlib import Path

from daemon.crewrig import FENCE, PATIENCE, CrewRig
from live import is_running, until

from jobrun.proc.identity import identify
from jobrun.proc.spawn import is_worker


def test_a_call_whose_begin_was_not_heard_yet_does_not_hold_up_the_end(tmp_path: Path):
    """The daemon stops in the very moment: the call goes on, and its worker is waited for no longer."""

    async def live() -> int:
        rig = CrewRig(tmp_path)
        worker, call = await rig.worker(), rig.call()
        worker.give(call, f'"{FENCE}"')
        assert worker.send_given() == []
        # Nobody listens meanwhile: the loop stands still.
        until(lambda: Path(call.files.status).exists(), "the call to begin")
        assert "begun" not in rig.heard
        began = time.monotonic()
        await rig.crew.close(patience=PATIENCE)
        assert time.monotonic() - began < PATIENCE / 2
        assert rig.heard == ["ready", "begun"]
        return worker.python.pid

    pid = asyncio.run(live())
    assert is_running(pid)
    (tmp_path / "gate").touch()
    until(lambda: not is_running(pid), "the worker to end after its call")


def test_a_worker_names_no_process_but_its_own(tmp_path: Path):
    """What it names is sent signals, and the job's code in it can say anything."""

    async def live() -> None:
        rig = CrewRig(tmp_path)
        worker = await rig.worker()
        own = worker.python
        for pid in (1, True, os.getpid(), 1 << 40, -1, "1"):
            assert not worker.note_ready({"pid": pid})
        assert worker.note_ready({"pid": own.pid})
        store_id, uid = "store", os.geteuid()
        assert is_worker(worker.identity, store_id, uid)
        assert not is_worker(worker.identity, "another", uid)
        assert not is_worker(worker.identity, store_id, uid + 1)
        for pid in (os.getpid(), own.pid):
            assert not is_worker(identify(pid), store_id, uid)
        await rig.crew.close()

    asyncio.run(live())
