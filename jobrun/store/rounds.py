"""The rows of what may be written together, gathered by statement.

The rule: runs come before the attempts that refer to them, new attempts before
changes of attempts, and what an attempt left behind comes last; rows of one
statement are about different rows of the table.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.ledger import AttemptClosed, AttemptStarted, Reported
from jobrun.domain.records import OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Run
from jobrun.store.rows import asked_values, end_values, run_values
from jobrun.store.runwrites import (
    CLOSE_ATTEMPT,
    CREATE_ASKED,
    CREATE_RUN,
    KEEP_OUTPUT,
    KEEP_REPORT,
    KEEP_RESULT,
    START_AND_CLOSE,
    START_AND_SUCCEED,
    SUCCEED,
    current,
    guard_values,
    move_to,
    output_values,
    report_values,
    start_values,
    success_values,
)
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

    def create(self, run: Run, moved: Run, started_at: Instant | None) -> None:
        """A new run as it stands now; `started_at` if an attempt of it started on the way."""
        values = asked_values(run, moved, started_at)
        if values is not None:
            self.runs[CREATE_ASKED] += values
        else:
            self.runs[CREATE_RUN] += run_values(run, moved, started_at)

    def move(self, before: Run, after: Run) -> None:
        """The run moves; what is known of its start stays as its new state has it."""
        status = after.status
        move = move_to(status)
        values = self.runs[move.statement]
        values += move.values(status)
        values += guard_values(before, after)

    def move_after_start(self, before: Run, after: Run, started_at: Instant | None) -> None:
        """The run moves, and an attempt of it started on the way, or None: a new one has not yet."""
        status = after.status
        move = move_to(status)
        values = self.runs[move.after_start]
        values += move.values(status)
        if move.after_start is not move.statement:
            values.append(started_at)
        values += guard_values(before, after)

    def end(self, started: AttemptStarted | None, closed: AttemptClosed, *, is_moved: bool) -> None:
        """An attempt ended, and perhaps started before. `is_moved`: its run moves in this round."""
        end, fence = closed.end, closed.fence
        success = success_values(end) if is_moved else None
        if success is not None and started is not None:
            self.attempts[START_AND_SUCCEED] += (*start_values(started), *success, *fence)
        elif success is not None:
            self.attempts[SUCCEED] += (*success, *fence)
        elif started is not None:
            self.attempts[START_AND_CLOSE] += (*start_values(started), *end_values(end), *current(fence))
        else:
            self.attempts[CLOSE_ATTEMPT] += (*end_values(end), *current(fence))

    def keep(self, fact: OutputKept | Reported) -> None:
        """What an attempt left behind; a report that says nothing is none."""
        if isinstance(fact, OutputKept):
            self.kept[KEEP_OUTPUT] += output_values(fact)
            return
        report = fact.report
        if report.error is None and report.progress is None and report.result is not None:
            self.kept[KEEP_RESULT] += (*fact.fence, report.result)
        elif report != _NOTHING:
            self.kept[KEEP_REPORT] += report_values(fact)
