"""What becomes of the slots that have come due: each runs, or is skipped for a stated reason.

A slot is *fresh* for a minute after its moment: a busy host or a quick restart
of the daemon does not make a job miss its time. An older one is *missed*, and
the job's catch-up rule decides. A slot in a stretch that the clock jumped over
is decided as Debian cron would: less than five minutes is a late wake-up (what
was jumped over runs), less than three hours is like a DST change (fixed-time
jobs run once), more is a correction of the clock (nothing runs). The facts
under `tests/domain/debian_cron` show all three.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from jobrun.domain.instants import HOUR, MILLISECOND, MINUTE, Duration, Instant, format_duration, to_iso
from jobrun.domain.job import CatchUp, Job
from jobrun.domain.run import Cause, Slot, Trigger

FRESH: Duration = MINUTE
CORRECTION: Duration = 3 * HOUR
LATE_WAKE_UP: Duration = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The wall clock was set, forward or back, from `before` to `after` (not a suspend).

    Debian's cron goes by the local time: `zone_shift` is how much the offset of
    the schedule's zone is larger after the jump than before.
    """

    before: Instant
    after: Instant
    zone_shift: Duration = 0

    @property
    def step(self) -> Duration:
        """By how much a clock on the wall in the schedule's zone was moved."""
        return self.after - self.before + self.zone_shift

    @property
    def is_correction(self) -> bool:
        """Whether Debian's rule takes it for a repair of a wrong clock rather than a change of time.

        Three hours exactly is one forward, and is none back.
        """
        return self.step >= CORRECTION or self.step < -CORRECTION

    @property
    def is_late_wake_up(self) -> bool:
        """Whether it is so small a step forward that what lies in it still runs."""
        return 0 < self.step < LATE_WAKE_UP

    @property
    def is_within_a_minute(self) -> bool:
        """Whether it is a step back that a clock with minutes only would not show twice."""
        return -MINUTE < self.step < 0

    @property
    def minutes(self) -> int:
        """How many full minutes it leaves out, one at the edge included."""
        return (self.after - self.before) // MINUTE + 1


@dataclass(frozen=True, slots=True)
class Due:
    """The undecided slots of one schedule up to now, oldest first.

    `first` … `last` with `count` describes them all; `newest` holds the
    youngest ones singly, at least those of the last minute and one more.
    `is_fixed_time` is Debian's distinction (neither
    minute nor hour field starts with `*`).
    """

    first: Instant
    last: Instant
    count: int
    newest: tuple[Instant, ...]
    is_fixed_time: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one slot (or one stretch): it starts at `start_at`, or is skipped for `cause`."""

    slot: Slot
    start_at: Instant | None = None
    trigger: Trigger = Trigger.SCHEDULE
    cause: Cause | None = None
    detail: str = ""


def decide_slots(
    job: Job,
    schedule: str,
    due: Due,
    now: Instant,
    *,
    paused: str | None = None,
    jump: ClockJump | None = None,
) -> list[Decision]:
    """One decision for every slot in `due`, in time order; a skipped stretch is one decision.

    `paused` is the sentence about the job's pause, None if it is not paused.
    With a `jump`, the slots are those after `jump.before`.
    """

    def skip(moments: tuple[Instant, Instant, int], cause: Cause, detail: str) -> Decision:
        first, last, count = moments
        stretch = Slot(schedule, first, 0, last if count > 1 else None, count)
        return Decision(stretch, cause=cause, detail=detail)

    def is_jumped_over(moment: Instant) -> bool:
        return jump is not None and jump.before < moment <= jump.after

    if paused is not None:
        return [skip((due.first, due.last, due.count), Cause.PAUSED, paused)]

    fresh = [moment for moment in due.newest if moment >= now - FRESH and not is_jumped_over(moment)]
    missed = [moment for moment in due.newest if moment < now - FRESH or is_jumped_over(moment)]
    run_missed, why = _missed_to_run(job, due, missed, has_fresh=bool(fresh), now=now, jump=jump)
    decisions: list[Decision] = []

    unnamed = due.count - len(due.newest)
    for group in _skipped_groups(due, missed, run_missed, unnamed):
        decisions.append(skip(group, Cause.MISSED, why))
    for number, moment in enumerate(run_missed):
        late = _deadline_detail(job, moment, now)
        if late is not None:
            decisions.append(skip((moment, moment, 1), Cause.DEADLINE, late))
            continue
        start = now + job.catch_up_spread * number // max(len(run_missed), 1)
        decisions.append(Decision(Slot(schedule, moment), start, Trigger.CATCH_UP))
    for moment in fresh:
        late = _deadline_detail(job, moment, now)
        if late is not None:
            decisions.append(skip((moment, moment, 1), Cause.DEADLINE, late))
        else:
            decisions.append(Decision(Slot(schedule, moment), max(moment, 0)))
    return sorted(decisions, key=lambda decision: decision.slot.scheduled_at)


def _missed_to_run(
    job: Job, due: Due, missed: list[Instant], *, has_fresh: bool, now: Instant, jump: ClockJump | None
) -> tuple[list[Instant], str]:
    """The missed slots that run after all, and the sentence about the others."""
    if jump is not None:
        jumped = f"the clock was set forward from {to_iso(jump.before)} to {to_iso(jump.after)}"
        # Cron's grain is a minute: a schedule with more slots than that would make a storm of it.
        if due.is_fixed_time and not jump.is_correction:
            return missed[-jump.minutes :], jumped
        return (missed if jump.is_late_wake_up and len(missed) <= jump.minutes else []), jumped
    span = format_duration(job.catch_up_window)
    inside = [moment for moment in missed if moment >= now - job.catch_up_window]
    match job.catch_up:
        case CatchUp.NONE:
            return [], "no daemon was there at its time; catch_up is none"
        case CatchUp.LATEST:
            return ([] if has_fresh else inside[-1:]), (
                f"missed; catch_up runs only the latest slot of the last {span}"
            )
        case CatchUp.ALL:
            return inside[-job.catch_up_max :], (
                f"missed; catch_up runs at most {job.catch_up_max} slots of the last {span}"
            )


def _skipped_groups(
    due: Due, missed: list[Instant], run_missed: list[Instant], unnamed: int
) -> Iterable[tuple[Instant, Instant, int]]:
    """The missed slots that do not run, as stretches (first, last, count) between those that do."""
    chosen = set(run_missed)
    first: Instant | None = due.first if unnamed else None
    last, count = due.first, unnamed
    for moment in missed:
        if moment in chosen:
            if count and first is not None:
                yield first, last, count
            first, count = None, 0
            continue
        first, last, count = (moment if first is None else first), moment, count + 1
    if count and first is not None:
        yield first, last, count


def _deadline_detail(job: Job, moment: Instant, now: Instant) -> str | None:
    if job.deadline is None or now - moment <= job.deadline:
        return None
    return deadline_sentence(job, moment, now)


def deadline_sentence(job: Job, moment: Instant, now: Instant) -> str:
    """The words for a slot that could not start before its deadline. Lateness is told to the millisecond."""
    late = -(-(now - moment) // MILLISECOND) * MILLISECOND
    return (
        f"could not start within its deadline of {format_duration(job.deadline or 0)}: "
        f"it would have been {format_duration(late)} late"
    )
