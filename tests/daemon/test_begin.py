"""When a call began that nobody was told of: what its status file says, as far as that can be."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from daemon.crewrig import CrewRig
from store.lives import queued

from jobrun.daemon.begin import begin_of, end_after
from jobrun.daemon.calls import Calls
from jobrun.domain.events import Exited, Spawned
from jobrun.domain.run import Exit, Fence, ProcessIdentity, Queued, Run, Starting, Status

INTENT, NOW = 1_800_000_000_000_000, 1_800_000_009_000_000
LEADER = ProcessIdentity(4711, 123456, "0d7f5b7c-9f0c-4a53-9d3b-2f4a4a1f6c11")
MARK = b"began\n".ljust(255) + b"\n"
_STARTING = Starting(INTENT)
END = b"began\nexit 0\n0m0.100000s 0m0.000000s\n0m0.000000s 0m0.000000s\nend\n".ljust(255) + b"\n"
WORKER = {"worker": 3, "leader": [LEADER.pid, LEADER.start_ticks, LEADER.boot_id]}


def a_run(status: Status = _STARTING) -> Run:
    return queued(7, at=INTENT, has_slot=False, status=status, attempt=1)


@pytest.fixture
def status(tmp_path: Path):
    """Writes a status file, of a time that the end of a call has."""

    def write(header: bytes, tail: object, at: int = INTENT + 5_000_000) -> str:
        path = tmp_path / "7.1.status"
        path.write_bytes(header + json.dumps(tail).encode())
        os.utime(path, ns=(at * 1000, at * 1000))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("header", "tail", "moment"),
    [
        (END, {**WORKER, "begun": INTENT + 2_000_000}, INTENT + 2_000_000),
        (END, {**WORKER, "begun": INTENT - 3_000}, INTENT),
        (MARK, WORKER, INTENT + 5_000_000),
        # An older worker's, or one that met a full disk: the file's time is that of the end.
        (END, WORKER, None),
        (END, {"begun": INTENT + 2_000_000}, None),
        (END, [1], None),
        (END, {**WORKER, "begun": INTENT - 3_000_000}, None),
        (END, {**WORKER, "begun": NOW + 1}, None),
        *((END, {**WORKER, "begun": odd}, None) for odd in (True, 1.5, "1", None, -1, 1 << 63, 10**30)),
    ],
)
def test_what_the_file_says_counts_if_it_can_be(status, header, tail, moment):
    began = begin_of(a_run(), status(header, tail), LEADER, NOW)
    assert began == (None if moment is None else Spawned(moment, LEADER))


def test_of_a_call_that_was_told_only_the_present_is_asked(status):
    path = status(END, {**WORKER, "begun": INTENT - 3_000_000})
    assert begin_of(a_run(Queued(INTENT)), path, LEADER, NOW) == Spawned(INTENT - 3_000_000, LEADER)
    assert begin_of(a_run(), "/nowhere/7.1.status", LEADER, NOW) is None


@pytest.mark.parametrize(("early", "ended"), [(0, 0), (4_000, 0), (19_999, 0), (20_000, -20_000), (-5, 5)])
def test_a_files_time_may_be_that_of_the_last_tick(early, ended):
    began, exit = Spawned(INTENT, LEADER), Exit(ended_at=INTENT - early, exit_code=0)
    assert end_after(began, exit).ended_at == INTENT + ended
    assert end_after(None, exit) is exit


def claim(status: str, leader: ProcessIdentity) -> None:
    """As a worker makes the status file of a call."""
    tail = {"worker": 1, "leader": [leader.pid, leader.start_ticks, leader.boot_id]}
    Path(status).write_bytes(MARK + json.dumps(tail).encode())


def test_a_worker_that_died_before_it_could_say_that_a_call_began(tmp_path: Path):
    async def live() -> None:
        rig = CrewRig(tmp_path)
        told = []
        calls = Calls(
            post=told.append,
            store_id="store",
            places=rig.places,
            limits=None,
            now=lambda: time.time_ns() // 1000,
            draw=lambda: 0.5,
        )
        worker, call = await rig.worker(), rig.call(opened=time.time_ns() // 1000)
        calls.add(call)
        worker.give(call, "not sent")
        leader = worker.identity
        claim(call.files.status, leader)
        exit = Exit(ended_at=time.time_ns() // 1000, signal=9)
        calls.died(call, worker, exit, oom=False)
        (happened,) = told
        event = happened.event
        assert isinstance(event, Exited)
        assert happened.fence == Fence(7, 1)
        assert event.began is not None
        assert event.began.process == leader
        assert call.run.status.since <= event.began.at <= event.exit.ended_at
        assert event.exit.signal == 9
        calls.forget(call.fence)
        await rig.crew.close()

    asyncio.run(live())
