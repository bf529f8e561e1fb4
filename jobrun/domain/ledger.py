"""The facts a batch of the engine commits, in the order in which they happened.

A fact is what the store writes down, as if each were one guarded statement.
`RunMoved` carries the run before and after: the write is refused (`StaleWrite`)
if the row is not where `before` says it is.
"""

from jobrun.domain.instants import Instant
from jobrun.domain.records import DefinitionSeen, HostEvent, OutputKept, Paused
from jobrun.domain.report import Report
from jobrun.domain.run import AttemptEnd, Fence, ProcessIdentity, Run
from jobrun.domain.value import value


class StaleWrite(Exception):
    """A write about an attempt or a state that is no longer the current one. A bug, never retried."""


@value(frozen=True, slots=True)
class RunCreated:
    """A new row: a decided slot (run or skipped), a manual start, a submitted command."""

    run: Run


@value(frozen=True, slots=True)
class RunMoved:
    """One transition of the state machine. `began` is when an attempt began that came and went in it."""

    before: Run
    after: Run
    began: Instant | None = None


@value(frozen=True, slots=True)
class AttemptOpened:
    """Intent: the attempt is about to be started. Durable before the process exists."""

    fence: Fence
    at: Instant


@value(frozen=True, slots=True)
class AttemptStarted:
    """Fact: its process exists."""

    fence: Fence
    process: ProcessIdentity
    at: Instant


@value(frozen=True, slots=True)
class AttemptClosed:
    """Fact: it ended."""

    fence: Fence
    end: AttemptEnd


@value(frozen=True, slots=True)
class Reported:
    """What an attempt said about itself, kept once it has ended."""

    fence: Fence
    report: Report


@value(frozen=True, slots=True)
class SlotsDecided:
    """Every slot of this schedule up to and including `until` has its row."""

    job: str
    schedule: str
    until: Instant


@value(frozen=True, slots=True)
class ScheduleSeen:
    """A schedule is in the plan: its anchor and where deciding starts or goes on.

    `next_at` is the next slot as known now, so that readers need no calendar.
    """

    job: str
    schedule: str
    anchor: Instant
    decided_until: Instant
    next_at: Instant | None


@value(frozen=True, slots=True)
class ScheduleNext:
    """The next slot of a schedule, for readers."""

    job: str
    schedule: str
    next_at: Instant | None


@value(frozen=True, slots=True)
class ScheduleGone:
    """A schedule left the plan; should it come back, deciding starts anew."""

    job: str
    schedule: str


@value(frozen=True, slots=True)
class JobListed:
    """A job is in the plan, under this version of its definition."""

    job: str
    definition_id: int
    source: str
    enabled: bool


@value(frozen=True, slots=True)
class JobUnlisted:
    """A job left the plan; its history stays."""

    job: str


@value(frozen=True, slots=True)
class QueueListed:
    """The queues of the plan, for readers; None is no limit."""

    name: str
    concurrency: int | None


@value(frozen=True, slots=True)
class QueueUnlisted:
    """A queue left the plan."""

    name: str


@value(frozen=True, slots=True)
class PoolListed:
    """The pools of the plan, for readers; `max` None is the number of processors."""

    name: str
    min: int
    max: int | None


@value(frozen=True, slots=True)
class PoolUnlisted:
    """A pool left the plan."""

    name: str


@value(frozen=True, slots=True)
class Resumed:
    """The pause is over."""

    kind: str
    name: str
    at: Instant


@value(frozen=True, slots=True)
class MetaSet:
    """A value of the store as a whole: the boot last seen, the pass of the clock."""

    key: str
    value: str


Fact = (
    RunCreated
    | RunMoved
    | AttemptOpened
    | AttemptStarted
    | AttemptClosed
    | OutputKept
    | Reported
    | SlotsDecided
    | ScheduleSeen
    | ScheduleNext
    | ScheduleGone
    | DefinitionSeen
    | JobListed
    | JobUnlisted
    | QueueListed
    | QueueUnlisted
    | PoolListed
    | PoolUnlisted
    | Paused
    | Resumed
    | HostEvent
    | MetaSet
)
