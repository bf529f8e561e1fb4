"""A statement means the same for one row and for many, and a connection keeps all of its texts prepared."""

import sqlite3
from operator import attrgetter

import pytest
from store.lives import AT, EVERY, a_ledger, admitted, queued, the_plan

from jobrun.domain.ledger import (
    JobListed,
    MetaSet,
    Reported,
    RunCreated,
    RunMoved,
    ScheduleGone,
    ScheduleNext,
    ScheduleSeen,
    SlotsDecided,
    StaleWrite,
)
from jobrun.domain.records import DefinitionSeen
from jobrun.domain.report import Report
from jobrun.domain.run import Fence
from jobrun.store import runwrites, statements, writes
from jobrun.store.open import STATEMENTS_KEPT, schema
from jobrun.store.reader import History
from jobrun.store.runwrites import MOVES, Move
from jobrun.store.statements import Statement, change, insert
from jobrun.store.stretches import statements_of

EVERY_MOVE = [*MOVES.values(), *(value for value in vars(runwrites).values() if isinstance(value, Move))]
EVERY_STATEMENT = {
    *(write.statement for write in writes._WRITES.values()),
    *(statement for move in EVERY_MOVE for statement in (move.statement, move.after_start)),
    *(value for value in vars(runwrites).values() if isinstance(value, Statement)),
}
CHANGES = sorted(
    (statement for statement in EVERY_STATEMENT if statement.sql.startswith("UPDATE")), key=attrgetter("sql")
)
NUMBERS = [*range(1, 20), 31, 63, 64, 65, 100, 127, 128, 129, 200]


class Told:
    """A connection that tells how often it had something to execute."""

    def __init__(self, connection):
        self.connection, self.executed = connection, 0

    def executemany(self, text, rows):
        self.executed += len(rows)
        return self.connection.executemany(text, rows)


@pytest.fixture
def table():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, state TEXT, note TEXT)")
    yield connection
    connection.close()


def fill(connection, number):
    values = [value for at in range(number) for value in (at, "old", None if at % 2 else f"{at}")]
    assert insert("runs", "id, state, note").write(connection, values)


@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_of_rows_is_inserted_and_changed(table, number):
    fill(table, number)
    move = change("runs", "state = ?, note = ?", "id = ? AND state = ?")
    values = [value for at in range(number) for value in (f"new {at}", None, at, "old")]
    assert move.write(table, values)
    assert table.execute("SELECT * FROM runs").fetchall() == [(at, f"new {at}", None) for at in range(number)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("stale", ["first", "last", "absent"])
def test_one_row_that_stands_elsewhere_is_noticed_among_any_number(table, number, stale):
    fill(table, number)
    wrong = 0 if stale == "first" else number - 1
    table.execute(
        "DELETE FROM runs WHERE id = ?"
        if stale == "absent"
        else "UPDATE runs SET state = 'else' WHERE id = ?",
        [wrong],
    )
    values = [value for at in range(number) for value in ("new", at, "old")]
    assert not change("runs", "state = ?", "id = ? AND state = ?").write(table, values)
    if stale != "absent":
        assert table.execute("SELECT state FROM runs WHERE id = ?", [wrong]).fetchone() == ("else",)


@pytest.mark.skipif(not statements.KNOWS_MANY, reason="this SQLite is older than UPDATE ... FROM")
def test_forty_rows_are_two_executions(table):
    fill(table, 40)
    told = Told(table)
    values = [value for at in range(40) for value in ("new", at, "old")]
    assert change("runs", "state = ?", "id = ? AND state = ?").write(told, values)
    assert told.executed == 2


def test_what_is_absent_is_null(table):
    fill(table, 8)
    kinds = table.execute("SELECT typeof(id), typeof(note) FROM runs").fetchall()
    assert kinds == [("integer", "text"), ("integer", "null")] * 4


def test_an_older_sqlite_gets_one_row_after_the_other(table, monkeypatch):
    monkeypatch.setattr(statements, "KNOWS_MANY", False)
    fill(table, 40)
    told = Told(table)
    move = change("runs", "state = ?", "id = ? AND state = ?")
    values = [value for at in range(40) for value in ("new", at, "old")]
    assert move.texts == ((1, move.sql),)
    assert move.write(told, values)
    assert told.executed == 40
    assert not move.write(table, values)


def test_a_connection_keeps_every_text_prepared():
    texts = [text for statement in EVERY_STATEMENT for _, text in statement.texts]
    assert len(EVERY_STATEMENT) <= len(texts) < STATEMENTS_KEPT - 50


@pytest.mark.parametrize("statement", CHANGES, ids=lambda statement: statement.sql)
def test_each_row_to_be_changed_is_found_by_its_key(statement):
    """Whatever the number of rows: SQLite's planner is free to walk the whole table instead."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema())
    table = statement.sql.split()[1]
    for size, text in statement.texts:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", [1] * statement.width * size).fetchall()
        steps = [row[3] for row in plan]
        assert not [step for step in steps if step.startswith("SCAN") and step.split()[1] == table]
        searches = [step for step in steps if step.startswith(f"SEARCH {table} USING")]
        assert searches and all(" PRIMARY KEY (" in step for step in searches), steps
    connection.close()


def test_a_schedule_that_is_told_of_twice_is_where_it_was_told_last(tmp_path):
    ledger = a_ledger(tmp_path, *(f"job{number}" for number in range(8)))
    facts = [
        fact
        for turn in range(3)
        for number in range(8)
        for fact in (SlotsDecided(f"job{number}", EVERY, AT + turn), ScheduleNext("job3", EVERY, AT + turn))
    ]
    ledger.commit(sorted(facts, key=lambda fact: type(fact).__name__))
    ledger.commit(facts[:30])
    with History(ledger._path) as history:
        schedules = {row.job: row for row in history.schedules()}
    assert [schedules[f"job{number}"].decided_until - AT for number in range(8)] == [1] * 7 + [0]
    assert schedules["job3"].next_at == AT + 1
    ledger.close()


def test_a_schedule_that_left_the_plan_is_named_among_many(tmp_path):
    ledger = a_ledger(tmp_path, *(f"job{number}" for number in range(8)))
    ledger.commit([ScheduleGone("job5", EVERY)])
    ledger.commit([ScheduleNext(f"job{number}", EVERY, AT) for number in range(8)])
    with pytest.raises(StaleWrite, match=r"nothing there to write this to: .*job5"):
        ledger.commit([SlotsDecided(f"job{number}", EVERY, AT) for number in range(8)])
    ledger.close()


def test_a_first_plan_is_a_few_statements():
    facts = the_plan(*(f"job{number}" for number in range(100)))
    first = [fact for fact in facts if isinstance(fact, DefinitionSeen | JobListed)]
    then = [fact for fact in facts if isinstance(fact, ScheduleSeen)]
    found = [(statement.sql.split()[2], len(values)) for statement, values in statements_of([*first, *then])]
    assert found == [("definitions", 500), ("jobs", 400), ("schedules", 500)]


def test_a_duplicate_among_many_is_named(tmp_path):
    ledger = a_ledger(tmp_path)
    runs = [queued(number) for number in range(1, 70)]
    ledger.commit([RunCreated(runs[40]), MetaSet("a", "b")])
    with pytest.raises(StaleWrite, match=r"UNIQUE constraint failed: runs.id: RunCreated\(run=Run\(id=41"):
        ledger.commit([RunCreated(run) for run in runs])
    assert [run.id for run in ledger.load().live] == [41]
    ledger.close()


def test_a_report_of_nobody_is_named_among_many(tmp_path):
    ledger = a_ledger(tmp_path)
    run = queued(1)
    ledger.commit([RunCreated(run), RunMoved(run, admitted(run))])
    with pytest.raises(StaleWrite, match="FOREIGN KEY constraint failed: Reported"):
        ledger.commit([Reported(Fence(number, 1), Report(result="3")) for number in range(1, 9)])
    ledger.close()
