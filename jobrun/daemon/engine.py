"""The engine: the one task that changes the state of runs.

It drains its inbox in batches. For each batch: the handlers decide in memory
(`book`), one transaction makes the decisions durable, and only then are the
effects carried out and the replies sent. If the store cannot commit, memory is
rolled back, facts about processes are kept and tried again, nothing new is
started, and running jobs stay supervised.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from jobrun.daemon import asked, moves, replan
from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book, ScheduleId
from jobrun.daemon.due import Dues
from jobrun.daemon.inbox import (
    ClockSet,
    Happened,
    Inbox,
    Message,
    Noted,
    PauseAsked,
    PlanRead,
    Recheck,
    RetryAsked,
    RunAsked,
    SlotsDue,
    StopAsked,
)
from jobrun.domain.errors import Bug, JobrunError, StoreTrouble
from jobrun.domain.events import (
    ClockMoved,
    Effect,
    Exited,
    KillTree,
    NeverBegan,
    SendSignal,
    SpawnFailed,
    Terminate,
    Vanished,
)
from jobrun.domain.instants import Instant, to_iso
from jobrun.domain.ledger import Fact, RunMoved, StaleWrite
from jobrun.domain.records import HostEvent, OutputKept
from jobrun.domain.run import Cause, Delayed, Run, Starting

_RETRY_AFTER = (0.2, 0.5, 1.0, 2.0)
_NOT_AS_REPORTED = "its end could not be recorded as reported"


class Hands(Protocol):
    """What carries out effects: the supervisor of processes and the timers."""

    def carry_out(self, effect: Effect) -> None:
        """Do it now, or at `settle`; failures come back as events."""
        ...

    def settle(self) -> None:
        """All effects of a batch were told: do what is better done for several of them together."""
        ...


class Journal(Protocol):
    """The daemon's log."""

    def __call__(
        self, event: str, *, level: str = "", exc_info: BaseException | None = None, **fields: Any
    ) -> None:
        """Write one event."""
        ...

    def write_all(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Write a number of events at once."""
        ...


class Alarms(Protocol):
    """The alarm clock of the schedules."""

    def arm(self, where: ScheduleId) -> None:
        """(Re)arm the alarm of a schedule from its next slot."""
        ...

    def disarm(self, where: ScheduleId) -> None:
        """Forget the alarm of a schedule."""
        ...


class Engine:
    """Owns the book. `commit` writes facts durably or raises StoreTrouble or StaleWrite.

    `pauses` are the waits, in seconds, before a store in trouble is tried again.
    """

    def __init__(
        self,
        book: Book,
        dues: Dues,
        *,
        commit: Callable[[Sequence[Fact]], Awaitable[None]],
        now: Callable[[], Instant],
        draw: Callable[[], float],
        log: Journal,
        pauses: Sequence[float] = _RETRY_AFTER,
    ) -> None:
        self.book = book
        self.inbox = Inbox()
        self.trouble: StoreTrouble | None = None
        self.admitting = True
        self.hands: Hands | None = None
        self.alarms: Alarms | None = None
        self.hold_until: float = 0.0
        self._dues = dues
        self._commit = commit
        self._now = now
        self._draw = draw
        self._log = log
        self._pauses = pauses
        self._deferred: dict[int, list[Happened | StopAsked]] = {}
        self._failures = 0
        self._trouble_since: Instant = 0
        self._waiters: dict[int, list[asyncio.Future[Run]]] = {}
        self._hurry = asyncio.Event()

    def post(self, message: Message) -> None:
        """Put a message into the inbox. What a store in trouble could only refuse is refused at once."""
        if self.trouble is not None:
            if isinstance(message, RunAsked | PauseAsked | RetryAsked | PlanRead) and message.reply:
                _send(message.reply, self.trouble)
                return
            if isinstance(message, StopAsked):
                self._hurry.set()
        self.inbox.post(message)

    def post_first(self, message: Message) -> None:
        """Put a message before all that waits in the inbox."""
        self.inbox.post_first(message)

    def finished(self, run_id: int) -> "asyncio.Future[Run]":
        """A future that gets the run once it has ended; for runs that are live now."""
        future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(run_id, []).append(future)
        return future

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._process(await self.inbox.take())

    async def _process(self, messages: list[Message]) -> None:
        batch = Batch(self._now())
        # Reading the clock may have shown that it was set: a slot is never decided before that is known.
        messages = [*self.inbox.take_first(), *messages]
        try:
            for message in messages:
                self._handle(batch, message)
            if self.admitting and asyncio.get_running_loop().time() >= self.hold_until:
                moves.admit(self.book, batch, self._wished_gone(batch))
            for where in batch.rearm:
                self._dues.tell_next(batch, where)
            if batch.facts:
                await self._commit(batch.facts)
        except StoreTrouble as trouble:
            self.book.rollback()
            await self._in_trouble(trouble, messages, batch)
            return
        except Exception as error:  # noqa: BLE001 - the engine's gate: one bad message must not end the daemon
            self.book.rollback()
            await self._isolate(messages, error)
            return
        self.book.keep()
        self._failures = 0
        self._finish(batch)

    def _handle(self, batch: Batch, message: Message) -> None:
        match message:
            case Happened():
                moves.apply(self.book, batch, message)
            case SlotsDue():
                self._dues.decide(batch, (message.job, message.schedule), self._draw())
            case RunAsked() | StopAsked() | PauseAsked() | RetryAsked():
                asked.answer(self.book, batch, message)
            case ClockSet():
                self._clock_set(batch, message)
            case PlanRead():
                self._take_over(batch, message)
            case Noted():
                batch.facts.append(HostEvent(batch.now, message.kind, message.detail))
                batch.answer(message.reply, {})
            case Recheck():
                self._recheck(batch)

    def _take_over(self, batch: Batch, message: PlanRead) -> None:
        # What came due before the plan was read is decided by the plan that it came due under.
        for where in list(self.book.cursors) if self.book.planned else ():
            self._dues.decide(batch, where, self._draw())
        change = replan.describe_change(self.book, self._dues, message.plan, batch.now)
        replan.take_over(
            self.book,
            batch,
            self._dues,
            message.plan,
            first=not self.book.planned,
            boot_id=message.boot_id,
            last_seen=message.last_seen,
            draw=self._draw(),
        )
        self.book.set_value("planned", True)
        batch.answer(message.reply, {**change, "applied": True})

    def _clock_set(self, batch: Batch, message: ClockSet) -> None:
        jump = message.jump
        detail = {"from": to_iso(jump.before), "to": to_iso(jump.after)}
        batch.facts.append(HostEvent(batch.now, "clock_stepped", detail))
        batch.note("clock.stepped", **detail)
        if jump.after < jump.before:
            self._dues.set_back(batch, jump)
            self._dues.note_pass(batch)
        else:
            for where in list(self.book.cursors):
                self._dues.decide(batch, where, self._draw(), jump)
        for run in list(self.book.runs.values()):
            if isinstance(run.status, Delayed):
                moves.move(self.book, batch, run, ClockMoved(batch.now, jump.after - jump.before))
        batch.rearm.update(self.book.cursors)

    def _recheck(self, batch: Batch) -> None:
        for where in list(self.book.cursors):
            self._dues.decide(batch, where, self._draw())
        if self.trouble is not None:
            detail = {"trouble": self.trouble.sentence, "since": to_iso(self._trouble_since)}
            batch.facts.append(HostEvent(batch.now, "store_recovered", detail))

    def _finish(self, batch: Batch) -> None:
        """The batch is durable: act on it, then answer."""
        if self.trouble is not None and batch.facts:
            self._log("store.recovered", was=self.trouble.sentence)
            self.trouble = None
        self._log.write_all(batch.log)
        assert self.hands is not None and self.alarms is not None
        for effect in batch.effects:
            self.hands.carry_out(effect)
        if batch.effects:
            self.hands.settle()
        for where in batch.disarm:
            self.alarms.disarm(where)
        for where in batch.rearm:
            self.alarms.arm(where)
        for run in batch.finished:
            for future in self._waiters.pop(run.id, ()):
                if not future.done():
                    future.set_result(run)
        for reply, result in batch.replies:
            _send(reply, result)
        self._hand_out_deferred(batch)

    def _wished_gone(self, batch: Batch) -> set[int]:
        """Runs that somebody wants to end: once given back, they must not be handed out again first."""
        waiting = [message for messages in self._deferred.values() for message in messages]
        wished: set[int] = set()
        for message in (*waiting, *(message for _, message in batch.deferred)):
            wished.update(message.runs if isinstance(message, StopAsked) else (message.run_id,))
        return wished

    def _hand_out_deferred(self, batch: Batch) -> None:
        """Wishes that met a run between intent and process come back once it has left that state."""
        for run_id, message in batch.deferred:
            self._deferred.setdefault(run_id, []).append(message)
        if not self._deferred:
            return
        for fact in batch.facts:
            if isinstance(fact, RunMoved) and isinstance(fact.before.status, Starting):
                for message in self._deferred.pop(fact.after.id, ()):
                    self.inbox.post(message)

    async def _in_trouble(self, trouble: StoreTrouble, messages: list[Message], batch: Batch) -> None:
        """Keep the facts, refuse the wishes, stop what must be stopped, and wait a little.

        Ending a process needs no durable intent: it can be repeated, and its
        exit is recorded later. So a wish to stop is kept like a fact; only its
        answer says that nothing of it is written down yet.
        """
        if self.trouble is None:
            self._trouble_since = batch.now
            self._log("store.trouble", error=trouble.sentence, hint=trouble.hint)
        self.trouble = trouble
        kept: list[Message] = []
        stopped: set[int] = set()
        for message in messages:
            match message:
                case Happened():
                    kept.append(message)
                    stopped.add(message.run_id)
                case StopAsked():
                    kept.append(message)
                    stopped.update(message.runs)
                    _send(message.reply, _unwritten(trouble))
                case ClockSet() | Noted():
                    kept.append(message)
                case PlanRead() if message.reply is None or not self.book.planned:
                    kept.append(message)
                case RunAsked() | PauseAsked() | RetryAsked() | PlanRead():
                    assert message.reply is not None
                    _send(message.reply, trouble)
        assert self.hands is not None
        for effect in batch.effects:
            if isinstance(effect, Terminate | KillTree | SendSignal) and effect.fence.run_id in stopped:
                self.hands.carry_out(effect)
        wait = self._pauses[min(self._failures, len(self._pauses) - 1)]
        self._failures += 1
        self._hurry.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), wait)
        self.inbox.put_back([*kept, Recheck()])

    async def _isolate(self, messages: list[Message], error: Exception) -> None:
        """A message broke its batch: handle each alone, and drop the one that breaks alone too."""
        if len(messages) > 1:
            for message in messages:
                await self._process([message])
            return
        message = messages[0]
        self._end_plainly(message)
        kind = "stale write" if isinstance(error, StaleWrite) else "unexpected error"
        self._log("engine.bug", level="error", what=kind, message=_short(message), exc_info=error)
        reply = getattr(message, "reply", None)
        if reply is not None:
            if isinstance(error, JobrunError):
                _send(reply, error)
            else:
                sentence = f"The daemon could not do that: {error}."
                _send(reply, Bug(sentence, "This is a bug; its log has the details."))

    def _end_plainly(self, message: Message) -> None:
        """A run must not stay live because the end of its process cannot be applied as it was reported."""
        if isinstance(message, Happened) and isinstance(message.event, Exited | SpawnFailed | NeverBegan):
            lost = Vanished(message.event.at, Cause.DAEMON_CRASH, _NOT_AS_REPORTED)
            printed = tuple(fact for fact in message.outputs if isinstance(fact, OutputKept))
            self.inbox.post(Happened(message.run_id, lost, message.fence, printed))


def _unwritten(trouble: StoreTrouble) -> StoreTrouble:
    return StoreTrouble(
        f"What runs is being stopped, but the store is in trouble: {trouble.sentence}",
        "It is recorded as soon as the store works again.",
    )


def _send(reply: "asyncio.Future[dict[str, Any]]", result: dict[str, Any] | JobrunError) -> None:
    if reply.done():
        return
    if isinstance(result, JobrunError):
        reply.set_exception(result)
    else:
        reply.set_result(result)


def _short(message: Message) -> str:
    """Enough of a message to find it by; a plan would fill pages."""
    return type(message).__name__ if isinstance(message, PlanRead) else repr(message)[:300]
