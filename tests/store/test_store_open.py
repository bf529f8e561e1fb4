"""An open that is not sure refuses, in words, and changes nothing."""

import os
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from store.lives import AT, a_ledger, finished, queued
from store.processes import another, as_nobody, can_mount, is_root, run_python, small_volume

from jobrun.domain.errors import StoreCorrupt, StoreRefused
from jobrun.domain.ledger import RunCreated
from jobrun.domain.records import HostEvent
from jobrun.store import damage
from jobrun.store.damage import set_aside, suspicion_path
from jobrun.store.open import APPLICATION_ID, VERSION, open_for_writing
from jobrun.store.place import file_system, refuse_network, shm_path, wal_path
from jobrun.store.writer import Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobrun.db"


def content(directory):
    return {entry.name: entry.read_bytes() for entry in directory.iterdir()}


def refused(path, words, kind=StoreRefused):
    """The refusal of the file, which must leave everything as it is."""
    before = content(path.parent)
    with pytest.raises(kind, match=words) as caught:
        open_for_writing(path)
    assert content(path.parent) == before
    assert caught.value.hint
    return caught.value


def test_a_new_database_is_complete_private_and_alone(path):
    connection = open_for_writing(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert path.stat().st_mode & 0o777 == 0o600
    connection.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["jobrun.db"]


def test_two_stores_have_two_ids(tmp_path):
    ids = set()
    for name in ("a.db", "b.db"):
        ledger = Ledger(tmp_path / name)
        ids.add(ledger.load().store_id)
        ledger.close()
    assert len(ids) == 2


def test_a_file_of_no_length_is_refused(path):
    """TRAPS, State: a zero-length file opens as an empty database without a word."""
    path.touch()
    refused(path, "zero bytes")


def test_a_half_made_database_is_never_at_the_path(path):
    """A start that dies while making the database leaves nothing that a later one could take for it."""
    run_python(
        """
import os, sys
from pathlib import Path
from jobrun.store import open
open.sync_directory = open._sync_file = lambda path: os._exit(0)
open.open_for_writing(Path(sys.argv[1]))
""",
        path,
    )
    assert not path.exists()
    a_ledger(path.parent).close()


def test_a_database_that_appears_meanwhile_is_not_replaced(path, monkeypatch):
    def another_was_faster(draft):
        path.write_bytes(b"precious")

    monkeypatch.setattr("jobrun.store.open._sync_file", another_was_faster)
    with pytest.raises(StoreRefused, match="File exists"):
        open_for_writing(path)
    assert path.read_bytes() == b"precious"


def test_a_log_without_its_database_is_refused(path):
    """A new database beside an old log would be filled from the log."""
    wal_path(path).write_bytes(b"x" * 100)
    refused(path, "is gone, but its log jobrun.db-wal is there")


def test_a_newer_version_is_refused(path):
    a_ledger(path.parent).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    refused(path, f"newer version \\({VERSION + 1}; this jobrun knows {VERSION}\\)")


def test_another_programs_database_is_refused(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    refused(path, "not one of jobrun's")


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(os.urandom(20_000))
    refused(path, "file is not a database", StoreCorrupt)
    path.write_bytes(b"SQLite format 3\0" + os.urandom(20_000))
    refused(path, "damaged", StoreCorrupt)


def test_a_truncated_database_is_refused(path):
    ledger = a_ledger(path.parent)
    ledger.commit(finished(queued(1)))
    ledger.close()
    path.write_bytes(path.read_bytes()[:-8192])
    refused(path, "damaged", StoreCorrupt)


def damaged_page_of(path, table):
    """Overwrite the root page of a table's or index's tree."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


@pytest.mark.parametrize("table", ["runs", "attempts", "meta", "schedules", "runs_live", "host_events"])
@pytest.mark.parametrize("is_small", [True, False])
def test_a_damaged_page_is_refused(path, table, is_small, monkeypatch):
    """The history is never replaced by an empty one in silence: the start is refused, the file untouched."""
    if not is_small:
        monkeypatch.setattr(damage, "SMALL", 0)
    ledger = a_ledger(path.parent)
    ledger.commit([*finished(queued(1)), RunCreated(queued(2)), HostEvent(AT, "started")])
    ledger.close()
    damaged_page_of(path, table)
    refusal = refused(path, "is damaged: .*Nothing was changed", StoreCorrupt)
    assert "--set-aside-corrupt" in refusal.hint


def test_a_refused_start_leaves_the_log_as_it_is(path, tmp_path):
    """Closing a writer would fold the log into the damaged file and delete it: evidence, and rescue, gone."""
    ledger = a_ledger(path.parent)
    ledger.commit(finished(queued(1)))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (path, wal_path(path)):
        shutil.copy(file, crashed)
    ledger.close()
    copy = crashed / path.name
    with copy.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (copy.stat().st_size - 8192))
    assert wal_path(copy).stat().st_size > 0
    refused(copy, "is damaged: .*Nothing was changed", StoreCorrupt)


def test_old_history_of_a_large_database_is_checked_on_suspicion(path, monkeypatch):
    monkeypatch.setattr(damage, "SMALL", 0)
    monkeypatch.setattr(damage, "_NEWEST", 1)
    ledger = a_ledger(path.parent)
    for number in range(1, 300):
        ledger.commit(finished(queued(number)))
    ledger.close()
    damaged_page_of(path, "runs_outcome")
    open_for_writing(path).close()
    damage.suspect(path)
    with pytest.raises(StoreCorrupt):
        open_for_writing(path)
    assert suspicion_path(path).exists()


def test_a_suspicion_that_proves_wrong_is_dropped(path):
    a_ledger(path.parent).close()
    damage.suspect(path)
    open_for_writing(path).close()
    assert not suspicion_path(path).exists()


def test_a_damaged_database_is_set_aside_and_can_be_rescued(path):
    ledger = a_ledger(path.parent)
    ledger.commit(finished(queued(1)))
    store_id = ledger.load().store_id
    with sqlite3.connect(path) as reader:  # keeps the log from being folded in
        reader.execute("BEGIN").execute("SELECT * FROM runs").fetchone()
        ledger.close()
        aside = set_aside(path, "20260101T030000Z")
    reader.close()
    assert aside.name == "jobrun.db.corrupt-20260101T030000Z"
    assert not path.exists()
    assert not wal_path(path).exists()
    assert not shm_path(path).exists()
    rescued = sqlite3.connect(aside)
    assert rescued.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone() == (store_id,)
    assert rescued.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    rescued.close()
    fresh = Ledger(path)
    assert fresh.load().store_id != store_id
    assert (
        fresh.load().last_run_id == 1
    )  # the next run is 2: the logs of the old run 1 are not taken for its own
    fresh.close()


def test_run_ids_go_on_behind_a_database_that_cannot_tell_its_own(path):
    path.write_bytes(os.urandom(9000))
    set_aside(path, "now")
    ledger = Ledger(path)
    assert ledger.load().last_run_id > 1_700_000_000
    ledger.close()


def test_the_remains_of_a_start_that_died_are_no_obstacle(path):
    path.with_name("jobrun.db.new").write_bytes(os.urandom(5000))
    path.with_name("jobrun.db.new-journal").write_bytes(os.urandom(5000))
    a_ledger(path.parent).close()
    assert [entry.name for entry in path.parent.iterdir()] == ["jobrun.db"]


def test_setting_aside_never_overwrites(path):
    a_ledger(path.parent).close()
    set_aside(path, "once").with_name("keep").touch()
    a_ledger(path.parent).close()
    before = content(path.parent)
    with pytest.raises(StoreRefused, match="exists already"):
        set_aside(path, "once")
    assert content(path.parent) == before


def test_setting_aside_what_is_not_there_is_refused(path):
    with pytest.raises(StoreRefused, match="no database"):
        set_aside(path, "now")


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_database_locked_by_another_process_is_refused(path):
    a_ledger(path.parent).close()
    with another(LOCK, path), pytest.raises(StoreRefused, match="holds a lock"):
        open_for_writing(path, busy_timeout=0.1)
    open_for_writing(path).close()


@pytest.mark.skipif(not is_root(), reason="only root can become another user")
def test_a_directory_or_file_without_the_right_to_write_is_refused():
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "jobrun.db"
        Path(name).chmod(0o755)
        no_directory = as_nobody(lambda: open_for_writing(path))
        assert isinstance(no_directory, StoreRefused)
        assert "Permission denied" in no_directory.sentence
        a_ledger(Path(name)).close()
        path.chmod(0o644)
        no_file = as_nobody(lambda: open_for_writing(path))
        assert isinstance(no_file, StoreRefused)
        assert "cannot be" in no_file.sentence


def test_a_missing_directory_is_refused(tmp_path):
    with pytest.raises(StoreRefused, match="No such file"):
        open_for_writing(tmp_path / "nowhere" / "jobrun.db")


def test_no_space_for_a_new_database_is_refused_and_leaves_nothing(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("needs the right to mount")
    with small_volume(tmp_path, "64k") as volume:
        with pytest.raises(StoreRefused, match=r"disk is full|I/O error|No space"):
            open_for_writing(volume / "jobrun.db")
        assert list(volume.iterdir()) == []


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /proc rw - proc proc rw
40 22 0:40 / /srv rw,relatime shared:20 master:3 - nfs4 server:/export rw,vers=4.2
41 40 8:2 / /srv/local rw - xfs /dev/sdb1 rw
42 22 0:42 / /mnt/with\040space\011tab rw - fuse.sshfs me@host:/ rw
43 22 0:43 / /data rw - nfs server:/old rw
44 22 8:3 / /data rw - btrfs /dev/sdc1 rw
45 22 0:45 / /mnt/c rw - 9p C:\134 rw
this line is not a mount
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/var/lib/jobrun", "ext4"),
        ("/", "ext4"),
        ("/srv/jobrun", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvices", "ext4"),
        ("/srv/local/state", "xfs"),
        ("/mnt/with space\ttab/x", "fuse.sshfs"),
        ("/data/x", "btrfs"),
        ("/mnt/c/jobrun", "9p"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(directory, kind):
    assert file_system(directory.encode(), MOUNTS.encode()) == kind


def test_a_sandbox_root_is_no_network(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text("22 1 0:1 / / rw - 9p none rw\n")
    refuse_network(tmp_path, table)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_refused(path, kind):
    """TRAPS, State: SQLite on a synced or network folder plus sleep is corruption."""
    table = path.parent / "mountinfo"
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:9 / {path.parent} rw - {kind} x rw\n")
    with pytest.raises(StoreRefused, match=re.escape(f"network file system ({kind})")):
        open_for_writing(path, mounts=table)
    assert not path.exists()
    open_for_writing(path, mounts=path.parent / "no such table").close()
