"""What queued runs are said to wait for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filled import JOBS, NOON, Filling

from jobrun.domain.definition import digest, encode
from jobrun.domain.instants import SECOND
from jobrun.domain.job import Overlap
from jobrun.domain.ledger import QueueListed
from jobrun.domain.records import DefinitionSeen

SERIAL, PARALLEL = 50, 51


@pytest.fixture
def waiting(tmp_path: Path) -> None:
    """Run 1 of poll runs; runs 2 (queue_all), 3 (allow) and 4 (of another job) are queued behind it."""
    (tmp_path / "state").mkdir()
    it = Filling(tmp_path / "state")
    it.plan()
    it.facts.remove(QueueListed("default", 4))
    it.facts.append(QueueListed("default", 1))
    for number, rule in ((SERIAL, Overlap.QUEUE_ALL), (PARALLEL, Overlap.ALLOW)):
        body = encode(replace(JOBS["poll"], overlap=rule))
        it.facts.append(DefinitionSeen(number, "poll", digest(body), body, NOON))
    it.start(it.create(it.run("poll", NOON - 30 * SECOND)), NOON - 30 * SECOND)
    it.create(it.run("poll", NOON - SECOND, slot=False, definition_id=SERIAL))
    it.create(it.run("poll", NOON - SECOND, slot=False, definition_id=PARALLEL))
    it.create(it.run("backup", NOON - SECOND, slot=False))
    it.create(it.run("mirror", NOON - SECOND, slot=False))
    it.create(it.run("manual", NOON - SECOND, slot=False, queue="unbounded"))
    it.close()


def test_each_wait_is_named(tmp_path: Path, waiting: None, jobrun: Callable[..., object]) -> None:
    said = {line.split()[0]: line for line in jobrun("history").out.splitlines()[1:]}
    assert said["2"].endswith("waits for run 1 of this job to end")
    assert said["3"].endswith("waits for a place in queue default (1 of 1 taken)")
    assert said["4"].endswith("waits for a place in queue default (1 of 1 taken)")
    assert said["5"].endswith("queue net is paused")
    assert said["6"].endswith("waits to be started")
