"""A batch of facts written both ways: one fact after the other, and together; and the facts of one life."""

import sqlite3
from dataclasses import replace

from store.lives import AT, PROCESS, admitted, finished, queued, running, the_plan

from jobrun.domain.ledger import AttemptClosed, AttemptOpened, AttemptStarted, Reported, RunCreated, RunMoved
from jobrun.domain.records import OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Fence
from jobrun.store import stretches
from jobrun.store.open import schema
from jobrun.store.rounds import Round
from jobrun.store.stretches import statements_of
from jobrun.store.usual import write_usual
from jobrun.store.writes import write_of


class Refused(Exception):
    pass


def one_by_one(connection, facts):
    """What a batch means."""
    for fact in facts:
        write = write_of(fact)
        if type(fact) is Reported and fact.report == Report():
            continue
        changed = connection.execute(write.statement.sql, write.values(fact)).rowcount
        if write.statement.guarded and changed != 1:
            raise Refused


def together(connection, facts):
    for statement, values in statements_of(facts):
        if not statement.write(connection, values):
            raise Refused


def after(how, batches):
    """The database after these batches, and which of them were refused."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema())
    connection.execute("PRAGMA foreign_keys = ON")
    one_by_one(connection, the_plan())
    refused = []
    for batch in batches:
        connection.execute("BEGIN")
        try:
            how(connection, batch)
            connection.execute("COMMIT")
        except (Refused, sqlite3.IntegrityError):
            connection.execute("ROLLBACK")
            refused.append(batch)
    return sorted(connection.iterdump()), refused


def rows_of(rounds):
    return [list(one.statements()) for one in rounds]


def the_same_by_cutting(told):
    """Whether it is a usual piece of a life; then its rows are compared with those that cutting comes to."""
    usual, cut_up = Round(), [Round()]
    if not write_usual(told, usual):
        assert rows_of([usual]) == [[]]
        return False
    stretches.cut(told, cut_up)
    assert rows_of([usual]) == rows_of(cut_up)
    return True


RUN = queued(1)
CREATED = RunCreated(RUN)
STARTING = admitted(RUN)
STARTED = running(STARTING)
ADMITTED = RunMoved(RUN, STARTING)
OPENED = AttemptOpened(Fence(1, 1), AT)
BEGAN = RunMoved(STARTING, STARTED)
BEGUN = AttemptStarted(Fence(1, 1), PROCESS, AT + 1)
BEGUN_TWICE = AttemptStarted(Fence(1, 1), replace(PROCESS, pid=99), AT + 2)
ENDED, CLOSED = finished(RUN)[-2:]
WENT = RunMoved(STARTING, ENDED.after, BEGUN.at)
PRINTED = OutputKept(Fence(1, 1), "out", 3, 0, b"abc")
SAID = Reported(Fence(1, 1), Report(result="3"))
ELSEWHERE = AttemptClosed(Fence(1, 2), CLOSED.end)
