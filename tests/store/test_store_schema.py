"""schema.sql is the truth; migrations lead to it; databases of earlier versions open for ever."""

import re
import sqlite3
from pathlib import Path

import pytest
import sqlite_utils
from store.lives import a_ledger, finished, queued

from jobrun.domain.run import Done, Outcome, Running
from jobrun.store.migrations import STEPS, migrate
from jobrun.store.open import APPLICATION_ID, VERSION, open_for_writing, schema
from jobrun.store.reader import History
from jobrun.store.rows import RUN_COLUMNS
from jobrun.store.writer import Ledger

OLD = sorted((Path(__file__).parent / "old").glob("v*.sql"))


def shape(connection):
    """Everything that makes one database behave like another, whatever its SQL looks like."""
    tables = {}
    for name, kind, sql in connection.execute(
        "SELECT name, type, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall():
        if kind == "table":
            tables[name] = (
                connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
                sorted(row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")),
                bool(re.search(r"WITHOUT\s+ROWID", sql, re.I)),
                bool(re.search(r"AUTOINCREMENT", sql, re.I)),
            )
        else:
            columns = [row[2] for row in connection.execute(f"PRAGMA index_xinfo({name})")]
            where = re.split(r"\sWHERE\s", sql, flags=re.I)[1:]
            tables[name] = (columns, "UNIQUE" in sql.upper(), where)
    return tables


def pragmas(connection):
    return [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("user_version", "application_id", "auto_vacuum")
    ]


def fresh():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema())
    return connection


def from_dump(path, dump):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(dump.read_text())
    connection.close()


def test_there_is_a_dump_of_every_version_and_a_step_from_it():
    assert [dump.stem for dump in OLD] == [f"v{number}" for number in range(1, VERSION + 1)]
    assert set(STEPS) == set(range(1, VERSION))


@pytest.mark.parametrize("dump", OLD, ids=lambda dump: dump.stem)
def test_migrations_and_schema_lead_to_the_same(tmp_path, dump):
    from_dump(tmp_path / "jobrun.db", dump)
    migrated = open_for_writing(tmp_path / "jobrun.db")
    assert shape(migrated) == shape(fresh())
    assert pragmas(migrated) == pragmas(fresh()) == [VERSION, APPLICATION_ID, 2]
    assert migrated.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    migrated.close()


@pytest.mark.parametrize("dump", OLD, ids=lambda dump: dump.stem)
def test_a_database_of_an_earlier_version_opens_with_all_it_knew(tmp_path, dump):
    """TRAPS, State: pueue 4.0 wiped the state on upgrade."""
    from_dump(tmp_path / "jobrun.db", dump)
    ledger = Ledger(tmp_path / "jobrun.db")
    snapshot = ledger.load()
    assert snapshot.store_id == "00112233445566aa"
    assert [(run.id, type(run.status)) for run in snapshot.live] == [(3, Running)]
    assert snapshot.cursors[("backup", "0 3 * * *")].decided_until == 1_767_236_400_000_000
    assert [pause.name for pause in snapshot.pauses] == ["poll"]
    with History(tmp_path / "jobrun.db") as history:
        first = history.run(1).run
        assert isinstance(first.status, Done)
        assert first.status.outcome is Outcome.FAILED
        assert history.outputs(1)[0].body == b"no space left\n\xff\x00"
        assert [row.fence.attempt for row in history.attempts(1)] == [1, 2]
        assert history.run(2).run.slot.count == 61
        assert history.host_events()[0].kind == "started"
    ledger.commit(finished(queued(snapshot.last_run_id + 1)))
    ledger.close()


def test_a_database_of_version_2_knows_what_runs_were_handed_and_reported(tmp_path):
    from_dump(tmp_path / "jobrun.db", Path(__file__).parent / "old" / "v2.sql")
    Ledger(tmp_path / "jobrun.db").close()
    with History(tmp_path / "jobrun.db") as history:
        given = history.run(4).run
        assert (given.data, given.resume_from) == (
            '{"limit":3}',
            "/var/lib/jobrun/checkpoints/backup/1/epoch_7.bin",
        )
        assert history.result(4) == '{"rows":3}'
        ((attempt, report),) = history.reports(1)
        assert (attempt, report.error.type, report.progress.state) == (2, "builtins.OSError", "copying")
        assert report.error.traceback.splitlines()[-1] == "OSError: no space left"
        assert [(pool.name, pool.min, pool.max) for pool in history.pools()] == [
            ("default", 0, None),
            ("models", 1, 2),
        ]


def test_the_rows_code_names_every_column():
    columns = [row[1] for row in fresh().execute("PRAGMA table_info(runs)")]
    assert sorted(column.strip() for column in RUN_COLUMNS.split(",")) == sorted(columns)


def add_a_column(database):
    database["queues"].add_column("weight", int, not_null_default=1)


def rebuild_a_table(database):
    database["definitions"].transform(rename={"seen_at": "first_seen_at"})


def fail_halfway(database):
    database["queues"].add_column("lost", int)
    raise RuntimeError("power cut")


def test_steps_run_in_order_and_keep_every_row(tmp_path):
    ledger = a_ledger(tmp_path)
    ledger.commit(finished(queued(1)))
    connection = ledger._connection
    migrate(connection, {VERSION: add_a_column, VERSION + 1: rebuild_a_table}, VERSION + 2)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 2,)
    assert connection.execute("SELECT name, concurrency, weight FROM queues").fetchall() == [
        ("default", 4, 1)
    ]
    assert connection.execute("SELECT count(first_seen_at) FROM definitions").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM attempts").fetchone() == (1,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    ledger.close()


def test_a_step_that_fails_leaves_everything_as_it_was(tmp_path):
    ledger = a_ledger(tmp_path)
    before = "\n".join(ledger._connection.iterdump())
    with pytest.raises(RuntimeError, match="power cut"):
        migrate(ledger._connection, {VERSION: add_a_column, VERSION + 1: fail_halfway}, VERSION + 2)
    assert "\n".join(ledger._connection.iterdump()) == before
    assert ledger._connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    ledger.commit(finished(queued(1)))
    ledger.close()


def test_a_step_that_tears_a_reference_is_refused(tmp_path):
    ledger = a_ledger(tmp_path)
    with pytest.raises(sqlite3.IntegrityError, match="refer to nothing"):
        migrate(
            ledger._connection, {VERSION: lambda database: database["definitions"].delete(1)}, VERSION + 1
        )
    assert ledger._connection.execute("SELECT count(*) FROM definitions").fetchone() == (1,)
    ledger.close()


def test_the_tool_of_the_migrations_keeps_to_our_transaction():
    """All steps are one transaction only while sqlite_utils does not commit behind our back."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    connection.execute("BEGIN")
    database = sqlite_utils.Database(connection)
    database["t"].add_column("c", int)
    database["t"].transform(drop={"c"})
    database["t"].create_index(["b"])
    database["t"].insert({"b": "x"})
    assert connection.in_transaction
