"""The engine's inbox: what may be posted to it, and the taking of batches.

Everything that can change a run comes through here, in order of arrival. The
inbox belongs to the loop's thread; nothing else posts to it.
"""

import asyncio
from collections import deque
from dataclasses import field
from typing import Any

from jobrun.domain.events import RunEvent
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job, Plan
from jobrun.domain.ledger import Reported
from jobrun.domain.records import OutputKept
from jobrun.domain.run import Fence, Run
from jobrun.domain.slots import ClockJump
from jobrun.domain.value import value

# One transaction a batch: large enough to share its fsync, small enough that a reply is not kept waiting.
BATCH = 512


@value(frozen=True, slots=True)
class Happened:
    """An event of one run. With a fence, it is about that attempt and refused when the attempt is over."""

    run_id: int
    event: RunEvent
    fence: Fence | None = None
    outputs: tuple[OutputKept | Reported, ...] = ()


@value(frozen=True, slots=True)
class SlotsDue:
    """A schedule's alarm rang, or somebody has reason to think that it should have."""

    job: str
    schedule: str


@value(frozen=True, slots=True)
class ClockSet:
    """The wall clock was set: forward if `after` > `before`, else back."""

    jump: ClockJump


@value(frozen=True, slots=True)
class Noted:
    """Something for the history of the host."""

    kind: str
    detail: dict[str, Any] = field(default_factory=dict)
    reply: "asyncio.Future[dict[str, Any]] | None" = None


@value(frozen=True, slots=True)
class PlanRead:
    """A job file was read and found good; `reply` gets what changed.

    At a daemon's start only: `boot_id`, if the host has booted since the last daemon, and `last_seen`,
    when that one was last alive.
    """

    plan: Plan
    reply: "asyncio.Future[dict[str, Any]] | None" = None
    boot_id: str | None = None
    last_seen: Instant | None = None


@value(frozen=True, slots=True)
class Recheck:
    """The store may work again: decide what was left undecided."""


@value(frozen=True, slots=True)
class Nudge:
    """Nothing happened, but waiting runs may start now."""


@value(frozen=True, slots=True)
class RunAsked:
    """Somebody wants a run: of a job of the plan, of a submitted command, or a run again.

    With `bulk` it is as many runs as that has entries, each with its own data
    (JSON text) if it has any: all of them become durable together.
    """

    job: Job
    trigger: str
    by: str
    reply: "asyncio.Future[dict[str, Any]]"
    at: Instant | None = None
    priority: int = 0
    retry_of: int | None = None
    data: str | None = None
    resume_from: str | None = None
    bulk: tuple[str | None, ...] | None = None


@value(frozen=True, slots=True)
class StopAsked:
    """Somebody wants runs to end. `stopped` and `over` are those of the request that were seen to before."""

    runs: tuple[int, ...]
    by: str
    reply: "asyncio.Future[dict[str, Any]]"
    stopped: tuple[int, ...] = ()
    over: tuple[int, ...] = ()


@value(frozen=True, slots=True)
class PauseAsked:
    """Pause or resume a job or a queue."""

    kind: str
    name: str
    on: bool
    by: str
    reply: "asyncio.Future[dict[str, Any]]"
    reason: str = ""


@value(frozen=True, slots=True)
class RetryAsked:
    """Run finished runs again: each as a new run, under the definition given with it."""

    runs: tuple[tuple[Run, Job], ...]
    by: str
    reply: "asyncio.Future[dict[str, Any]]"


Asked = RunAsked | StopAsked | PauseAsked | RetryAsked
Message = Happened | SlotsDue | ClockSet | Noted | PlanRead | Recheck | Nudge | Asked


class Inbox:
    """A queue that is taken in batches."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._first: deque[Message] = deque()
        self._arrived = asyncio.Event()

    def post(self, message: Message) -> None:
        """Put a message at the end."""
        self._messages.append(message)
        self._arrived.set()

    def post_first(self, message: Message) -> None:
        """Put in a message that every other one must be read in the light of: the clock was set."""
        self._first.append(message)
        self._arrived.set()

    def take_first(self) -> list[Message]:
        """Take what was posted first, without waiting."""
        taken = list(self._first)
        self._first.clear()
        return taken

    def put_back(self, messages: list[Message]) -> None:
        """Put messages at the front again, in their order."""
        self._messages.extendleft(reversed(messages))
        if messages:
            self._arrived.set()

    async def take(self) -> list[Message]:
        """Wait for at least one message, then take up to a batch of them."""
        await self._arrived.wait()
        count = min(len(self._messages), BATCH)
        taken = [*self.take_first(), *(self._messages.popleft() for _ in range(count))]
        if not self._messages:
            self._arrived.clear()
        return taken

    def __len__(self) -> int:
        return len(self._messages) + len(self._first)
