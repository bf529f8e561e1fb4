"""What can happen to a run, and what the daemon is to do about it.

Events about an attempt are addressed with its fence (`Addressed`), so one that
arrives late, about an attempt that is over, is refused. Effects are carried
out after the batch that decided them is durable.
"""

from jobrun.domain.instants import Duration, Instant
from jobrun.domain.report import Report
from jobrun.domain.run import Cause, Exit, Fence, ProcessIdentity
from jobrun.domain.value import value


@value(frozen=True, slots=True)
class DelayOver:
    """A delayed run's moment has come."""

    at: Instant


@value(frozen=True, slots=True)
class ClockMoved:
    """The wall clock was set by `by` (negative: back); a wait that is a span moves with it."""

    at: Instant
    by: Duration


@value(frozen=True, slots=True)
class Admitted:
    """The run has a place in its queue: open an attempt."""

    at: Instant


@value(frozen=True, slots=True)
class Spawned:
    """The attempt's process exists."""

    at: Instant
    process: ProcessIdentity


@value(frozen=True, slots=True)
class SpawnFailed:
    """The attempt's process could not be started; `sentence` has the errno in words."""

    at: Instant
    sentence: str
    draw: float


@value(frozen=True, slots=True)
class NeverBegan:
    """Between the intent and the process something of the host's failed (a crash of the daemon, a full
    process table): nothing ran, the attempt is given back."""

    at: Instant
    cause: Cause
    detail: str


@value(frozen=True, slots=True)
class SoftLimit:
    """`soft_timeout` has passed."""

    at: Instant


@value(frozen=True, slots=True)
class HardLimit:
    """`timeout` has passed."""

    at: Instant


@value(frozen=True, slots=True)
class MemoryExceeded:
    """The tree's resident memory is above the limit."""

    at: Instant
    rss: int


@value(frozen=True, slots=True)
class TooManyProcesses:
    """The tree has more processes and threads than its limit."""

    at: Instant
    count: int


@value(frozen=True, slots=True)
class StopRequested:
    """Somebody wants the run to end: a user, a newer slot (superseded), our own shutdown."""

    at: Instant
    cause: Cause
    by: str = ""
    detail: str = ""


@value(frozen=True, slots=True)
class GraceOver:
    """`grace` has passed since TERM."""

    at: Instant


@value(frozen=True, slots=True)
class Exited:
    """The leader ended and the tree was swept. `draw` in [0, 1) is for the retry's jitter.

    `report` is what the job said about its end, if it said anything. `began` is
    how it began, if that comes to be told only now.
    """

    at: Instant
    exit: Exit
    draw: float
    oom: bool = False
    report: Report | None = None
    began: Spawned | None = None


@value(frozen=True, slots=True)
class Vanished:
    """The process is gone and left no word of how it ended."""

    at: Instant
    cause: Cause
    detail: str


RunEvent = (
    DelayOver
    | ClockMoved
    | Admitted
    | Spawned
    | SpawnFailed
    | NeverBegan
    | SoftLimit
    | HardLimit
    | MemoryExceeded
    | TooManyProcesses
    | StopRequested
    | GraceOver
    | Exited
    | Vanished
)


@value(frozen=True, slots=True)
class StartAttempt:
    """Start the attempt's process tree."""

    fence: Fence


@value(frozen=True, slots=True)
class ArmLimits:
    """Arm soft and hard time limits, counted from `started_at`."""

    fence: Fence
    started_at: Instant


@value(frozen=True, slots=True)
class SendSignal:
    """Send one signal to the tree (the soft limit's)."""

    fence: Fence
    signal: str


@value(frozen=True, slots=True)
class Terminate:
    """TERM the tree and arm the grace period."""

    fence: Fence


@value(frozen=True, slots=True)
class KillTree:
    """KILL the whole tree, escapees included."""

    fence: Fence


@value(frozen=True, slots=True)
class Recall:
    """Take back a call that no worker has begun; one that was begun is not touched by this."""

    fence: Fence


@value(frozen=True, slots=True)
class Forget:
    """The attempt's end is durable: drop its working files and its watch."""

    fence: Fence


@value(frozen=True, slots=True)
class WakeAt:
    """Post `DelayOver` for the run at this moment of the wall clock."""

    run_id: int
    at: Instant


Effect = StartAttempt | ArmLimits | SendSignal | Terminate | KillTree | Recall | Forget | WakeAt
