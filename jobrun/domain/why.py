"""Why a job ran at a moment, did not run, or will: the slots of that moment and a verdict on each.

The rule: the slots of a time are those of the definition that was in force
then, by the functions that the daemon fires by; what became of one is read
from its row. Only where there is no row is anything concluded, and then the
verdict says so (`undecided`, `no_record`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from jobrun.domain.calendar import is_fixed_time
from jobrun.domain.instants import DAY, MINUTE, SECOND, Duration, Instant
from jobrun.domain.job import At, CatchUp, Cron, Every, Job, Schedule
from jobrun.domain.run import Cause, Done, Outcome, Run
from jobrun.domain.schedules import Stretch, next_slot, slots_between
from jobrun.domain.slots import FRESH, Decision, Due, decide_slots
from jobrun.domain.timeline import Span

# How far back a slot is looked for, step by step: a 29 February can be eight years ago.
_REACHES: tuple[Duration, ...] = (MINUTE, DAY, 40 * DAY, 400 * DAY, 3000 * DAY)
# As many single slots as the daemon looks at: those of the fresh minute, were there one every second.
_LISTED = FRESH // SECOND + 2


class Verdict(StrEnum):
    """What became of a slot, or will."""

    RAN = "ran"
    RUNNING = "running"
    WAITING = "waiting"
    NOT_STARTED = "not_started"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNDECIDED = "undecided"
    NO_RECORD = "no_record"
    WILL_RUN = "will_run"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"
    NOT_DUE = "not_due"
    UNKNOWN = "unknown"


def verdict_of(run: Run) -> Verdict:
    """What the row of a slot, or of any run, says."""
    status = run.status
    if run.has_process:
        return Verdict.RUNNING
    if not isinstance(status, Done):
        return Verdict.WAITING
    if status.outcome is Outcome.SKIPPED:
        return Verdict.SKIPPED
    if status.cause is Cause.SPAWN:
        return Verdict.NOT_STARTED
    return Verdict.RAN if run.attempt else Verdict.CANCELLED


@dataclass(frozen=True, slots=True)
class DueSlot:
    """A slot that a definition has, whatever became of it. `job` is the definition, `span` its time."""

    schedule: Schedule
    at: Instant
    job: Job
    span: Span


def verdict_without_row(
    slot: DueSlot, *, now: Instant, decided_until: Instant | None, is_paused: bool
) -> Verdict:
    """What to say about a slot that has no row.

    `decided_until` is the cursor of its schedule, None if it has none now.
    """
    if slot.span.definition is None:
        return Verdict.REMOVED
    if not slot.job.enabled:
        return Verdict.DISABLED
    if slot.at > now:
        return Verdict.PAUSED if is_paused else Verdict.WILL_RUN
    if slot.span.until is None and decided_until is not None and slot.at > decided_until:
        return Verdict.UNDECIDED
    return Verdict.NO_RECORD


def missed_rule(job: Job, schedule: Schedule) -> CatchUp:
    """The rule for a missed slot: a one-off without one is caught up, as under at(1)."""
    if isinstance(schedule.when, At) and job.catch_up is CatchUp.NONE:
        return CatchUp.LATEST
    return job.catch_up


class Slots:
    """The slots of one job over its whole time.

    `spans` are its definitions in force, `jobs` the definitions by id, and
    `anchor_of(schedule, moment)` the moment from which an interval schedule
    counted then (None: not known; its slots cannot be told without rows).
    """

    def __init__(
        self,
        spans: Sequence[Span],
        jobs: Mapping[int, Job],
        anchor_of: Callable[[Schedule, Instant], Instant | None],
    ) -> None:
        self._spans = spans
        self._jobs = jobs
        self._anchor_of = anchor_of

    def within(self, first: Instant, end: Instant, most: int) -> tuple[list[DueSlot], int]:
        """The slots in [first, end), oldest first, at most the `most` newest; and how many there are.

        Also those that a disabled or removed job would have had.
        """
        found: list[DueSlot] = []
        count = 0
        for span, job in self._with_jobs(self._spans):
            after = max(first - 1, span.since)
            until = end - 1 if span.until is None else min(end - 1, span.until)
            for schedule in job.schedules:
                stretch = self._stretch(schedule, after, until, most)
                if stretch is not None:
                    count += stretch.count
                    found += [DueSlot(schedule, at, job, span) for at in stretch.newest]
        found.sort(key=lambda slot: (slot.at, slot.schedule.key))
        return found[-most:], count

    def before(self, moment: Instant) -> DueSlot | None:
        """The last slot before a moment that counted: of a job in the plan and enabled."""
        for span, job in self._with_jobs(reversed(self._spans)):
            if span.since >= moment or not self._counts(span, job):
                continue
            until = moment - 1 if span.until is None else min(moment - 1, span.until)
            slots = [self._last(schedule, job, span, until) for schedule in job.schedules]
            known = [slot for slot in slots if slot is not None]
            if known:
                return max(known, key=lambda slot: slot.at)
        return None

    def after(self, moment: Instant) -> DueSlot | None:
        """The first slot at or after a moment that counts."""
        for span, job in self._with_jobs(self._spans):
            if (span.until is not None and span.until < moment) or not self._counts(span, job):
                continue
            slots = [
                self._first(schedule, job, span, max(moment - 1, span.since)) for schedule in job.schedules
            ]
            known = [slot for slot in slots if slot is not None]
            if known:
                return min(known, key=lambda slot: slot.at)
        return None

    def _with_jobs(self, spans: Iterable[Span]) -> Iterator[tuple[Span, Job]]:
        """The spans with their definitions; a removed job has the one it had last."""
        known = [span for span in self._spans if span.definition in self._jobs]
        for span in spans:
            if span.definition is None:
                earlier = [other for other in known if other.since < span.since]
                if earlier:
                    yield span, self._jobs[earlier[-1].definition or 0]
            elif span.definition in self._jobs:
                yield span, self._jobs[span.definition]

    @staticmethod
    def _counts(span: Span, job: Job) -> bool:
        return span.definition is not None and job.enabled

    def _last(self, schedule: Schedule, job: Job, span: Span, until: Instant) -> DueSlot | None:
        for reach in _REACHES:
            after = max(until - reach, span.since)
            stretch = self._stretch(schedule, after, until, 1)
            if stretch is not None:
                return DueSlot(schedule, stretch.last, job, span)
            if after == span.since:
                break
        return None

    def _first(self, schedule: Schedule, job: Job, span: Span, after: Instant) -> DueSlot | None:
        anchor = self._anchor(schedule, after)
        if anchor is None:
            return None
        at = next_slot(schedule, after, anchor=anchor, last_end=None)
        if at is None or (span.until is not None and at > span.until):
            return None
        return DueSlot(schedule, at, job, span)

    def _stretch(self, schedule: Schedule, after: Instant, until: Instant, most: int) -> Stretch | None:
        anchor = self._anchor(schedule, until)
        if anchor is None or after >= until:
            return None
        return slots_between(schedule, after, until, anchor=anchor, last_end=None, newest=most)

    def _anchor(self, schedule: Schedule, moment: Instant) -> Instant | None:
        """What intervals count from; None for schedules whose slots only rows can tell."""
        match schedule.when:
            case Cron() | At():
                return 0
            case Every():
                return self._anchor_of(schedule, moment)
            case _:
                return None


def phase_anchor(period: Duration, slot: Instant, moment: Instant) -> Instant:
    """An anchor, long before the moment, from which counting on by `period` meets the slot."""
    return slot - ((slot - moment + _REACHES[-1]) // period + 2) * period


def foretell(job: Job, slot: DueSlot, stretch: Stretch, now: Instant, paused: str | None) -> Decision | None:
    """What a daemon that looked now would decide about an undecided slot.

    `stretch` holds all undecided slots of its schedule. None if the rule for
    so many slots does not name this one.
    """
    fixed = isinstance(slot.schedule.when, At) or (
        isinstance(slot.schedule.when, Cron) and is_fixed_time(slot.schedule.when.text)
    )
    due = Due(stretch.first, stretch.last, stretch.count, stretch.newest, fixed)
    ruled = replace(job, catch_up=missed_rule(job, slot.schedule))
    for decision in decide_slots(ruled, slot.schedule.key, due, now, paused=paused):
        first, last = decision.slot.scheduled_at, decision.slot.last
        if first == slot.at or (last is not None and first <= slot.at <= last):
            return decision
    return None


def undecided(slot: DueSlot, decided_until: Instant, anchor: Instant, now: Instant) -> Stretch | None:
    """All slots of the slot's schedule that no daemon has decided yet."""
    newest = max(_LISTED, slot.job.catch_up_max + 1)
    return slots_between(slot.schedule, decided_until, now, anchor=anchor, last_end=None, newest=newest)
