"""Slots that have come due: computed from the last decided one, decided, recorded.

The alarm only says "look now". Which slots there are is asked of the calendar,
from the cursor in the store up to this moment, so that a late, doubled or lost
alarm can neither lose nor double a slot.
"""

from collections.abc import Callable
from dataclasses import replace

from jobrun.daemon import moves
from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book, Cursor, ScheduleId
from jobrun.daemon.clockwatch import STEP
from jobrun.domain.calendar import is_fixed_time
from jobrun.domain.instants import DAY, SECOND, Duration, Instant, to_iso
from jobrun.domain.job import After, At, CatchUp, Cron, Every, Job, Reboot, Schedule
from jobrun.domain.ledger import MetaSet, ScheduleNext, ScheduleSeen, SlotsDecided
from jobrun.domain.run import DelayReason, Slot, Trigger
from jobrun.domain.schedules import next_slot, slots_between, start_offset
from jobrun.domain.slots import FRESH, ClockJump, Decision, Due, decide_slots
from jobrun.domain.zones import offset_at

# Enough single slots for the fresh minute of an every-second schedule and one more.
_NEWEST_AT_LEAST = FRESH // SECOND + 2
_EVER: Duration = 100_000 * DAY


class Dues:
    """Decides slots; holds the two facts about the host that the decisions need."""

    def __init__(
        self,
        book: Book,
        host_id: str,
        last_slot: Callable[[str, str], Instant | None] = lambda _job, _schedule: None,
    ) -> None:
        """`last_slot` finds the last slot of a schedule that has a row in the store."""
        self._book = book
        self._host_id = host_id
        self._last_slot = last_slot

    def decide(self, batch: Batch, where: ScheduleId, draw: float, jump: ClockJump | None = None) -> None:
        """Decide every undecided slot of one schedule up to now."""
        batch.rearm.add(where)
        found = self._book.schedule(*where)
        cursor = self._book.cursors.get(where)
        if found is None or cursor is None:
            return
        schedule = found[1]
        if jump is not None and jump.before > cursor.decided_until:
            # What was due before the clock was set was due by the old time.
            self._decide_until(batch, found, jump.before, draw)
        # A moment that somebody named (`at`) has passed, however it did.
        seen = None if jump is None or isinstance(schedule.when, At) else _seen_in_zone(jump, schedule)
        self._decide_until(batch, found, batch.now, draw, seen)

    def _decide_until(
        self,
        batch: Batch,
        found: tuple[Job, Schedule],
        until: Instant,
        draw: float,
        jump: ClockJump | None = None,
    ) -> None:
        """Decide the slots after the cursor and up to `until`, and move the cursor if there are any."""
        job, schedule = found
        where = (job.name, schedule.key)
        cursor = self._book.cursors[where]
        due = self._due(job, schedule, cursor, until, jump)
        if due is None:
            return
        for decision in decide_slots(
            _with_one_off_rule(job, schedule),
            schedule.key,
            due,
            until,
            paused=self._paused_sentence(job.name),
            jump=jump,
        ):
            self._carry_out(batch, job, schedule, decision, draw)
        self._move_cursor(batch, where, cursor, until)

    def decide_reboot(self, batch: Batch, job: Job, schedule: Schedule, draw: float) -> None:
        """The host has booted since a daemon last looked: the boot's one slot is due now."""
        where = (job.name, schedule.key)
        slot = Slot(schedule.key, batch.now)
        self._carry_out(batch, job, schedule, Decision(slot, start_at=batch.now), draw)
        self._move_cursor(batch, where, self._book.cursors[where], batch.now)

    def set_back(self, batch: Batch, jump: ClockJump) -> None:
        """The clock was set back: wildcard and interval schedules follow it, fixed times do not run twice.

        A step of more than three hours is a correction, which all follow; one
        of less than a minute repeats no minute (Debian cron's rules). Slots
        that come due a second time carry the next `clock_pass`.
        """
        book = self._book
        book.set_value("clock_pass", book.clock_pass + 1)
        book.set_value("repeated_until", max(book.repeated_until, jump.before))
        for where in list(book.cursors):
            found = book.schedule(*where)
            if found is None:
                continue
            job, schedule = found
            if isinstance(schedule.when, After) and book.ended.get(job.name, 0) > batch.now:
                moves.note_ended(book, batch, job.name, batch.now)
            cursor = self._with_anchor_passed(batch, where, schedule)
            if cursor.decided_until > batch.now and self._follows_back(schedule, cursor, jump, batch.now):
                self._move_cursor(batch, where, cursor, batch.now)
            batch.rearm.add(where)

    def pass_rows_ahead(self, batch: Batch, where: ScheduleId) -> None:
        """A schedule begins that had slots before, and the clock was set back since: they are due again."""
        last = self._last_slot(*where)
        if last is None or last <= batch.now:
            return
        self._book.set_value("clock_pass", self._book.clock_pass + 1)
        self._book.set_value("repeated_until", max(self._book.repeated_until, last))
        self.note_pass(batch)

    def note_pass(self, batch: Batch) -> None:
        """Make durable how often the clock has passed which moment."""
        batch.facts.append(MetaSet("clock_pass", str(self._book.clock_pass)))
        batch.facts.append(MetaSet("repeated_until", str(self._book.repeated_until)))

    def _with_anchor_passed(self, batch: Batch, where: ScheduleId, schedule: Schedule) -> Cursor:
        """An anchor ahead of the clock would silence the schedule until then; the intervals' beat is kept."""
        cursor = self._book.cursors[where]
        if cursor.anchor <= batch.now:
            return cursor
        anchor = batch.now
        if isinstance(schedule.when, Every):
            period = schedule.when.period
            anchor = cursor.anchor - -(-(cursor.anchor - batch.now) // period) * period
        lowered = Cursor(anchor, cursor.decided_until)
        self._book.set(self._book.cursors, where, lowered)
        batch.facts.append(ScheduleSeen(*where, anchor, cursor.decided_until, None))
        return lowered

    def find_set_back(self, now: Instant) -> ClockJump | None:
        """Slots decided, or runs ended, ahead of now: the clock was set back while no daemon lived."""
        decided = (cursor.decided_until for cursor in self._book.cursors.values())
        ahead = max((*decided, *self._book.ended.values()), default=0)
        return ClockJump(ahead, now) if ahead - now >= STEP else None

    def _follows_back(self, schedule: Schedule, cursor: Cursor, jump: ClockJump, now: Instant) -> bool:
        """Whether the schedule's slots in the time that comes a second time are due a second time."""
        when = schedule.when
        if isinstance(when, At | Reboot):
            return False
        if isinstance(when, After):
            return True
        jump = _seen_in_zone(jump, schedule)
        if isinstance(when, Cron) and is_fixed_time(when.text) and not jump.is_correction:
            return False
        if not jump.is_within_a_minute:
            return True
        # One slot a minute at most is not repeated; a schedule of seconds would stand still meanwhile.
        again = slots_between(
            schedule, now, cursor.decided_until, anchor=cursor.anchor, last_end=None, newest=1
        )
        return again is not None and again.count > 1

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

    def _due(
        self, job: Job, schedule: Schedule, cursor: Cursor, until: Instant, jump: ClockJump | None
    ) -> Due | None:
        base: Instant | None = None
        if isinstance(schedule.when, After):
            base = self._book.base_for_after(job.name, schedule.key)
            if base is None:
                return None
        stretch = slots_between(
            schedule,
            cursor.decided_until,
            until,
            anchor=cursor.anchor,
            last_end=base,
            newest=max(_NEWEST_AT_LEAST, job.catch_up_max + 1, _most_jumped(jump)),
        )
        if stretch is None:
            return None
        fixed = isinstance(schedule.when, At | After) or (
            isinstance(schedule.when, Cron) and is_fixed_time(schedule.when.text)
        )
        return Due(stretch.first, stretch.last, stretch.count, stretch.newest, fixed)

    def _carry_out(self, batch: Batch, job: Job, schedule: Schedule, decision: Decision, draw: float) -> None:
        slot = decision.slot
        if self._book.clock_pass and slot.scheduled_at <= self._book.repeated_until:
            slot = replace(slot, clock_pass=self._book.clock_pass)
        if decision.cause is not None:
            moves.record_skipped(
                self._book,
                batch,
                job,
                trigger=decision.trigger,
                slot=slot,
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
            slot=slot,
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
        return replace(job, catch_up=CatchUp.LATEST, catch_up_window=_EVER)
    return job


def _seen_in_zone(jump: ClockJump, schedule: Schedule) -> ClockJump:
    """The jump as a clock on the wall in the schedule's zone shows it; intervals have no zone."""
    if not isinstance(schedule.when, Cron):
        return jump
    before, after = (offset_at(schedule.timezone, at // SECOND) for at in (jump.before, jump.after))
    return replace(jump, zone_shift=(after - before) * SECOND)


def _most_jumped(jump: ClockJump | None) -> int:
    """How many of the slots that the clock jumped over may run: all must be known singly."""
    return 0 if jump is None or jump.is_correction else jump.minutes
