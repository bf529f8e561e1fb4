"""What a job file says, once it has been validated: jobs, schedules, queues.

These values are frozen and complete: every default is filled in, every
duration is in microseconds, every size in bytes. They are what the engine
works with, what a definition row stores (see `definition.py`), and what a
reload compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobrun.domain.instants import DAY, MINUTE, SECOND, Duration, Instant


class Overlap(StrEnum):
    """What happens to a slot that comes due while an earlier run is unfinished."""

    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    QUEUE_ALL = "queue_all"
    REPLACE = "replace"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Which missed slots run once the daemon can decide about them."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class Backoff(StrEnum):
    """How the wait before the next attempt grows."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"
    POLYNOMIAL = "polynomial"


class OutputMode(StrEnum):
    """Whether stdout and stderr share one log file."""

    MERGED = "merged"
    SPLIT = "split"


class OnLost(StrEnum):
    """What to do with a run whose attempt was lost to a host crash."""

    FAIL = "fail"
    RETRY = "retry"


class Isolation(StrEnum):
    """Where a Python function is called: in a worker that stays warm, or in a process of its own."""

    WARM = "warm"
    FRESH = "fresh"


class OnStop(StrEnum):
    """What a stopping daemon does with running jobs.

    `drain` waits up to `shutdown_timeout`, then stops them and gives the
    attempt back; `leave` lets them run on for the next daemon to adopt;
    `kill` stops them at once and gives the attempt back.
    """

    DRAIN = "drain"
    LEAVE = "leave"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when cron text says so, in the schedule's time zone."""

    text: str


@dataclass(frozen=True, slots=True)
class Every:
    """Due at anchor + n * period; the anchor lives in the store."""

    period: Duration


@dataclass(frozen=True, slots=True)
class After:
    """Due a fixed time after the end of the job's last run."""

    pause: Duration


@dataclass(frozen=True, slots=True)
class At:
    """Due once."""

    moment: Instant


@dataclass(frozen=True, slots=True)
class Reboot:
    """Due once per boot of the host."""


When = Cron | Every | After | At | Reboot


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a job is due.

    `key` is the schedule's identity within its job: its `name` in the file,
    else its own text (`"0 3 * * *"`, `"every 30s"`). It is part of every slot.
    """

    key: str
    when: When
    timezone: str
    spread: Duration = 0
    random_delay: Duration = 0
    not_before: Instant | None = None
    expires: Instant | None = None


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """Text handed to a shell."""

    text: str
    shell: str = "/bin/sh"


@dataclass(frozen=True, slots=True)
class ArgvCommand:
    """A program and its arguments, executed without a shell."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PythonCall:
    """`module:function`, called with JSON arguments in an interpreter of the job's choice.

    Or the path of a script, run with `args` as its arguments: texts, all of them.
    """

    target: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    interpreter: str | None = None
    python_path: tuple[str, ...] = ()
    isolation: Isolation = Isolation.WARM
    pool: str = "default"

    @property
    def is_script(self) -> bool:
        """Whether the target is a file rather than a function. Once read from a job file it is absolute."""
        return names_script(self.target)


def names_script(target: str) -> bool:
    """Whether a target is meant as the path of a script: `jobs/nightly.py`, not `module:Class.py`."""
    return target.endswith(".py") and ("/" in target or ":" not in target)


Body = ShellCommand | ArgvCommand | PythonCall


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and when a failed run is tried again.

    `attempts` counts every try, the first included. `retry_on` and
    `no_retry_on` hold conditions such as `exit:75`, `exit:64-78`,
    `signal:KILL`, `timed_out`; an empty `retry_on` means every failure.
    An exception is named as in Python, `ConnectionError` or `socket.gaierror`,
    and means what is derived from it too.
    `jitter` is a fraction (0.2 = ±20 %), or 1.0 with `full_jitter`.
    """

    attempts: int = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    delay: Duration = 2 * SECOND
    max_delay: Duration = 10 * MINUTE
    power: float = 3.0
    jitter: float = 0.0
    full_jitter: bool = False
    retry_on: tuple[str, ...] = ()
    no_retry_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one attempt: memory in bytes, CPU time in microseconds, the others as numbers."""

    memory: int | None = None
    cpu_time: Duration | None = None
    open_files: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long finished runs of a job are kept: by age and by number."""

    keep_for: Duration = 30 * DAY
    keep_succeeded: int = 100
    keep_failed: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How a job's attempts hand on where they stopped.

    `dir` None: a directory of the run's own in the state directory. The newest
    `keep` are kept, one is due every `interval` steps; without `resume` each
    attempt begins anew.
    """

    dir: str | None = None
    keep: int = 3
    interval: int = 10
    resume: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job with every default filled in. Built-in defaults are those a cron user expects."""

    name: str
    body: Body
    schedules: tuple[Schedule, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = True
    queue: str = "default"
    timeout: Duration | None = None
    soft_timeout: Duration | None = None
    soft_signal: str = "SIGTERM"
    grace: Duration = 10 * SECOND
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    cwd: str | None = None
    umask: int | None = None
    nice: int | None = None
    user: str | None = None
    group: str | None = None
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    catch_up_window: Duration = 7 * DAY
    catch_up_max: int = 100
    catch_up_spread: Duration = 0
    deadline: Duration | None = None
    retry: RetryPolicy = RetryPolicy()
    on_lost: OnLost = OnLost.FAIL
    max_lost: int = 2
    leave_children: bool = False
    limits: Limits = Limits()
    output: OutputMode = OutputMode.MERGED
    log_max: int = 10 << 20
    retention: Retention = Retention()
    data: str | None = None  # JSON text, keys sorted, without blanks
    checkpoint: Checkpoint | None = None


def is_warm(job: Job) -> bool:
    """Whether the job's attempts are calls in a warm worker."""
    return isinstance(job.body, PythonCall) and job.body.isolation is Isolation.WARM


def soft_signal_of(job: Job) -> str:
    """The signal of the job's soft limit. In a Python function it raises SoftTimeout; TERM means Stopped."""
    if isinstance(job.body, PythonCall) and job.soft_signal == "SIGTERM":
        return "SIGUSR1"
    return job.soft_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A set of warm workers. `max` None is the number of processors.

    A worker ends after `max_runs` calls, at `max_age`, or when its memory is
    above `max_memory` after a call; above `hard_memory` it is killed in the
    call. One that has been idle for `idle` ends while more than `min` are
    there. `on_start` and `on_stop` are functions it calls. `prefetch` is how
    many calls may wait inside a worker; one that does not take the next of
    them for `stalled_after` gives them back.
    """

    name: str
    min: int = 0
    max: int | None = None
    idle: Duration = 30 * SECOND
    max_runs: int = 1000
    max_memory: int | None = None
    hard_memory: int | None = None
    max_age: Duration | None = None
    on_start: str | None = None
    on_stop: str | None = None
    prefetch: int = 32
    autoscaler: str | None = None
    stalled_after: Duration = 30 * SECOND

    def most(self, processors: int) -> int:
        """How many workers there may be on a host of so many processors; never fewer than `min`."""
        return max(self.min, processors if self.max is None else self.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A named set of runs. `concurrency` is the number that may run at once; None is no limit."""

    name: str
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The `[jobrun]` table: settings of the daemon itself."""

    timezone: str = "UTC"
    shutdown_timeout: Duration = 30 * SECOND
    on_stop: OnStop = OnStop.DRAIN
    watch: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where a job is defined."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole job file and its `jobs.d`, read and checked as one."""

    settings: Settings = Settings()
    queues: Mapping[str, Queue] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def queue(self, name: str) -> Queue:
        """The queue of that name; one that is only named has no limit."""
        return self.queues.get(name) or Queue(name=name)

    def pool(self, name: str) -> Pool:
        """The pool of that name; one that is only named is as a pool is by default."""
        return self.pools.get(name) or Pool(name=name)
