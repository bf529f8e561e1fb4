"""Dying on purpose at a named point: how tests see what a crash leaves behind there.

`JOBRUN_FAULT=point` makes the daemon send itself SIGKILL when it comes to that
point, `point:n` when it comes there for the n-th time. The points lie between
every intent, act and fact. Without the variable `asked_for` answers None once,
at start, and the service wraps nothing: no path of an event leads through here.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from jobrun.daemon.engine import Hands
from jobrun.daemon.inbox import Happened, Nudge
from jobrun.domain.errors import UsageError
from jobrun.domain.events import (
    Effect,
    Exited,
    Forget,
    KillTree,
    NeverBegan,
    Spawned,
    StartAttempt,
    Terminate,
    Vanished,
    WakeAt,
)
from jobrun.domain.ledger import (
    AttemptClosed,
    AttemptOpened,
    AttemptStarted,
    Fact,
    JobListed,
    RunCreated,
    RunMoved,
)
from jobrun.domain.records import HostEvent, Paused
from jobrun.domain.run import Delayed, Done, Queued, Stopping
from jobrun.wire.message import Request

VARIABLE = "JOBRUN_FAULT"

Commit = Callable[[Sequence[Fact]], Awaitable[None]]
Post = Callable[[Happened | Nudge], None]
Answer = Callable[[Request, str], Awaitable[dict[str, Any]]]

# A transaction is named after what it holds; one that holds several things has several names.
_TRANSACTIONS = {
    "plan": "the plan in force, with its new schedules",
    "slot": "a due slot's row and its schedule's cursor",
    "request": "the row of a run that somebody asked for",
    "intent": "the intent to start an attempt",
    "start": "a started attempt's process",
    "stopping": "that a run is being stopped",
    "end": "an attempt's end and its output",
    "retry": "that a failed run will be tried again, and when",
    "release": "that a delayed run's moment has come",
    "pause": "a pause",
    "goodbye": "that the daemon stops",
}
_EFFECTS: dict[type, tuple[str, str]] = {
    StartAttempt: ("spawn", "an attempt's process is started, or its call queued"),
    Terminate: ("term", "TERM goes to a tree"),
    KillTree: ("kill", "KILL goes to a tree"),
    WakeAt: ("wake", "the timer of a delayed run is set"),
    Forget: ("forget", "an ended attempt's working files are dropped"),
}
_EVENTS: dict[type, tuple[str, str]] = {
    Spawned: ("spawned", "a process was started, or found by recovery"),
    Exited: ("exited", "a leader's exit status was read"),
    NeverBegan: ("unbegun", "an attempt turned out not to have begun"),
    Vanished: ("vanished", "a process turned out to have gone without a word"),
}
POINTS: dict[str, str] = {
    "recovery.before": "at start: the store is loaded, nothing has been looked at",
    "recovery.after": "at start: every unfinished attempt was looked at, nothing of it is durable",
    "ready": "at start: the plan is durable, the socket answers",
    **{
        f"{name}.{when}": f"{words}: {what}"
        for name, what in _TRANSACTIONS.items()
        for when, words in (
            ("undurable", "decided, not durable"),
            ("torn", "in the middle of its transaction"),
            ("durable", "durable, not acted on and not answered"),
        )
    },
    **{
        f"{name}.{when}": f"right {when} {what}"
        for name, what in _EFFECTS.values()
        for when in ("before", "after")
    },
    "handout.before": "right before the calls of a batch go to warm workers",
    "handout.after": "right after the calls of a batch went to warm workers",
    **{f"{name}.unposted": f"{what}, the engine has not been told" for name, what in _EVENTS.values()},
    "request.read": "a request was read, nothing was done about it",
    "reply.unsent": "a request was carried out and is durable, its reply was not sent",
    "reply.sent": "the reply to a request was sent",
    "shutdown.begun": "stopping: the alarm is off, running jobs were not touched",
    "shutdown.idle": "stopping: running jobs have ended or were left, the last entry is not written",
    "shutdown.closed": "stopping: the last entry is durable, the socket is gone, the store is open",
}


class Fault:
    """A point, and how often it is passed before the daemon dies there."""

    def __init__(self, point: str, count: int, kill: Callable[[int, int], None] = os.kill) -> None:
        self.point = point
        self._left = count
        self._kill = kill

    def passes(self, *points: str) -> None:
        """The daemon comes to these points."""
        if self.point in points:
            self._left -= 1
            if self._left == 0:
                self._kill(os.getpid(), signal.SIGKILL)

    def around_commit(self, commit: Commit) -> Commit:
        """The points around every transaction, and in it."""

        async def guarded(facts: Sequence[Fact]) -> None:
            names = names_of(facts)
            self.passes(*(f"{name}.undurable" for name in names))
            torn = [f"{name}.torn" for name in names]
            await commit(_Torn(facts, lambda: self.passes(*torn)) if self.point in torn else facts)
            self.passes(*(f"{name}.durable" for name in names))

        return guarded

    def around_hands(self, hands: Hands) -> Hands:
        """The points before and after every effect."""
        return _GuardedHands(self, hands)

    def around_post(self, post: Post) -> Post:
        """The points between what was seen of a process and its way to the engine."""

        def guarded(message: Happened | Nudge) -> None:
            if isinstance(message, Happened) and type(message.event) in _EVENTS:
                self.passes(f"{_EVENTS[type(message.event)][0]}.unposted")
            post(message)

        return guarded

    def around_answer(self, answer: Answer) -> Answer:
        """The points around a request's answer. The kernel has a reply once its handler has run on."""

        async def guarded(request: Request, by: str) -> dict[str, Any]:
            if request.op in ("ping", "status"):
                return await answer(request, by)
            self.passes("request.read")
            reply = await answer(request, by)
            self.passes("reply.unsent")
            asyncio.get_running_loop().call_soon(self.passes, "reply.sent")
            return reply

        return guarded


def asked_for(environ: Mapping[str, str]) -> Fault | None:
    """The fault that the environment asks for. Raises UsageError for one that does not exist."""
    text = environ.get(VARIABLE)
    if not text:
        return None
    point, _, count = text.partition(":")
    if point not in POINTS or (count and not count.isdecimal()) or count == "0":
        raise UsageError(
            f'{VARIABLE} is "{text}", which is no fault point.', "docs/guarantees.md lists them."
        )
    return Fault(point, int(count or 1))


def names_of(facts: Sequence[Fact]) -> set[str]:
    """What a transaction is called, after the facts in it."""
    return {name for fact in facts for name in _names(fact)}


def _names(fact: Fact) -> Iterator[str]:
    match fact:
        case RunCreated():
            yield "request" if fact.run.slot is None else "slot"
        case RunMoved():
            yield from _names_of_move(fact)
        case AttemptOpened():
            yield "intent"
        case AttemptStarted():
            yield "start"
        case AttemptClosed():
            yield "end"
        case JobListed():
            yield "plan"
        case Paused():
            yield "pause"
        case HostEvent(kind="daemon_stopped"):
            yield "goodbye"


def _names_of_move(move: RunMoved) -> Iterator[str]:
    before, after = move.before.status, move.after.status
    if isinstance(after, Stopping):
        yield "stopping"
    elif isinstance(after, Delayed):
        yield "retry"
    elif isinstance(before, Delayed) and isinstance(after, Queued | Done):
        yield "release"


class _GuardedHands:
    def __init__(self, fault: Fault, hands: Hands) -> None:
        self._fault = fault
        self._hands = hands

    def carry_out(self, effect: Effect) -> None:
        name = _EFFECTS[type(effect)][0] if type(effect) in _EFFECTS else ""
        self._fault.passes(f"{name}.before")
        self._hands.carry_out(effect)
        self._fault.passes(f"{name}.after")

    def settle(self) -> None:
        self._fault.passes("handout.before")
        self._hands.settle()
        self._fault.passes("handout.after")


class _Torn(list[Fact]):
    """Facts of which the last is never handed over: the daemon dies with its transaction open."""

    def __init__(self, facts: Sequence[Fact], die: Callable[[], None]) -> None:
        super().__init__(facts)
        self._die = die

    def __iter__(self) -> Iterator[Fact]:
        last = len(self) - 1
        for number in range(len(self)):
            if number == last:
                self._die()
            yield self[number]
