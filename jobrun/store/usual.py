"""The usual pieces of a life, written straight: what befalls most runs in a batch is one of a few things.

The rule: the rows are those that `stretches` would come to, in half the time; a
test compares. What does not look as it usually does is left to `stretches`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from jobrun.domain.ledger import AttemptClosed, AttemptOpened, AttemptStarted, Reported, RunCreated, RunMoved
from jobrun.domain.records import OutputKept
from jobrun.domain.run import Done, Running, Starting
from jobrun.store.rounds import Round
from jobrun.store.runwrites import OPEN_ATTEMPT, START_ATTEMPT, current, start_values

Told = Sequence[Any]


def write_usual(told: Told, round: Round) -> bool:
    """Put what is told of one run into the round, if it is one of the usual pieces; whether it was."""
    write = _USUAL.get(tuple(map(type, told)))
    return write is not None and write(told, round)


def _created(told: Told, round: Round) -> bool:
    run = told[0].run
    round.create(run, run, None)
    return True


def _created_and_admitted(told: Told, round: Round) -> bool:
    created, moved, opened = told
    run, before, after, fence = created.run, moved.before, moved.after, opened.fence
    if type(after.status) is not Starting or after.attempt != fence.attempt:
        return False
    if run.attempt != before.attempt or type(run.status) is not type(before.status):
        return False
    round.create(run, after, None)
    round.new_attempts[OPEN_ATTEMPT] += (fence.run_id, fence.attempt, opened.at)
    return True


def _admitted(told: Told, round: Round) -> bool:
    moved, opened = told
    after, fence = moved.after, opened.fence
    if type(after.status) is not Starting or after.attempt != fence.attempt:
        return False
    round.move(moved.before, after)
    round.new_attempts[OPEN_ATTEMPT] += (fence.run_id, fence.attempt, opened.at)
    return True


def _began(told: Told, round: Round) -> bool:
    moved, started = told
    after, fence = moved.after, started.fence
    if type(after.status) is not Running or after.attempt != fence.attempt:
        return False
    round.move(moved.before, after)
    round.attempts[START_ATTEMPT] += (*start_values(started), *current(fence))
    return True


def _ended(told: Told, round: Round) -> bool:
    moved, closed = told[:2]
    before, after, fence = moved.before, moved.after, closed.fence
    if type(after.status) is not Done or after.attempt != fence.attempt or moved.began is not None:
        return False
    round.move(before, after)
    round.end(None, closed, is_moved=True)
    for fact in told[2:]:
        round.keep(fact)
    return True


def _came_and_went(told: Told, round: Round) -> bool:
    moved, started, closed, *kept = told
    before, after, fence = moved.before, moved.after, closed.fence
    if not before.attempt == after.attempt == fence.attempt == started.fence.attempt:
        return False
    if moved.began is None or type(after.status) is not Done:
        return False
    round.move_after_start(before, after, moved.began)
    round.end(started, closed, is_moved=True)
    for fact in kept:
        round.keep(fact)
    return True


_KEPT: tuple[tuple[type[Any], ...], ...] = ((), (Reported,), (OutputKept,), (OutputKept, Reported))
_USUAL: dict[tuple[type[Any], ...], Callable[[Told, Round], bool]] = {
    (RunCreated,): _created,
    (RunCreated, RunMoved, AttemptOpened): _created_and_admitted,
    (RunMoved, AttemptOpened): _admitted,
    (RunMoved, AttemptStarted): _began,
    **{(RunMoved, AttemptClosed, *kept): _ended for kept in _KEPT},
    **{(RunMoved, AttemptStarted, AttemptClosed, *kept): _came_and_went for kept in _KEPT},
}
