"""One batch of the engine: what it will commit, do, and answer.

A batch is filled by the handlers (`moves`, `due`, `asked`, `replan`), then the
engine commits its facts in one transaction, and only then carries out its
effects and sends its replies.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from jobrun.daemon.book import ScheduleId
from jobrun.daemon.inbox import Happened, StopAsked
from jobrun.domain.errors import JobrunError
from jobrun.domain.events import Effect
from jobrun.domain.instants import Instant
from jobrun.domain.ledger import Fact
from jobrun.domain.run import Run

Reply = asyncio.Future[dict[str, Any]]


@dataclass(slots=True)
class Batch:
    """What the engine gathered from a number of messages."""

    now: Instant
    facts: list[Fact] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    replies: list[tuple[Reply, dict[str, Any] | JobrunError]] = field(default_factory=list)
    rearm: set[ScheduleId] = field(default_factory=set)
    disarm: set[ScheduleId] = field(default_factory=set)
    finished: list[Run] = field(default_factory=list)
    deferred: list[tuple[int, Happened | StopAsked]] = field(default_factory=list)
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, reply: Reply | None, result: dict[str, Any] | JobrunError) -> None:
        """Answer a request after the commit."""
        if reply is not None:
            self.replies.append((reply, result))

    def defer(self, run_id: int, message: Happened | StopAsked) -> None:
        """Handle a message again once that run has left the state `starting`."""
        self.deferred.append((run_id, message))

    def note(self, event: str, **fields: Any) -> None:
        """Write a log line after the commit."""
        self.log.append((event, fields))
