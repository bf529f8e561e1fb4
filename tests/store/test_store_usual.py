"""The usual pieces of a life leave what they leave one fact after the other, whatever they have to say."""

from dataclasses import replace

import pytest
from store.bothways import (
    ADMITTED,
    BEGAN,
    BEGUN,
    CLOSED,
    CREATED,
    ELSEWHERE,
    ENDED,
    OPENED,
    PRINTED,
    RUN,
    SAID,
    STARTED,
    STARTING,
    WENT,
    after,
    one_by_one,
    the_same_by_cutting,
    together,
)
from store.lives import AT, PROCESS, admitted, queued, running

from jobrun.domain.ledger import AttemptClosed, AttemptOpened, AttemptStarted, Reported, RunCreated, RunMoved
from jobrun.domain.report import Progress, Raised, Report
from jobrun.domain.run import Cause, Delayed, DelayReason, Done, Fence, Outcome, Queued, Slot


@pytest.mark.parametrize(
    "told",
    [
        [CREATED],
        [CREATED, ADMITTED, OPENED],
        [ADMITTED, OPENED],
        [BEGAN, BEGUN],
        [ENDED, CLOSED],
        [ENDED, CLOSED, PRINTED, SAID],
        [WENT, BEGUN, CLOSED],
        [WENT, BEGUN, CLOSED, PRINTED, SAID],
    ],
    ids=lambda facts: " ".join(type(fact).__name__ for fact in facts),
)
def test_the_short_way_is_taken_by_a_call(told):
    assert the_same_by_cutting(told)


@pytest.mark.parametrize(
    "told",
    [
        [CREATED, RunMoved(replace(RUN, attempt=3), STARTING), OPENED],
        [CREATED, RunMoved(replace(RUN, status=Delayed(AT, DelayReason.SPREAD)), STARTING), OPENED],
        [ADMITTED, AttemptOpened(Fence(1, 2), AT)],
        [RunMoved(RUN, replace(STARTED, status=Queued(AT))), OPENED],
        [BEGAN, AttemptStarted(Fence(1, 2), PROCESS, AT)],
        [RunMoved(STARTING, replace(STARTED, status=Queued(AT))), BEGUN],
        [ENDED, ELSEWHERE],
        [WENT, CLOSED],
        [BEGAN, BEGUN, ENDED, CLOSED],
        [BEGAN, BEGUN, ENDED, ELSEWHERE],
        [BEGAN, AttemptStarted(Fence(1, 2), PROCESS, AT), ENDED, CLOSED],
        [BEGAN, BEGUN, RunMoved(replace(STARTED, attempt=2), ENDED.after), CLOSED],
        [RunMoved(replace(STARTING, attempt=2), ENDED.after, BEGUN.at), BEGUN, CLOSED],
        [RunMoved(STARTING, ENDED.after), BEGUN, CLOSED],
        [RunMoved(STARTING, replace(STARTED, status=Queued(AT)), BEGUN.at), BEGUN, CLOSED],
        [WENT, BEGUN, ELSEWHERE],
        [WENT, AttemptStarted(Fence(1, 2), PROCESS, AT), CLOSED],
        [BEGAN, BEGUN, RunMoved(replace(STARTED, status=Queued(AT)), ENDED.after), CLOSED],
    ],
    ids=lambda facts: " ".join(type(fact).__name__ for fact in facts),
)
def test_the_short_way_is_not_taken_by_what_does_not_fit(told):
    assert not the_same_by_cutting(told)


def in_any_cut(facts):
    """Whatever of these facts comes together, it leaves what they leave one by one."""
    for place in range(len(facts)):
        batches = [batch for batch in (facts[:place], facts[place:]) if batch]
        found = after(together, batches)
        assert found == after(one_by_one, batches)
        assert found[1] == []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"outcome": Outcome.FAILED, "cause": Cause.EXIT_CODE, "exit_code": 1},
        {"outcome": Outcome.FAILED},
        {"cause": Cause.USER},
        {"exit_code": None},
        {"exit_code": 3},
        {"signal": 9},
        {"detail": "2 processes were left"},
        {"left_behind": 2},
        {"killed": True},
        {"user_time": 5, "system_time": 6, "max_rss": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["told apart", "told at once"])
def test_whatever_there_is_to_say_of_an_end_is_written_down(more, order):
    end = replace(CLOSED.end, **{"exit_code": 0, **more})
    last = Done(end.outcome, end.cause, end.ended_at, end.detail, end.exit_code, end.signal)
    over, closed = replace(STARTED, status=last), AttemptClosed(Fence(1, 1), end)
    if order == "told apart":
        told = [BEGAN, BEGUN, RunMoved(STARTED, over)]
    else:
        told = [RunMoved(STARTING, over, BEGUN.at), BEGUN]
    in_any_cut([CREATED, ADMITTED, OPENED, *told, closed, SAID])


@pytest.mark.parametrize("status", [Queued(AT + 9), Delayed(AT + 9, DelayReason.RETRY)], ids=str)
def test_an_attempt_that_came_and_went_leaves_its_begin_to_a_run_that_goes_on(status):
    again = replace(STARTING, status=status)
    in_any_cut([CREATED, ADMITTED, OPENED, RunMoved(STARTING, again, BEGUN.at), BEGUN, CLOSED])
    dump, _ = after(together, [[CREATED, ADMITTED, OPENED], [RunMoved(STARTING, again, 77)]])
    (row,) = [line for line in dump if line.startswith('INSERT INTO "runs"')]
    assert ",77," in row


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"data": '{"limit":3}'},
        {"resume_from": "/srv/epoch_7.bin"},
        {"retry_of": 17},
        {"slot": Slot("every 1s", AT)},
        {"requested_by": "uid 1000", "priority": -3, "max_attempts": 4},
        {"status": Delayed(AT, DelayReason.REQUESTED)},
    ],
    ids=str,
)
def test_whatever_a_new_run_has_of_its_own_is_written_down(more):
    run = replace(queued(1, has_slot=False), **more)
    starting = admitted(run)
    in_any_cut([RunCreated(run), RunMoved(run, starting), AttemptOpened(Fence(1, 1), AT)])
    back = RunMoved(running(starting), replace(run, status=Queued(AT + 40), attempt=1))
    in_any_cut([RunCreated(run), RunMoved(run, starting), RunMoved(starting, running(starting)), back])


def test_a_run_that_never_begins_is_written_down():
    in_any_cut(
        [RunCreated(replace(RUN, status=Done(Outcome.SKIPPED, Cause.OVERLAP, AT, "run 7 is unfinished")))]
    )


@pytest.mark.parametrize(
    "report",
    [
        Report(result="3"),
        Report(retry_in=5),
        Report(error=Raised("ValueError")),
        Report(result="3", error=Raised("ValueError")),
        Report(result="3", progress=Progress(AT, 50.0)),
        Report(result="3", retry_in=5),
    ],
    ids=str,
)
def test_whatever_an_attempt_says_is_written_down(report):
    said = Reported(Fence(1, 1), report)
    in_any_cut([CREATED, ADMITTED, OPENED, WENT, BEGUN, CLOSED, said])
