"""The slots of every kind of schedule: the next one, and all of a stretch of time.

The rule: a slot is a function of the schedule, its anchor and the end of the
last run, never of when somebody asks; so asking late, twice or after a crash
gives the same slots. `not_before` is the first moment a slot may have,
`expires` the first it may not have.
"""

from dataclasses import dataclass
from hashlib import sha256

from jobrun.domain.calendar import cron_between, next_cron
from jobrun.domain.instants import Duration, Instant, is_tellable
from jobrun.domain.job import After, At, Cron, Every, Reboot, Schedule


@dataclass(frozen=True, slots=True)
class Stretch:
    """The slots of a stretch of time: first, last, how many, and the youngest of them, oldest first."""

    first: Instant
    last: Instant
    count: int
    newest: tuple[Instant, ...]


def next_slot(
    schedule: Schedule, after: Instant, *, anchor: Instant, last_end: Instant | None
) -> Instant | None:
    """The first slot strictly after `after`; None if there is none, or it is not for the calendar to say.

    `anchor` is the stored moment that intervals count from, `last_end` the end
    of the job's last run. Slots of a boot are the daemon's to find: None.
    """
    if schedule.not_before is not None:
        after = max(after, schedule.not_before - 1)
    match schedule.when:
        case Cron(text):
            slot = next_cron(text, schedule.timezone, after)
        case Every(period):
            slot = anchor + max((after - anchor) // period + 1, 1) * period
        case After() | At():
            slot = _single_slot(schedule, anchor, last_end)
            slot = slot if slot is not None and slot > after else None
        case Reboot():
            return None
    if slot is None or not is_tellable(slot) or (schedule.expires is not None and slot >= schedule.expires):
        return None
    return slot


def slots_between(
    schedule: Schedule,
    after: Instant,
    until: Instant,
    *,
    anchor: Instant,
    last_end: Instant | None,
    newest: int,
) -> Stretch | None:
    """All slots in (after, until], or None if there are none.

    The work is bounded: slots are counted, and only `newest` of them listed
    (a minutely job over a year takes milliseconds).
    """
    if schedule.not_before is not None:
        after = max(after, schedule.not_before - 1)
    if schedule.expires is not None:
        until = min(until, schedule.expires - 1)
    if after >= until:
        return None
    match schedule.when:
        case Cron(text):
            found = cron_between(text, schedule.timezone, after, until, newest)
            return None if found is None else Stretch(*found)
        case Every(period):
            return _ticks(anchor, period, after, until, newest)
        case After() | At():
            slot = _single_slot(schedule, anchor, last_end)
            if slot is None or not after < slot <= until:
                return None
            return Stretch(slot, slot, 1, (slot,)[:newest])
        case Reboot():
            return None


def names_same_slots(one: Schedule, other: Schedule) -> bool:
    """Whether two schedules have the same slots, given the same anchor and last end.

    A zone means something to cron text only.
    """
    return (one.when, one.not_before, one.expires) == (other.when, other.not_before, other.expires) and (
        one.timezone == other.timezone or not isinstance(one.when, Cron)
    )


def start_offset(schedule: Schedule, *, host_id: str, job: str, draw: float) -> Duration:
    """How far a slot's start is moved after the slot itself.

    `spread` gives the same offset for the same host, job and schedule, for
    ever; `random_delay` gives `draw` (from 0 up to, not including, 1) of its span.
    """
    offset = 0
    if schedule.spread > 0:
        name = "\0".join((host_id, job, schedule.key))
        offset = int.from_bytes(sha256(name.encode()).digest()[:8], "big") % schedule.spread
    return offset + int(draw * schedule.random_delay)


def _single_slot(schedule: Schedule, anchor: Instant, last_end: Instant | None) -> Instant | None:
    """The one slot there is: of a one-off, or of a pause after the last run (not before `not_before`)."""
    if isinstance(schedule.when, At):
        return schedule.when.moment
    if isinstance(schedule.when, After):
        due = (anchor if last_end is None else last_end) + schedule.when.pause
        return due if schedule.not_before is None else max(due, schedule.not_before)
    return None


def _ticks(anchor: Instant, period: Duration, after: Instant, until: Instant, newest: int) -> Stretch | None:
    """The slots anchor + n * period, n >= 1, in (after, until]."""
    low = max((after - anchor) // period + 1, 1)
    high = (until - anchor) // period
    if high < low:
        return None
    listed = range(max(low, high - newest + 1), high + 1)
    return Stretch(
        anchor + low * period,
        anchor + high * period,
        high - low + 1,
        tuple(anchor + number * period for number in listed),
    )
