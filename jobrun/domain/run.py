"""A run and where it stands.

A status is a frozen variant that carries exactly its own fields, so a queued
run cannot have an exit code and a finished one cannot have a timer. Which
status may follow which is written in `lifecycle.py`, and nowhere else.
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple

from jobrun.domain.instants import Duration, Instant
from jobrun.domain.value import value


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"


class Cause(StrEnum):
    """Why, refined."""

    EXIT_CODE = "exit_code"
    EXCEPTION = "exception"
    DEAD = "dead"
    SIGNAL = "signal"
    OOM = "oom"
    CPU_TIME = "cpu_time"
    PROCESSES = "processes"
    SPAWN = "spawn"
    TIMEOUT = "timeout"
    SOFT_TIMEOUT = "soft_timeout"
    OVERLAP = "overlap"
    MISSED = "missed"
    PAUSED = "paused"
    DISABLED = "disabled"
    DEADLINE = "deadline"
    USER = "user"
    SHUTDOWN = "shutdown"
    SUPERSEDED = "superseded"
    REMOVED = "removed"
    HOST_CRASH = "host_crash"
    DAEMON_CRASH = "daemon_crash"


class Trigger(StrEnum):
    """What brought a run about."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    SUBMIT = "submit"
    RETRY = "retry"


class DelayReason(StrEnum):
    """What a delayed run waits for."""

    SPREAD = "spread"
    RETRY = "retry"
    REQUESTED = "requested"
    CATCH_UP = "catch_up"


@value(frozen=True, slots=True)
class Slot:
    """One intended moment of one schedule, unique for ever.

    `clock_pass` is 0 unless the host's clock was set back over this moment and
    the slot came due a second time. A long missed stretch is one slot record:
    `scheduled_at` the first, `last` the last, `count` how many.
    """

    schedule: str
    scheduled_at: Instant
    clock_pass: int = 0
    last: Instant | None = None
    count: int = 1


class Fence(NamedTuple):
    """(run, attempt): carried by every write about an attempt; a stale one is refused."""

    run_id: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.run_id}.{self.attempt}"


@value(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be mistaken for another one.

    `start_ticks` is field 22 of /proc/PID/stat (clock ticks since boot) and
    `boot_id` the kernel's; a pid alone is reused (TRAPS, Processes).
    """

    pid: int
    start_ticks: int
    boot_id: str


@value(frozen=True, slots=True)
class Delayed:
    """Waits for a moment: a spread start, a retry, a start the user asked for later."""

    is_live: ClassVar[bool] = True
    has_process: ClassVar[bool] = False
    until: Instant
    reason: DelayReason


@value(frozen=True, slots=True)
class Queued:
    """Waits for a place in its queue, or for its job's earlier run."""

    is_live: ClassVar[bool] = True
    has_process: ClassVar[bool] = False
    since: Instant


@value(frozen=True, slots=True)
class Starting:
    """The intent to start an attempt is durable; the process may or may not exist yet."""

    is_live: ClassVar[bool] = True
    has_process: ClassVar[bool] = True
    since: Instant


@value(frozen=True, slots=True)
class Running:
    """A process tree is at work. `soft_sent_at` is set once the soft limit's signal was sent."""

    is_live: ClassVar[bool] = True
    has_process: ClassVar[bool] = True
    process: ProcessIdentity
    started_at: Instant
    soft_sent_at: Instant | None = None


@value(frozen=True, slots=True)
class Stopping:
    """TERM has been sent for `cause`; `killed_at` is set once KILL followed."""

    is_live: ClassVar[bool] = True
    has_process: ClassVar[bool] = True
    process: ProcessIdentity
    started_at: Instant
    since: Instant
    cause: Cause
    killed_at: Instant | None = None


@value(frozen=True, slots=True)
class Done:
    """Ended. `detail` is one sentence with the facts of that moment, for people and for `why`."""

    is_live: ClassVar[bool] = False
    has_process: ClassVar[bool] = False
    outcome: Outcome
    cause: Cause | None
    ended_at: Instant
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None


Status = Delayed | Queued | Starting | Running | Stopping | Done

STATE_NAMES: dict[type[Status], str] = {
    Delayed: "delayed",
    Queued: "queued",
    Starting: "starting",
    Running: "running",
    Stopping: "stopping",
    Done: "done",
}


@value(frozen=True, slots=True, kw_only=True)
class Run:
    """The record of one slot, of one manual start, or of one submitted command.

    `attempt` is the number of the current or last attempt (0 before the
    first). `charged` counts the tries that used up an attempt: one interrupted
    by our own shutdown is given back, one lost to the host is counted in
    `lost` instead. `priority`: lower starts first. `data` is JSON text handed to
    this run instead of its job's, `resume_from` a checkpoint to go on from.
    """

    id: int
    job: str
    queue: str
    definition_id: int
    trigger: Trigger
    status: Status
    created_at: Instant
    slot: Slot | None = None
    attempt: int = 0
    charged: int = 0
    lost: int = 0
    max_attempts: int = 1
    priority: int = 0
    retry_of: int | None = None
    requested_by: str = ""
    data: str | None = None
    resume_from: str | None = None

    @property
    def fence(self) -> Fence:
        """The fence of the current attempt."""
        return Fence(self.id, self.attempt)

    @property
    def state(self) -> str:
        """The name of the status, as stored and printed."""
        return STATE_NAMES[type(self.status)]

    @property
    def is_live(self) -> bool:
        """Whether the run is unfinished."""
        return self.status.is_live

    @property
    def has_process(self) -> bool:
        """Whether an attempt of this run holds, or is about to hold, a place in its queue."""
        return self.status.has_process

    def moved(self, status: Status, *, attempt: int | None = None, charged: int | None = None) -> "Run":
        """The run in another status. Written out: `replace` takes twice as long, four times a run."""
        return Run(
            id=self.id,
            job=self.job,
            queue=self.queue,
            definition_id=self.definition_id,
            trigger=self.trigger,
            status=status,
            created_at=self.created_at,
            slot=self.slot,
            attempt=self.attempt if attempt is None else attempt,
            charged=self.charged if charged is None else charged,
            lost=self.lost,
            max_attempts=self.max_attempts,
            priority=self.priority,
            retry_of=self.retry_of,
            requested_by=self.requested_by,
            data=self.data,
            resume_from=self.resume_from,
        )


@value(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a process tree ended, as far as it can be known.

    `exit_code` and `signal` are of the command, not of the surrounding sh:
    a status above 128 is read as death by signal, as every shell does, and
    then `exit_code` is None. Both None: nothing is known (no status file).
    Times are microseconds of CPU, `max_rss` is bytes, `left_behind` the number
    of processes that were alive after the leader and ended by us, or that a
    stop had to reach outside the leader's process group.
    """

    ended_at: Instant
    exit_code: int | None = None
    signal: int | None = None
    user_time: Duration | None = None
    system_time: Duration | None = None
    max_rss: int | None = None
    left_behind: int = 0


@value(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """The closing facts of an attempt, as its history row keeps them."""

    ended_at: Instant
    outcome: Outcome
    cause: Cause | None
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None
    user_time: Duration | None = None
    system_time: Duration | None = None
    max_rss: int | None = None
    left_behind: int = 0
    killed: bool = False
