"""Readers: right with the daemon up, down or killed, and without a trace on the disk."""

import ast
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest
from store.lives import AT, a_ledger, finished, queued
from store.processes import FILL, another, as_nobody, can_mount, is_root, run_python, small_volume

from jobrun.domain.errors import StoreCorrupt, StoreMissing, StoreRefused
from jobrun.domain.ledger import RunCreated
from jobrun.domain.records import HostEvent
from jobrun.store import reading
from jobrun.store.place import fingerprint, shm_path, wal_path
from jobrun.store.reader import History
from jobrun.store.writer import Ledger


def ids(path):
    with History(path) as history:
        return [row.run.id for row in history.runs()]


def lie_of(directory):
    return {entry.name: (entry.stat().st_ino, entry.stat().st_size) for entry in directory.iterdir()}


def test_a_reader_works_while_the_daemon_writes(tmp_path):
    """TRAPS, State: "database is locked" - a reader neither waits for the writer nor makes it wait."""
    with another(FILL, tmp_path):
        assert ids(tmp_path / "jobrun.db") == [2, 1]
    ledger = Ledger(tmp_path / "jobrun.db")
    history = History(tmp_path / "jobrun.db")
    ledger._connection.execute("BEGIN IMMEDIATE")
    ledger._connection.execute("DELETE FROM runs WHERE id = 2")
    assert [row.run.id for row in history.runs()] == [2, 1]
    ledger._connection.execute("ROLLBACK")
    ledger.commit([RunCreated(queued(3))])
    assert [row.run.id for row in history.runs()] == [3, 2, 1]
    history.close()
    ledger.close()


def test_a_reader_makes_no_file_with_the_daemon_down(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger.commit(finished(queued(1)))
    ledger.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobrun.db"]
    before = lie_of(tmp_path)
    with History(tmp_path / "jobrun.db") as history:
        assert [row.run.id for row in history.runs()] == [1]
        assert lie_of(tmp_path) == before
    assert lie_of(tmp_path) == before


def test_a_reader_sees_what_a_killed_daemon_had_committed(tmp_path):
    with another(FILL, tmp_path) as daemon:
        daemon.kill()
        daemon.wait()
    names = set(lie_of(tmp_path))
    assert ids(tmp_path / "jobrun.db") == [2, 1]
    assert set(lie_of(tmp_path)) == names == {"jobrun.db", "jobrun.db-wal", "jobrun.db-shm"}


def test_a_log_without_its_index_is_read_and_left_alone(tmp_path):
    """As after a copy of the files, or a clean-up by hand: the newest commits are only in the log."""
    with another(FILL, tmp_path) as daemon:
        daemon.kill()
        daemon.wait()
    shm_path(tmp_path / "jobrun.db").unlink()
    before = lie_of(tmp_path)
    assert before["jobrun.db-wal"][1] > 0
    assert ids(tmp_path / "jobrun.db") == [2, 1]
    assert lie_of(tmp_path) == before


@pytest.mark.skipif(not is_root(), reason="only root can become another user")
@pytest.mark.parametrize("state", ["up", "killed", "stopped", "without index"])
def test_a_reader_without_the_right_to_write_reads(state):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with another(FILL, directory) as daemon:
            if state == "stopped":
                daemon.communicate("\n")
            elif state != "up":
                daemon.kill()
                daemon.wait()
            if state == "without index":
                shm_path(directory / "jobrun.db").unlink()
            directory.chmod(0o755)
            for file in directory.iterdir():
                file.chmod(0o644)
            before = lie_of(directory)
            assert as_nobody(lambda: ids(directory / "jobrun.db")) == [2, 1]
            assert lie_of(directory) == before


@pytest.mark.skipif(not is_root(), reason="only root can become another user")
def test_a_reader_without_any_right_is_told():
    with tempfile.TemporaryDirectory() as name:
        a_ledger(Path(name)).close()
        Path(name).chmod(0o755)
        refusal = as_nobody(lambda: ids(Path(name) / "jobrun.db"))
        assert isinstance(refusal, StoreRefused)
        assert "Permission denied" in refusal.sentence


def test_a_reader_on_a_read_only_mount_reads(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("needs the right to mount")
    with small_volume(tmp_path, "8M") as volume:
        with another(FILL, volume) as daemon:
            daemon.kill()
            daemon.wait()
        subprocess.run(["mount", "-o", "remount,ro", volume], check=True)
        assert ids(volume / "jobrun.db") == [2, 1]
        with pytest.raises(StoreRefused, match="cannot be written to"):
            Ledger(volume / "jobrun.db")


def test_an_answer_is_asked_again_if_a_writer_came_meanwhile(tmp_path):
    """At rest nothing is locked: what was read while a daemon began to write is thrown away."""
    ledger = a_ledger(tmp_path)
    ledger.commit(finished(queued(1)))
    ledger.close()
    path = tmp_path / "jobrun.db"
    history = History(path)
    asked = []

    def question(connection):
        rows = connection.execute("SELECT count(*) FROM runs").fetchall()
        if not asked:
            late = Ledger(path)
            late.commit([RunCreated(queued(number)) for number in range(2, 50)])
            late.close()
        asked.append(rows[0][0])
        return rows[0][0]

    assert history._reading.ask(question) == 49
    assert asked == [1, 49]
    history.close()


def test_a_long_lived_reader_follows_a_replaced_file(tmp_path):
    """`status --watch` over a restored backup."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        ledger = a_ledger(tmp_path / name)
        ledger.commit([RunCreated(queued(1 if name == "first" else 2))])
        ledger.close()
    path = tmp_path / "first" / "jobrun.db"
    with History(path) as history:
        assert [row.run.id for row in history.runs()] == [1]
        shutil.move(tmp_path / "second" / "jobrun.db", path)
        assert [row.run.id for row in history.runs()] == [2]
        path.unlink()
        with pytest.raises(StoreMissing):
            history.runs()


def test_a_file_that_keeps_changing_is_told(tmp_path, monkeypatch):
    ledger = a_ledger(tmp_path)
    ledger.close()
    path = tmp_path / "jobrun.db"
    with History(path) as history:
        real, ticks = fingerprint, iter(range(1, 1000))

        def restless(of):
            os.utime(of, ns=(AT, next(ticks)))
            return real(of)

        monkeypatch.setattr(reading, "fingerprint", restless)
        with pytest.raises(StoreRefused, match="keeps being replaced"):
            history.runs()


def test_no_history_yet(tmp_path):
    with pytest.raises(StoreMissing, match="no history at") as caught:
        History(tmp_path / "jobrun.db")
    assert "jobrun daemon" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_reader_refuses_what_a_writer_refuses(tmp_path):
    path = tmp_path / "jobrun.db"
    path.touch()
    with pytest.raises(StoreRefused, match="zero bytes"):
        History(path)
    path.write_bytes(b"not a database, whatever it is" * 100)
    with pytest.raises(StoreCorrupt, match="file is not a database"):
        History(path)
    path.unlink()
    a_ledger(tmp_path).close()
    for version, words in ((99, "newer version"), (0, "older version")):
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        with pytest.raises(StoreRefused, match=words):
            History(path)


def test_a_damaged_page_is_told_to_a_reader(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger.commit([HostEvent(AT, "started", {"words": "x" * 20_000}), *finished(queued(1))])
    ledger.close()
    path = tmp_path / "jobrun.db"
    content = path.read_bytes()
    path.write_bytes(content[: 2 * 4096] + b"\xff" * (len(content) - 2 * 4096))
    with pytest.raises(StoreCorrupt, match="damaged"), History(path) as history:
        history.runs()


def test_a_directory_with_odd_characters(tmp_path):
    odd = tmp_path / "a?b#c%41 ü"
    odd.mkdir()
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    bad.mkdir()
    for directory in (odd, bad):
        ledger = a_ledger(directory)
        ledger.commit([RunCreated(queued(1))])
        assert ids(directory / "jobrun.db") == [1]
        ledger.close()
        assert ids(directory / "jobrun.db") == [1]
        assert [entry.name for entry in directory.iterdir()] == ["jobrun.db"]


def test_readers_and_the_writer_load_nothing_slow():
    """TRAPS, State: sqlite_utils costs 80 ms to import; readers are in every command."""
    code = "import sys; import jobrun.store.{}; print(*sys.modules)"
    for module in ("reader", "open", "writer"):
        loaded = set(run_python(code.format(module)).split())
        assert not loaded & {"sqlite_utils", "asyncio", "pydantic", "apscheduler", "typer", "rich", "psutil"}


def test_sqlite_utils_is_imported_by_migrations_only():
    for file in (Path(reading.__file__).parent).glob("*.py"):
        tree = ast.parse(file.read_text())
        imported = {
            name
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert ("sqlite_utils" in imported) == (file.name == "migrations.py"), file


def test_wal_and_index_lie_beside_the_database(tmp_path):
    path = tmp_path / "jobrun.db"
    ledger = a_ledger(tmp_path)
    assert wal_path(path).exists()
    assert shm_path(path).exists()
    assert fingerprint(path).is_in_use
    ledger.close()
    assert not fingerprint(path).is_in_use
