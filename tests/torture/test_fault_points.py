"""The daemon dies at every named point between intent, act and fact; the next one makes it good.

For each point: a daemon that will die there, jobs that lead it there, its
death, a restart, and the judgement of the whole history against the witness.
TRAPS, State: submit first, store later is a duplicate after a crash; store
first, run later without an intent is a loss.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from live import is_running, until
from torture.arena import Arena
from torture.roster import TortureJob

from jobrun.daemon.faults import POINTS, asked_for, names_of
from jobrun.domain.errors import DaemonUnreachable, JobrunError, UsageError
from jobrun.domain.run import Running, Stopping

AT_ONCE = 4
ROOT = Path(__file__).resolve().parents[2]
# Only recovery comes there, after a crash between an intent and a process, or one that took a job with it.
AFTER_A_CRASH = {"unbegun.unposted": "spawn.before", "vanished.unposted": "start.durable:2"}
REQUESTS = (
    ("run", {"job": "by-hand"}),
    ("run", {"job": "fails"}),
    ("run", {"job": "stubborn"}),
    ("submit", {"name": "x"}),
    ("run", {"job": "long"}),
    ("pause", {"kind": "job", "name": "fails"}),
)


def jobs() -> list[TortureJob]:
    return [
        TortureJob("tick", "every", period=1, nap="0.1", lock="tick"),
        TortureJob("boot", "reboot", nap="2", lock="boot"),
        TortureJob("by-hand", "manual", nap="0.1", overlap="allow"),
        TortureJob("fails", "manual", attempts=3, codes="5,6,0", overlap="queue_all", lock="fails"),
        TortureJob(
            "stubborn", "manual", nap="300", stubborn=True, more={"timeout": "200ms", "grace": "200ms"}
        ),
        TortureJob("long", "manual", nap="300", overlap="replace", lock="long"),
    ]


@pytest.fixture
def arena(tmp_path):
    made = Arena(tmp_path, "faults", span=10, jobs=jobs())
    yield made
    made.close()


def lead_on(arena: Arena) -> int:
    """Ask for everything once, then for a stop, until the daemon is dead; its exit code."""
    process, promised = arena.live.process, arena.asker.promised
    assert process is not None
    asked = list(REQUESTS)
    deadline = time.monotonic() + 20
    told_to_stop = False
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if asked:
                op, args = asked[0]
                if op == "submit":
                    command = ["/bin/sh", str(arena.witness.script), "-", "0.1", "4"]
                    args = {**args, "table": {"command": command, "overlap": "allow"}}
                answer = arena.live.client.call(op, **args)
                asked.pop(0)
                if op in ("run", "submit"):
                    name = "submit:x" if op == "submit" else args["job"]
                    promised.runs[int(answer["run"])] = (name, "submit" if op == "submit" else "manual")
                if op == "pause":
                    promised.paused.add("fails")
            elif _has_come_far(arena) and not told_to_stop:
                _cancel(arena)
                arena.live.client.call("stop", mode="kill")
                told_to_stop = True
        except (DaemonUnreachable, JobrunError):
            pass
        time.sleep(0.01)
    if process.poll() is None:
        process.kill()
        raise AssertionError("the daemon neither died nor stopped")
    return process.returncode


def _has_come_far(arena: Arena) -> bool:
    lines = arena.witness.read()
    seen = [line.job for line in lines if line.what == "start"]
    return seen.count("fails") >= 2 and "long" in seen and "tick" in seen and _stubborn_is_gone(arena)


def _stubborn_is_gone(arena: Arena) -> bool:
    runs = arena.live.runs("stubborn")
    return bool(runs) and runs[-1].state == "done"


def _cancel(arena: Arena) -> None:
    run = arena.live.runs("long")[-1].id
    arena.asker.promised.cancelled.update(arena.live.client.call("cancel", runs=[run])["cancelled"])
    # One that the stop itself has to end.
    again = int(arena.live.client.call("run", job="by-hand")["run"])
    arena.asker.promised.runs[again] = ("by-hand", "manual")


def die_there(directory: Path, point: str) -> list[str]:
    """Everything that is wrong with a daemon that died at `point` and the one that came after it."""
    arena = Arena(directory, "faults", span=10, jobs=jobs())
    try:
        if point in AFTER_A_CRASH:
            arena.start(AFTER_A_CRASH[point])
            lead_on(arena)
        if point == "vanished.unposted":
            _kill_a_tree(arena)
        arena.start(point)
        code = lead_on(arena)
        if code != -signal.SIGKILL:
            return [f"it did not come to {point}, it ended with {code}"]
        arena.compare(point)
        arena.start()
        until(arena.live._answers)
        for run in arena.live.runs("long"):
            if run.is_live:
                arena.live.client.call("cancel", runs=[run.id])
        arena.look_around()
        arena.finish(patience=30)
        return arena.tally.discrepancies
    finally:
        arena.close()


def _kill_a_tree(arena: Arena) -> None:
    """A job that the crash took with it: the only way to an attempt of which nothing is known."""
    run = next(run for run in arena.live.runs() if isinstance(run.status, Running | Stopping))
    assert isinstance(run.status, Running | Stopping)
    os.killpg(run.status.process.pid, signal.SIGKILL)
    until(lambda: not is_running(run.status.process.pid))
    arena.expect_lost.add(run.fence.run_id)


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """All chosen points, a few at a time: each mostly waits for its jobs."""
    cases = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = [case["point"] for case in cases if case.get("point") in POINTS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {point: pool.submit(die_there, tmp_path_factory.mktemp("f"), point) for point in chosen}


@pytest.mark.torture
@pytest.mark.parametrize("point", POINTS)
def test_a_daemon_that_died_there_left_nothing_untrue(outcomes, point):
    assert outcomes[point].result() == []


def test_a_point_that_does_not_exist_is_refused_before_anything_is_touched(arena):
    for text in ("slot.durabel", "ready:0", "ready:x", "ready:-1"):
        with pytest.raises(UsageError, match="no fault point"):
            asked_for({"JOBRUN_FAULT": text})
    arena.start("slot.durabel")
    assert arena.live.process.wait(20) == 2
    assert "no fault point" in arena.live.log()


def test_without_the_variable_nothing_is_wrapped():
    assert asked_for({}) is None
    assert asked_for({"JOBRUN_FAULT": ""}) is None
    assert names_of([]) == set()


def test_every_point_is_documented():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    for point, words in POINTS.items():
        assert f"| `{point}` | {words} |" in text
