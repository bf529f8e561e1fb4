"""Slots that have come due: computed from the last decided one, decided, recorded.

The alarm only says "look now". Which slots there are is asked of the calendar,
from the cursor in the store up to this moment, so that a late, doubled or lost
alarm can neither lose nor double a slot.
"""

from dataclasses import replace

from jobrun.daemon import moves
from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book, Cursor, ScheduleId
from jobrun.domain.calendar import is_fixed_time
from jobrun.domain.instants import SECOND, Instant, to_iso
from jobrun.domain.job import After, At, CatchUp, Cron, Job, Reboot, Schedule
from jobrun.domain.ledger import ScheduleNext, SlotsDecided
from jobrun.domain.run import DelayReason, Slot, Trigger
from jobrun.domain.schedules import next_slot, slots_between, start_offset
from jobrun.domain.slots import FRESH, ClockJump, Decision, Due, decide_slots

# Enough single slots for the fresh minute of an every-second schedule and one more.
_NEWEST_AT_LEAST = FRESH // SECOND + 2


class Dues:
    """Decides slots; holds the two facts about the host that the decisions need."""

    def __init__(self, book: Book, host_id: str) -> None:
        self._book = book
        self._host_id = host_id

    def decide(self, batch: Batch, where: ScheduleId, draw: float, jump: ClockJump | None = None) -> None:
        """Decide every undecided slot of one schedule up to now."""
        batch.rearm.add(where)
        found = self._book.schedule(*where)
        cursor = self._book.cursors.get(where)
        if found is None or cursor is None:
            return
        job, schedule = found
        due = self._due(job, schedule, cursor, batch.now)
        if due is None:
            return
        for decision in decide_slots(
            _with_one_off_rule(job, schedule),
            schedule.key,
            due,
            batch.now,
            paused=self._paused_sentence(job.name),
            jump=jump,
            clock_pass=self._book.clock_pass,
        ):
            self._carry_out(batch, job, schedule, decision, draw)
        self._move_cursor(batch, where, cursor, batch.now)

    def decide_reboot(self, batch: Batch, job: Job, schedule: Schedule, draw: float) -> None:
        """The host has booted since a daemon last looked: the boot's one slot is due now."""
        where = (job.name, schedule.key)
        slot = Slot(schedule.key, batch.now, self._book.clock_pass)
        self._carry_out(batch, job, schedule, Decision(slot, start_at=batch.now), draw)
        self._move_cursor(batch, where, self._book.cursors[where], batch.now)

    def set_back(self, batch: Batch, jump: ClockJump) -> None:
        """The clock was set back: wildcard and interval schedules follow it, fixed times do not run twice.

        A step of more than three hours is a correction, which all follow
        (Debian cron's rule). Slots that come due a second time carry the next
        `clock_pass`.
        """
        book = self._book
        book.set_value("clock_pass", book.clock_pass + 1)
        for where, cursor in list(book.cursors.items()):
            found = book.schedule(*where)
            if found is None or cursor.decided_until <= batch.now:
                continue
            when = found[1].when
            fixed = isinstance(when, At | Reboot | After) or (
                isinstance(when, Cron) and is_fixed_time(when.text)
            )
            if not fixed or (jump.is_correction and not isinstance(when, At | Reboot)):
                self._move_cursor(batch, where, cursor, batch.now)
            batch.rearm.add(where)

    def next_at(self, where: ScheduleId, after: Instant) -> Instant | None:
        """The next slot of a schedule after a moment: what the alarm asks, and what readers are told."""
        found = self._book.schedule(*where)
        cursor = self._book.cursors.get(where)
        if found is None or cursor is None:
            return None
        job, schedule = found
        base: Instant | None = None
        if isinstance(schedule.when, After):
            base = self._book.base_for_after(job.name, schedule.key)
            if base is None:
                return None
        after = max(after, cursor.decided_until)
        return next_slot(schedule, after, anchor=cursor.anchor, last_end=base)

    def tell_next(self, batch: Batch, where: ScheduleId) -> Instant | None:
        """Record the next slot for readers, and return it."""
        next_at = self.next_at(where, batch.now)
        if where in self._book.cursors:
            batch.facts.append(ScheduleNext(*where, next_at))
        return next_at

    def _due(self, job: Job, schedule: Schedule, cursor: Cursor, now: Instant) -> Due | None:
        base: Instant | None = None
        if isinstance(schedule.when, After):
            base = self._book.base_for_after(job.name, schedule.key)
            if base is None:
                return None
        stretch = slots_between(
            schedule,
            cursor.decided_until,
            now,
            anchor=cursor.anchor,
            last_end=base,
            newest=max(_NEWEST_AT_LEAST, job.catch_up_max + 1),
        )
        if stretch is None:
            return None
        fixed = isinstance(schedule.when, At | After) or (
            isinstance(schedule.when, Cron) and is_fixed_time(schedule.when.text)
        )
        return Due(stretch.first, stretch.last, stretch.count, stretch.newest, fixed)

    def _carry_out(self, batch: Batch, job: Job, schedule: Schedule, decision: Decision, draw: float) -> None:
        if decision.cause is not None:
            moves.record_skipped(
                self._book,
                batch,
                job,
                trigger=decision.trigger,
                slot=decision.slot,
                cause=decision.cause,
                detail=decision.detail,
            )
            return
        start_at = decision.start_at or batch.now
        start_at += start_offset(schedule, host_id=self._host_id, job=job.name, draw=draw)
        delay = DelayReason.CATCH_UP if decision.trigger is Trigger.CATCH_UP else DelayReason.SPREAD
        moves.create(
            self._book,
            batch,
            job,
            trigger=decision.trigger,
            slot=decision.slot,
            start_at=start_at,
            delay=delay,
        )

    def _move_cursor(self, batch: Batch, where: ScheduleId, cursor: Cursor, until: Instant) -> None:
        self._book.set(self._book.cursors, where, Cursor(cursor.anchor, until))
        batch.facts.append(SlotsDecided(*where, until))

    def _paused_sentence(self, job: str) -> str | None:
        pause = self._book.pauses.get(("job", job))
        if pause is None:
            return None
        reason = f" ({pause.reason})" if pause.reason else ""
        return f"paused by {pause.by or 'somebody'} since {to_iso(pause.at)}{reason}"


def _with_one_off_rule(job: Job, schedule: Schedule) -> Job:
    """A missed one-off has no later slot to make up for it: it runs late, as under at(1), unless `deadline`
    forbids it."""
    if isinstance(schedule.when, At) and job.catch_up is CatchUp.NONE:
        return replace(job, catch_up=CatchUp.LATEST)
    return job
