"""The writer's locks outlive every reader of the same process."""

import subprocess
import sys
from pathlib import Path

from jobrun.domain.ledger import MetaSet
from jobrun.store.reader import History
from jobrun.store.writer import Ledger

STRANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM runs").fetchone()
connection.close()
"""


def test_a_reader_that_goes_does_not_take_the_writers_locks_with_it(tmp_path: Path) -> None:
    """Closing a descriptor of the file drops the process's POSIX locks; then whoever closes the database
    next takes himself for the last one and removes the log under the writer."""
    path = tmp_path / "jobrun.db"
    ledger = Ledger(path)
    ledger.commit([MetaSet("boot_id", "one")])
    for _ in range(3):
        with History(path) as history:
            assert history.job_names() == []
    log = path.with_name("jobrun.db-wal")
    before = log.stat().st_ino
    subprocess.run([sys.executable, "-c", STRANGER, str(path)], check=True)
    assert log.stat().st_ino == before
    ledger.commit([MetaSet("boot_id", "two")])
    with History(path) as history:
        assert history.meta()["boot_id"] == "two"
    ledger.close()
