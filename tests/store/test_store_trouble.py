"""Trouble of the host: told as trouble, nothing acknowledged is lost, and it goes on by itself."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from store.lives import AT, a_ledger, finished, queued
from store.processes import ROOT, another, can_mount, small_volume
from store.test_store_open import LOCK, damaged_page_of

from jobrun.domain.errors import StoreCorrupt, StoreTrouble
from jobrun.domain.ledger import RunCreated, StaleWrite
from jobrun.domain.records import HostEvent
from jobrun.store.damage import suspicion_path
from jobrun.store.place import identity, wal_path
from jobrun.store.reader import History
from jobrun.store.writer import Ledger


def ids(path):
    with History(path) as history:
        return sorted(row.run.id for row in history.runs(limit=100_000))


def is_sound(path):
    connection = sqlite3.connect(path)
    try:
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and broken is None
    finally:
        connection.close()


@pytest.mark.parametrize("keep_reading", [False, True])
def test_a_full_disk(tmp_path, keep_reading):
    """TRAPS, State: a full disk loses nothing that was acknowledged, and the same facts go in later."""
    if not can_mount(tmp_path):
        pytest.skip("needs the right to mount")
    with small_volume(tmp_path, "6M") as volume:
        path = volume / "jobrun.db"
        ledger = a_ledger(volume)
        if keep_reading:  # the log cannot be folded in and begun anew
            pin = sqlite3.connect(path, isolation_level=None)
            pin.execute("BEGIN").execute("SELECT * FROM runs").fetchone()
        ballast = volume / "ballast"
        acknowledged, refused = [], None
        for number in range(1, 2000):
            if number == 50:
                free = os.statvfs(volume)
                ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 300_000))
            facts = [*finished(queued(number)), HostEvent(AT, "words", {"w": "x" * 3000})]
            try:
                ledger.commit(facts)
            except StoreTrouble as trouble:
                refused = (facts, trouble)
                break
            acknowledged.append(number)
        assert refused is not None
        facts, trouble = refused
        assert "full" in trouble.sentence
        assert ids(path) == acknowledged
        for _ in range(3):
            with pytest.raises(StoreTrouble):
                ledger.commit(facts)
        assert ledger.load().last_run_id == acknowledged[-1]
        ballast.unlink()
        ledger.commit(facts)
        assert ids(path) == [*acknowledged, len(acknowledged) + 1]
        if keep_reading:
            pin.close()
        ledger.close()
        assert is_sound(path)


def test_a_lock_held_by_another_process(tmp_path):
    """TRAPS, State: "database is locked" is trouble with an end, not a crash."""
    ledger = a_ledger(tmp_path, busy_timeout=0.1)
    path = tmp_path / "jobrun.db"
    with another(LOCK, path) as process:
        for _ in range(2):
            with pytest.raises(StoreTrouble, match="holds a lock"):
                ledger.commit([RunCreated(queued(1))])
        with pytest.raises(StoreTrouble, match="holds a lock"):
            ledger.prune(AT, {})
        assert ids(path) == []
        process.communicate("\n")
        ledger.commit([RunCreated(queued(1))])
    assert ids(path) == [1]
    ledger.close()


def test_a_removed_database_is_noticed(tmp_path):
    """TRAPS, State: writes into an unlinked file succeed in silence (compare inode)."""
    ledger = a_ledger(tmp_path)
    path = tmp_path / "jobrun.db"
    ledger.commit([RunCreated(queued(1))])
    kept = tmp_path / "kept"
    path.rename(kept)
    with pytest.raises(StoreTrouble, match="was removed"):
        ledger.commit([RunCreated(queued(2))])
    kept.rename(path)
    ledger.commit([RunCreated(queued(2))])
    assert ids(path) == [1, 2]
    path.unlink()
    with pytest.raises(StoreTrouble, match="was removed"):
        ledger.commit([RunCreated(queued(3))])
    assert not path.exists()
    ledger.close()


def test_a_replaced_database_is_noticed_and_left_alone(tmp_path):
    ledger = a_ledger(tmp_path)
    path = tmp_path / "jobrun.db"
    (tmp_path / "other").mkdir()
    a_ledger(tmp_path / "other").close()
    shutil.move(tmp_path / "other" / "jobrun.db", path)
    there = path.read_bytes()
    with pytest.raises(StoreTrouble, match="was replaced"):
        ledger.commit([RunCreated(queued(1))])
    with pytest.raises(StoreTrouble, match="was replaced"):
        ledger.prune(AT, {})
    assert path.read_bytes() == there
    ledger.close()


def test_a_removed_log_is_rescued(tmp_path):
    """The newest commits are only in the log; the file behind the name is gone, not yet its content."""
    ledger = a_ledger(tmp_path)
    path = tmp_path / "jobrun.db"
    ledger.commit([RunCreated(queued(1))])
    before = identity(path)
    wal_path(path).unlink()
    ledger.commit([RunCreated(queued(2))])
    assert identity(path) == before
    assert wal_path(path).exists()
    assert ids(path) == [1, 2]
    ledger.close()
    assert is_sound(path)
    assert ids(path) == [1, 2]


def test_a_removed_log_with_a_reader_at_work_waits_for_it(tmp_path):
    ledger = a_ledger(tmp_path, busy_timeout=0.1)
    path = tmp_path / "jobrun.db"
    ledger.commit([RunCreated(queued(1))])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN").execute("SELECT * FROM runs").fetchone()
    ledger.commit([RunCreated(queued(2))])
    wal_path(path).unlink()
    with pytest.raises(StoreTrouble, match=r"log .* was removed"):
        ledger.commit([RunCreated(queued(3))])
    reader.close()
    ledger.commit([RunCreated(queued(3))])
    assert ids(path) == [1, 2, 3]
    ledger.close()
    assert is_sound(path)


def test_damage_met_while_writing_is_trouble_now_and_a_refusal_at_the_next_start(tmp_path):
    ledger = a_ledger(tmp_path)
    path = tmp_path / "jobrun.db"
    ledger.commit(finished(queued(1)))
    ledger.close()
    ledger = Ledger(path)
    for table in ("runs", "runs_slot", "runs_job"):
        damaged_page_of(path, table)
    ledger._connection.execute("PRAGMA shrink_memory")  # what is cached would hide it
    with pytest.raises(StoreTrouble, match="damaged") as caught:
        ledger.commit(finished(queued(2)))
    assert "--set-aside-corrupt" in caught.value.hint
    assert suspicion_path(path).exists()
    ledger.close()
    with pytest.raises(StoreCorrupt):
        Ledger(path)


def test_damage_met_while_loading_is_a_refusal(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged_page_of(tmp_path / "jobrun.db", "schedules")
    ledger._connection.execute("PRAGMA shrink_memory")
    with pytest.raises(StoreCorrupt, match="damaged"):
        ledger.load()
    ledger.close()


def test_a_mistake_of_ours_is_no_trouble_of_the_host(tmp_path):
    """A bug must not be retried for ever as if the disk were full."""
    ledger = a_ledger(tmp_path)
    with pytest.raises(sqlite3.Error) as caught:
        ledger.commit([HostEvent("x" * 3, object(), {})])
    assert not isinstance(caught.value, StoreTrouble)
    ledger.commit([RunCreated(queued(1))])
    with pytest.raises(StaleWrite):
        ledger.commit([RunCreated(queued(1))])
    ledger.close()


WRITE = """
import sys
from pathlib import Path
from store.lives import finished, queued, whole_life
from jobrun.store.writer import Ledger
ledger = Ledger(Path(sys.argv[1]))
number = ledger.load().last_run_id
print("ready", flush=True)
while True:
    number += 1
    for batch in whole_life(queued(number)):
        ledger.commit(batch)
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_at_any_moment_loses_nothing_acknowledged(tmp_path, seed):
    """TRAPS, State: what a commit returned for is there after SIGKILL, whole, and the file is sound."""
    draw = random.Random(seed)
    a_ledger(tmp_path).close()
    path = tmp_path / "jobrun.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    acknowledged: set[int] = set()
    unfinished: set[int] = set()
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert writer.stdout.readline() == "ready\n"
        for _ in range(draw.randrange(1, 40)):
            acknowledged.add(int(writer.stdout.readline()))
        writer.send_signal(signal.SIGKILL)
        acknowledged.update(int(line) for line in writer.stdout.read().split("\n")[:-1])
        writer.wait()
        with History(path) as history:
            runs = {row.run.id: row.run for row in history.runs(limit=100_000)}
            assert acknowledged <= set(runs)
            assert all(not runs[number].is_live for number in acknowledged)
        ledger = Ledger(path)
        unfinished |= set(runs) - acknowledged
        assert {run.id for run in ledger.load().live} <= unfinished
        ledger.close()
        assert is_sound(path)
    assert len(unfinished) <= 6


def test_readers_while_a_writer_works(tmp_path):
    """TRAPS, State: several connections, one writer, no "database is locked"."""
    a_ledger(tmp_path).close()
    path = tmp_path / "jobrun.db"
    with another(WRITE, path) as writer:
        with History(path) as history:
            seen = 0
            while seen < 60:
                rows = history.runs(limit=5)
                assert [row.run.id for row in rows] == sorted((row.run.id for row in rows), reverse=True)
                seen = rows[0].run.id if rows else 0
                assert writer.poll() is None
        assert writer.poll() is None
    assert is_sound(path)
