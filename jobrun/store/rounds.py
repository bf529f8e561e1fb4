"""The rows of what may be written together, gathered by statement.

The rule: runs come before the attempts that refer to them, new attempts before
changes of attempts, and what an attempt left behind comes last; rows of one
statement are about different rows of the table.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.ledger import Reported
from jobrun.domain.records import OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Run
from jobrun.store.runwrites import KEEP_OUTPUT, KEEP_REPORT, MOVES, guard_values, output_values, report_values
from jobrun.store.statements import Statement

Lane = defaultdict[Statement, list[Any]]

_NOTHING = Report()


class Round:
    """For each statement the values of all its rows, one row behind the other."""

    __slots__ = ("attempts", "kept", "new_attempts", "runs")

    def __init__(self) -> None:
        self.runs: Lane = defaultdict(list)
        self.new_attempts: Lane = defaultdict(list)
        self.attempts: Lane = defaultdict(list)
        self.kept: Lane = defaultdict(list)

    def statements(self) -> Iterator[tuple[Statement, list[Any]]]:
        """The statements in the order of their execution, each with the values of its rows."""
        for lane in (self.runs, self.new_attempts, self.attempts, self.kept):
            yield from lane.items()

    def move(self, before: Run, after: Run) -> None:
        """The run moves; what is known of its start stays as its new state has it."""
        status = after.status
        move = MOVES[type(status)]
        values = self.runs[move.statement]
        values += move.values(status)
        values += guard_values(before, after)

    def move_after_start(self, before: Run, after: Run, started_at: Instant | None) -> None:
        """The run moves, and an attempt of it started on the way, or None: a new one has not yet."""
        status = after.status
        move = MOVES[type(status)]
        values = self.runs[move.after_start]
        values += move.values(status)
        if move.after_start is not move.statement:
            values.append(started_at)
        values += guard_values(before, after)

    def keep(self, fact: OutputKept | Reported) -> None:
        """What an attempt left behind; a report that says nothing is none."""
        if isinstance(fact, OutputKept):
            self.kept[KEEP_OUTPUT] += output_values(fact)
        elif fact.report.result is not None or fact.report != _NOTHING:
            self.kept[KEEP_REPORT] += report_values(fact)
