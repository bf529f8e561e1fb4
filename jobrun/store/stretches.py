"""A batch in as few statements as it needs: what befell one run in it is written once.

A run that is created and admitted in one batch is one new row, one that starts
and ends is one change; statements that are alike are executed together. On a
host with thousands of runs a second that is what a run costs. The few things
that befall most runs are written by `usual`; what is here knows all others.

The rule: the database is afterwards as if each fact had been written by itself,
in order, and a batch that would have been refused so is refused. Runs do not
refer to each other, so only what concerns one run must keep its order. That is
cut into stretches, within which it does not matter: in one stretch there is no
attempt but one, and no fact about it from before the run was in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
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
from jobrun.domain.records import DefinitionSeen, OutputKept
from jobrun.domain.run import Run, Running, Starting, Status, Stopping
from jobrun.store.rounds import Round
from jobrun.store.rows import END_WIDTH, end_values
from jobrun.store.runwrites import (
    OPEN_ATTEMPT,
    START_ATTEMPT,
    WHOLE_ATTEMPT,
    current,
    start_values,
)
from jobrun.store.statements import Statement
from jobrun.store.usual import write_usual
from jobrun.store.writes import write_of

_NO_BEGIN = (None, None)
_OPEN_END = (None,) * END_WIDTH
_WITH_FENCE = frozenset({AttemptOpened, AttemptStarted, AttemptClosed, OutputKept, Reported})


def statements_of(facts: Iterable[Fact]) -> Iterator[tuple[Statement, Sequence[Any]]]:
    """The statements of a batch in the order of their execution, each with the values of all its rows."""
    definitions, others, by_run = _sorted_out(facts)
    # Definitions refer to nothing, jobs and runs to them; nothing else here has to do with runs.
    for write, group in groupby((*definitions, *others), write_of):
        yield write.statement, write.rows(group)
    rounds = [Round()]
    for told in by_run.values():
        if not write_usual(told, rounds[0]):
            cut(told, rounds)
    for one in rounds:
        yield from one.statements()


def _sorted_out(facts: Iterable[Any]) -> tuple[list[Fact], list[Fact], dict[int, list[Any]]]:
    """The definitions, what else is about no run, and what is about each run; all in their order."""
    definitions: list[Fact] = []
    others: list[Fact] = []
    by_run: defaultdict[int, list[Any]] = defaultdict(list)
    for fact in facts:
        kind = type(fact)
        if kind is RunMoved:
            run_id = fact.after.id
        elif kind in _WITH_FENCE:
            run_id = fact.fence.run_id
        elif kind is RunCreated:
            run_id = fact.run.id
        else:
            (definitions if kind is DefinitionSeen else others).append(fact)
            continue
        by_run[run_id].append(fact)
    return definitions, others, by_run


def cut(told: Sequence[Any], rounds: list[Round]) -> None:
    """Put what is told of one run into the rounds, a stretch into each; there are more of them afterwards."""
    stretches = [_Stretch()]
    for fact in told:
        if not stretches[-1].takes(fact):
            stretches.append(_Stretch())
            stretches[-1].takes(fact)
    while len(rounds) < len(stretches):
        rounds.append(Round())
    for stretch, round in zip(stretches, rounds, strict=False):
        stretch.write(round)


class _Stretch:
    """What a batch says of one run, as far as the order of it does not matter."""

    __slots__ = (
        "after",
        "before",
        "closed",
        "created",
        "kept",
        "number",
        "opened",
        "started",
        "started_at",
        "starts",
    )

    def __init__(self) -> None:
        self.created: Run | None = None
        self.before: Run | None = None
        self.after: Run | None = None
        self.starts = False
        self.started_at: Instant | None = None
        self.number: int | None = None
        self.opened: AttemptOpened | None = None
        self.started: AttemptStarted | None = None
        self.closed: AttemptClosed | None = None
        self.kept: list[OutputKept | Reported] = []

    def takes(self, fact: Any) -> bool:
        """Take the fact in, if it can be; else it begins another stretch."""
        kind = type(fact)
        if kind is RunMoved:
            return self._takes_move(fact)
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

    def _takes_move(self, fact: RunMoved) -> bool:
        before, after, known = fact.before, fact.after, self.after
        if known is not None and known is not before and not _stands_alike(known, before):
            return False
        if self.number is not None and (before.attempt != self.number or after.attempt != self.number):
            return False
        if known is None:
            self.before = before
        self.after = after
        self._note_start(after.status, fact.began)
        return True

    def _note_start(self, status: Status, began: Instant | None = None) -> None:
        """When an attempt started stays known after it; a new attempt has not started yet."""
        if began is not None:
            self.starts, self.started_at = True, began
        elif type(status) is Running or type(status) is Stopping:
            self.starts, self.started_at = True, status.started_at
        elif type(status) is Starting:
            self.starts, self.started_at = True, None

    def write(self, round: Round) -> None:
        """Put the rows into the round."""
        if self.created is not None:
            round.create(self.created, self.after or self.created, self.started_at)
        elif self.after is not None and self.before is not None:
            if self.starts:
                round.move_after_start(self.before, self.after, self.started_at)
            else:
                round.move(self.before, self.after)
        if self.number is not None:
            self._write_attempt(round)
        for fact in self.kept:
            round.keep(fact)

    def _write_attempt(self, round: Round) -> None:
        opened, started, closed = self.opened, self.started, self.closed
        begun = _NO_BEGIN if started is None else start_values(started)
        if opened is not None and self.after is not None and (started is not None or closed is not None):
            # That it is the run's current attempt needs no asking: this batch brings the run there.
            end = _OPEN_END if closed is None else end_values(closed.end)
            fence = opened.fence
            round.new_attempts[WHOLE_ATTEMPT] += (fence.run_id, fence.attempt, opened.at, *begun, *end)
            return
        if opened is not None:
            round.new_attempts[OPEN_ATTEMPT] += (opened.fence.run_id, opened.fence.attempt, opened.at)
        if closed is not None:
            # A run that moves in this stretch stands in this attempt afterwards (`takes` sees to it).
            round.end(started, closed, is_moved=self.after is not None)
        elif started is not None:
            round.attempts[START_ATTEMPT] += (*begun, *current(started.fence))


def _stands_alike(known: Run, before: Run) -> bool:
    return known.attempt == before.attempt and type(known.status) is type(before.status)
