"""The messages to a worker: what a run is told by them is what any other start tells it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobrun.domain.job import Checkpoint, Job, Limits, OutputMode, Pool, PythonCall
from jobrun.domain.run import ProcessIdentity, Run, Slot
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.workerspec import (
    LARGEST_DATAGRAM,
    CallFiles,
    WorkerKind,
    call_entry,
    calls_text,
    hello,
    job_text,
    worker_kind,
)
from jobrun.task.orders import Call, Orders
from tests.proc.support import Rig


class Told:
    """What a worker understands of what it is told about one job."""

    def __init__(self, rig: Rig, job: Job) -> None:
        self.job = job
        self.spool = rig.home / "state" / "attempts"
        self.spool.mkdir(parents=True, exist_ok=True)
        self.base = {"PATH": os.environ["PATH"], "HOME": str(rig.home)}
        self.kind: WorkerKind = worker_kind(job, self.base)
        self.store_id = rig.store_id

    def text(self) -> bytes:
        where = str(self.spool)
        return job_text(3, self.job, self.kind, store_id=self.store_id, spool=where, worker=7)

    def entry(self, run: Run) -> str:
        name = str(run.fence)
        files = CallFiles(name, f"{self.spool}/{name}", self.spool.parent)
        return call_entry(self.job, run, files, self.kind, store_id=self.store_id, base_environ=self.base)

    def call(self, run: Run) -> Call:
        orders = Orders()
        orders.spool = str(self.spool)
        orders.note(json.loads(self.text()))
        message: dict[str, Any] = json.loads(calls_text(3, [self.entry(run)]))
        assert (message["op"], message["job"]) == ("calls", 3)
        (entry,) = message["calls"]
        return orders.call(3, entry)


def told(call: Call) -> dict[str, str]:
    """The variables of a call."""
    return {os.fsdecode(name): os.fsdecode(value) for name, value in call.variables().items()}


BODY = PythonCall("tasks:f")


def test_the_usual_call_is_its_fence(rig: Rig) -> None:
    assert Told(rig, rig.job(BODY)).entry(rig.run(id=12)) == '"12.1"'


RUNS: list[dict[str, object]] = [
    {},
    {"attempt": 3, "charged": 3},
    {"attempt": 3, "charged": 2, "lost": 1},
    {"data": '{"a": 1}'},
    {"queue": "other", "max_attempts": 7},
    {"slot": Slot("0 3 * * *", 1_700_000_000_000_000)},
    {"resume_from": "/kept/x", "data": "2", "attempt": 2, "charged": 2},
]


@pytest.mark.parametrize("fields", RUNS, ids=lambda fields: "+".join(fields) or "usual")
@pytest.mark.parametrize("more", [{}, {"data": "[1]"}, {"checkpoint": Checkpoint(keep=2)}, {"queue": "gpu"}])
def test_a_warm_call_is_told_what_a_fresh_one_is(
    rig: Rig, fields: dict[str, object], more: dict[str, object]
) -> None:
    job = rig.job(BODY, **more)
    run = rig.run(**fields)
    call = Told(rig, job).call(run)
    fresh = {name: value for name, value in rig.spec(job, run).env.items() if name.startswith("JOBRUN_")}
    assert told(call) == fresh
    data = Path(fresh["JOBRUN_DATA"]).read_text() if "JOBRUN_DATA" in fresh else None
    assert call.data == data


def test_what_the_calls_of_a_job_share(rig: Rig) -> None:
    body = PythonCall("tasks:f", (1, [2]), {"a": None})
    limits = Limits(memory=1 << 30, cpu_time=2_500_000, open_files=100)
    job = rig.job(body, limits=limits, output=OutputMode.SPLIT, soft_timeout=500_000)
    shared = Told(rig, job).call(rig.run()).job
    assert (shared.target, shared.arguments(), shared.is_split) == ("tasks:f", ([1, [2]], {"a": None}), True)
    assert (shared.memory, shared.cpu, shared.open_files) == (1 << 30, 2.5, 100)
    assert shared.soft_after == 0.5


def test_a_large_job_goes_by_a_private_file(rig: Rig) -> None:
    told = Told(rig, rig.job(PythonCall("tasks:f", ("x" * LARGEST_DATAGRAM,))))
    path = told.spool / "0.7.job3"
    assert json.loads(told.text()) == {"op": "job", "job": 3, "file": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert told.call(rig.run()).job.arguments()[0] == ["x" * LARGEST_DATAGRAM]
    assert not path.exists()


def test_a_large_call_goes_by_a_private_file(rig: Rig) -> None:
    told = Told(rig, rig.job(BODY))
    run = rig.run(data=json.dumps("x" * (16 << 10)))
    path = told.spool / f"{run.fence}.call"
    assert json.loads(told.entry(run)) == [str(run.fence), None, None, str(path)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert told.call(run).data == run.data
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_refused(rig: Rig) -> None:
    told = Told(rig, rig.job(PythonCall("tasks:f", ("x" * LARGEST_DATAGRAM,))))
    told.spool.rmdir()
    with pytest.raises(SpawnRefused, match="write the job"):
        told.text()
    with pytest.raises(SpawnRefused, match="write the call"):
        told.entry(rig.run(data=json.dumps("x" * (16 << 10))))


def test_the_directory_of_checkpoints_may_name_the_run(rig: Rig) -> None:
    job = rig.job(BODY, checkpoint=Checkpoint(dir="kept/${JOBRUN_STORE_ID}/${JOBRUN_RUN_ID}"))
    run = rig.run()
    kept = f"{rig.home}/kept/{rig.store_id}/{run.id}"
    assert told(Told(rig, job).call(run))["JOBRUN_CHECKPOINT_DIR"] == kept


def test_hello_names_the_spool(rig: Rig) -> None:
    kind = Told(rig, replace(rig.job(BODY))).kind
    said = json.loads(hello(kind, Pool(name="default"), 7, ProcessIdentity(1, 2, "boot"), spool="/a/spool"))
    assert (said["op"], said["worker"], said["spool"]) == ("hello", 7, "/a/spool")
