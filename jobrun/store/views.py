"""What readers get: rows of the history as frozen values.

Where a value of the domain fits (Run, AttemptEnd, OutputKept, Paused,
DefinitionSeen, HostEvent) it is used as it is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from jobrun.domain.instants import Duration, Instant
from jobrun.domain.records import Paused
from jobrun.domain.run import AttemptEnd, Done, Fence, Outcome, Run


class RunFilter(NamedTuple):
    """Which runs are asked for; None and an empty tuple mean any.

    `state` is one state's name, or `live` for all but done. A run belongs to
    [since, until) by the moment it came into being: a slot's decision, a
    request.
    """

    job: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    cause: str | None = None
    queue: str | None = None
    state: str | None = None
    since: Instant | None = None
    until: Instant | None = None


class RunRow(NamedTuple):
    """A run, and when its current or last attempt started (None: no process existed)."""

    run: Run
    started_at: Instant | None

    @property
    def ended_at(self) -> Instant | None:
        """When the run ended; None while it is unfinished."""
        status = self.run.status
        return status.ended_at if isinstance(status, Done) else None

    @property
    def duration(self) -> Duration | None:
        """How long the last attempt of a finished run took; None if it had no process."""
        ended = self.ended_at
        return None if ended is None or self.started_at is None else ended - self.started_at


class AttemptRow(NamedTuple):
    """One attempt. `end` is None while it is open."""

    fence: Fence
    opened_at: Instant
    pid: int | None
    started_at: Instant | None
    end: AttemptEnd | None


class ScheduleRow(NamedTuple):
    """A schedule of the plan: every slot up to `decided_until` has its row, `next_at` is the next one."""

    job: str
    schedule: str
    anchor: Instant
    decided_until: Instant
    next_at: Instant | None


class JobRow(NamedTuple):
    """A job of the plan as the daemon last read it. `body` is its definition's JSON text.

    `last` is its newest run, finished or not.
    """

    name: str
    source: str
    enabled: bool
    definition_id: int
    digest: str
    body: str
    paused: Paused | None
    schedules: tuple[ScheduleRow, ...]
    last: RunRow | None

    @property
    def next_at(self) -> Instant | None:
        """The next slot of any of its schedules."""
        return min((row.next_at for row in self.schedules if row.next_at is not None), default=None)


class QueueRow(NamedTuple):
    """A queue of the plan, or one that is only named by live runs. `live` counts them by state."""

    name: str
    concurrency: int | None
    paused: Paused | None
    live: Mapping[str, int]


class PoolRow(NamedTuple):
    """A pool of the plan; `max` None is the number of processors."""

    name: str
    min: int
    max: int | None


class VersionRow(NamedTuple):
    """A version of a job's definition, and which runs were decided under it (None: none is kept)."""

    id: int
    digest: str
    body: str
    seen_at: Instant
    first_run: int | None
    last_run: int | None
