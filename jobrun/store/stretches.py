"""A batch in as few statements as it needs: what befell one run in it is written once.

A run that is created and admitted in one batch is one new row, one that starts
and ends is one change; statements that are alike are executed together. On a
host with thousands of runs a second that is what a run costs.

The rule: the database is afterwards as if each fact had been written by itself,
in order, and a batch that would have been refused so is refused. Runs do not
refer to each other, so only what concerns one run must keep its order. That is
cut into stretches, within which it does not matter: in one stretch there is no
attempt but one, and no fact about it from before the run was in it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Fact,
    Reported,
    RunCreated,
    RunMoved,
)
from jobrun.domain.records import OutputKept
from jobrun.domain.report import Report
from jobrun.domain.run import Run, Running, Starting, Status, Stopping
from jobrun.store.rows import END_WIDTH, end_values
from jobrun.store.runwrites import (
    CLOSE_ATTEMPT,
    MOVED_START_AND_CLOSE,
    MOVES,
    OPEN_ATTEMPT,
    RUN_WRITES,
    START_AND_CLOSE,
    START_ATTEMPT,
    WHOLE_ATTEMPT,
    creation,
    current,
    guard_values,
    start_values,
)
from jobrun.store.statements import Statement, Values
from jobrun.store.writes import write_of

_NOTHING = Report()
_OPEN_END = (None,) * END_WIDTH
_of_attempt = attrgetter("fence.run_id")
_RUN_OF: dict[type[Any], Callable[[Any], int]] = {
    RunCreated: attrgetter("run.id"),
    RunMoved: attrgetter("after.id"),
    **dict.fromkeys((AttemptOpened, AttemptStarted, AttemptClosed, OutputKept, Reported), _of_attempt),
}


def statements_of(facts: Iterable[Fact]) -> Iterator[tuple[Statement, list[Values]]]:
    """The statements of a batch in the order of their execution, each with the values of all its rows."""
    others: list[Fact] = []
    newest: dict[int, _Stretch] = {}
    rounds: list[list[_Stretch]] = []
    for fact in facts:
        run_of = _RUN_OF.get(type(fact))
        if run_of is None:
            others.append(fact)
            continue
        run_id = run_of(fact)
        stretch = newest.get(run_id)
        if stretch is None or not stretch.takes(fact):
            number = 0 if stretch is None else stretch.round + 1
            newest[run_id] = stretch = _Stretch(number)
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(stretch)
            stretch.takes(fact)
    # Definitions come before the runs that refer to them; nothing else here has to do with runs.
    for write, group in groupby(others, write_of):
        yield write.statement, [write.values(fact) for fact in group]
    for stretches in rounds:
        yield from _statements_of_round(stretches)


def _statements_of_round(stretches: list["_Stretch"]) -> Iterator[tuple[Statement, list[Values]]]:
    lanes: tuple[dict[Statement, list[Values]], ...] = ({}, {}, {}, {})
    for stretch in stretches:
        for place, statement, values in stretch.writes():
            lanes[place].setdefault(statement, []).append(values)
    for lane in lanes:
        yield from lane.items()


_RUNS, _NEW_ATTEMPTS, _ATTEMPTS, _KEPT = range(4)


class _Stretch:
    """What a batch says of one run, as far as the order of it does not matter."""

    created: Run | None = None
    before: Run | None = None
    after: Run | None = None
    starts = False
    started_at: Instant | None = None
    number: int | None = None
    opened: AttemptOpened | None = None
    started: AttemptStarted | None = None
    closed: AttemptClosed | None = None

    def __init__(self, round: int) -> None:
        self.round = round
        self.kept: list[OutputKept | Reported] = []

    def takes(self, fact: Any) -> bool:
        """Take the fact in, if it can be; else it begins another stretch."""
        kind = type(fact)
        if kind is RunMoved:
            return self._takes_move(fact.before, fact.after)
        if kind is RunCreated:
            return self._takes_creation(fact.run)
        if kind is OutputKept or kind is Reported:
            self.kept.append(fact)
            return True
        number = fact.fence.attempt
        if self.number is None:
            if self.after is not None and self.after.attempt != number:
                return False
        elif self.number != number or kind is AttemptOpened:
            return False
        if self.closed is not None or (kind is AttemptOpened and self.kept):
            return False
        if kind is AttemptStarted:
            self.started = fact
        elif kind is AttemptClosed:
            self.closed = fact
        else:
            self.opened = fact
        self.number = number
        return True

    def _takes_creation(self, run: Run) -> bool:
        if self.after is not None or self.number is not None or self.kept:
            return False
        self.created = self.after = run
        self._note_start(run.status)
        return True

    def _takes_move(self, before: Run, after: Run) -> bool:
        known = self.after
        if known is not None and (
            known.attempt != before.attempt or type(known.status) is not type(before.status)
        ):
            return False
        if self.number is not None and (before.attempt != self.number or after.attempt != self.number):
            return False
        if known is None:
            self.before = before
        self.after = after
        self._note_start(after.status)
        return True

    def _note_start(self, status: Status) -> None:
        """When an attempt started stays known after it; a new attempt has not started yet."""
        if type(status) is Running or type(status) is Stopping:
            self.starts, self.started_at = True, status.started_at
        elif type(status) is Starting:
            self.starts, self.started_at = True, None

    def writes(self) -> list[tuple[int, Statement, Values]]:
        """The statements, each with its place in the order."""
        after = self.after
        found: list[tuple[int, Statement, Values]] = []
        if self.created is not None and after is not None:
            found.append((_RUNS, *creation(self.created, after, self.started_at)))
        elif after is not None and self.before is not None:
            found.append((_RUNS, *self._move(self.before, after)))
        if self.number is not None:
            found += self._attempt_writes()
        for fact in self.kept:
            if isinstance(fact, OutputKept) or fact.report != _NOTHING:
                write = RUN_WRITES[type(fact)]
                found.append((_KEPT, write.statement, write.values(fact)))
        return found

    def _move(self, before: Run, after: Run) -> tuple[Statement, Values]:
        move = MOVES[type(after.status)]
        values, guard = move.values(after.status), guard_values(before, after)
        if not self.starts or move.after_start is move.statement:
            return move.statement, (*values, *guard)
        return move.after_start, (*values, self.started_at, *guard)

    def _attempt_writes(self) -> Iterator[tuple[int, Statement, Values]]:
        opened, started, closed = self.opened, self.started, self.closed
        begun = (None, None) if started is None else start_values(started)
        if opened is not None and self.after is not None and (started is not None or closed is not None):
            # That it is the run's current attempt needs no asking: this batch brings the run there.
            end = _OPEN_END if closed is None else end_values(closed.end)
            fence = opened.fence
            yield _NEW_ATTEMPTS, WHOLE_ATTEMPT, (fence.run_id, fence.attempt, opened.at, *begun, *end)
            return
        if opened is not None:
            yield _NEW_ATTEMPTS, OPEN_ATTEMPT, (opened.fence.run_id, opened.fence.attempt, opened.at)
        if closed is not None and started is not None and self.before is not None:
            yield _ATTEMPTS, MOVED_START_AND_CLOSE, (*begun, *end_values(closed.end), *closed.fence)
        elif closed is not None and started is not None:
            yield _ATTEMPTS, START_AND_CLOSE, (*begun, *end_values(closed.end), *current(closed.fence))
        elif closed is not None:
            yield _ATTEMPTS, CLOSE_ATTEMPT, (*end_values(closed.end), *current(closed.fence))
        elif started is not None:
            yield _ATTEMPTS, START_ATTEMPT, (*begun, *current(started.fence))
