"""What `why` knows about a moment of a job: its slots, and the facts behind what became of them.

The deciding is `domain/why`'s; the words are `whywords`'.
"""

from dataclasses import dataclass, field
from typing import Any

from jobrun.cli.reach import Reach
from jobrun.cli.whymoment import Asked
from jobrun.cli.whypast import Past
from jobrun.domain.instants import Duration, Instant
from jobrun.domain.job import At, Job
from jobrun.domain.outages import KINDS, Outage, outages
from jobrun.domain.overlap import run_in_the_way
from jobrun.domain.records import HostEvent, Paused
from jobrun.domain.run import Cause, Delayed, Done
from jobrun.domain.slots import Decision
from jobrun.domain.timeline import Span, span_at
from jobrun.domain.why import DueSlot, Verdict, foretell, undecided, verdict_of, verdict_without_row
from jobrun.store.views import RunFilter, RunRow, VersionRow

MOST_SLOTS = 12
_CHANGED = "the job file has changed since a daemon last read it"


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """One slot (`at` None: a run that has none), what became of it, and the facts behind that."""

    schedule: str | None
    at: Instant | None
    verdict: Verdict
    row: RunRow | None = None
    late: Duration | None = None
    in_the_way: RunRow | None = None
    pause: Paused | None = None
    decision: Decision | None = None
    digest: str | None = None


@dataclass(slots=True)
class Answer:
    """Everything that is said about the moment."""

    job: str
    now: Instant
    asked: Asked
    verdict: Verdict = Verdict.NOT_DUE
    slots: list[SlotAnswer] = field(default_factory=list)
    count: int = 0
    runs: list[RunRow] = field(default_factory=list)
    before: SlotAnswer | None = None
    after: SlotAnswer | None = None
    span: Span | None = None
    definition: Job | None = None
    version: VersionRow | None = None
    pause: Paused | None = None
    outages: list[Outage] = field(default_factory=list)
    daemon: dict[str, Any] | None = None
    is_down: bool = False
    remarks: list[str] = field(default_factory=list)
    first_known: Instant | None = None
    is_unread: bool = False  # only the job file has the job
    passed: Instant | None = None  # the moment of a one-off that was over before its definition was read
    runs_late: bool = False  # and it came while no daemon lived, so that the next one starts it


def answer(reach: Reach, past: Past, asked: Asked) -> Answer:
    """Everything about the moment."""
    out = Answer(past.name, past.now, asked, daemon=past.daemon, is_down=past.is_down)
    out.first_known = past.spans[0].since if past.spans else None
    out.is_unread = past.has_new_file and not past.versions
    if asked.remark:
        out.remarks.append(asked.remark)
    out.pause = _pause_at(past, asked.first)
    for first, end in asked.stretches:
        found, count = _slots(past, first, end)
        out.slots += found
        out.count += count
    out.slots = out.slots[-MOST_SLOTS:]
    named = {slot.row.run.id for slot in out.slots if slot.row is not None}
    out.runs = [row for row in _runs_at(past, asked) if row.run.id not in named]
    out.before = _before(past, asked.first)
    out.after = _after(past, asked.end)
    out.span = span_at(past.spans, asked.end - 1)
    if out.span is not None and out.span.definition is not None:
        out.definition = past.jobs.get(out.span.definition)
        out.version = past.versions.get(out.span.definition)
    out.passed = _passed(past, out)
    if out.is_unread and out.passed is not None:
        seen = _last_seen(reach)
        out.runs_late = seen is not None and seen < out.passed
    out.verdict = _overall(past, out)
    out.outages = _outages(reach, past, out)
    if past.has_new_file and asked.end > past.now:
        since = "no daemon has read the job yet" if out.is_unread else _CHANGED
        out.remarks.append(f"{since}; this is by the file")
    return out


def last_slot(past: Past, moment: Instant) -> SlotAnswer | None:
    """The job's last slot at or before a moment; without any, the last run that was there by then."""
    slot = _before(past, moment + 1)
    if slot is not None or past.store is None:
        return slot
    rows = past.store.runs(RunFilter(job=past.name, until=moment + 1), limit=1)
    return about(past, rows[0]) if rows else None


def _overall(past: Past, out: Answer) -> Verdict:
    if out.slots:
        return out.slots[-1].verdict
    if out.runs:
        return verdict_of(out.runs[-1].run)
    if out.span is None:
        return Verdict.UNKNOWN if past.spans and out.asked.end - 1 <= past.spans[0].since else Verdict.NOT_DUE
    if out.span.definition is None:
        return Verdict.REMOVED
    if out.definition is not None and not out.definition.enabled:
        return Verdict.DISABLED
    return Verdict.NOT_DUE


def _passed(past: Past, out: Answer) -> Instant | None:
    job = past.job if out.is_unread else out.definition
    if job is None:
        return None
    since = past.now if out.span is None else out.span.since
    moments = [
        schedule.when.moment
        for schedule in job.schedules
        if isinstance(schedule.when, At)
        and schedule.when.moment <= since
        and not _slots(past, schedule.when.moment, schedule.when.moment + 1)[1]
    ]
    return max(moments, default=None)


def _slots(past: Past, first: Instant, end: Instant) -> tuple[list[SlotAnswer], int]:
    due, count = past.slots.within(first, end, MOST_SLOTS)
    found: list[SlotAnswer] = []
    for slot in due:
        rows = past.store.slot(past.name, slot.schedule.key, slot.at) if past.store else []
        found += [about(past, row, slot.at) for row in sorted(rows, key=lambda row: row.run.id)]
        if not rows:
            found.append(_without_row(past, slot))
    named = {answer.row.run.id for answer in found if answer.row is not None}
    for key in past.schedule_keys if past.store else ():
        assert past.store is not None
        for row in past.store.slots(past.name, key, first, end, MOST_SLOTS):
            if row.run.id not in named:
                found.append(about(past, row))
                count += 1
    return sorted(found, key=lambda answer: answer.at or 0), max(count, len(found))


def about(past: Past, row: RunRow, at: Instant | None = None) -> SlotAnswer:
    """What a row says; `at` is the slot of a stretch that is meant."""
    run, slot = row.run, row.run.slot
    moment = at if at is not None else slot.scheduled_at if slot is not None else None
    verdict, late, way, pause = verdict_of(run), None, None, None
    assert past.store is not None
    if moment is not None and row.started_at is not None:
        begun = row.started_at
        if run.attempt > 1:
            first = past.store.attempts(run.id)[:1]
            begun = first[0].started_at or begun if first else begun
        late = max(begun - moment, 0)
    status = run.status
    if isinstance(status, Done) and status.cause is Cause.OVERLAP:
        number = run_in_the_way(status.detail)
        way = past.store.run(number) if number is not None else None
    if isinstance(status, Done) and status.cause is Cause.PAUSED:
        pause = _pause_at(past, run.created_at)
    version = past.versions.get(run.definition_id)
    return SlotAnswer(
        slot.schedule if slot else None,
        moment,
        verdict,
        row,
        late,
        way,
        pause,
        digest=version.digest if version is not None else None,
    )


def _without_row(past: Past, slot: DueSlot) -> SlotAnswer:
    anchor, decided_until = past.cursor(slot.schedule.key)
    pause = _pause_at(past, past.now)
    verdict = verdict_without_row(
        slot, now=past.now, decided_until=decided_until, is_paused=pause is not None and pause.kind == "job"
    )
    decision = None
    if verdict is Verdict.UNDECIDED and decided_until is not None:
        stretch = undecided(slot, decided_until, anchor or 0, past.now)
        words = "paused" if pause is not None and pause.kind == "job" else None
        decision = foretell(slot.job, slot, stretch, past.now, words) if stretch is not None else None
    about_pause = pause if verdict is Verdict.PAUSED else None
    return SlotAnswer(
        slot.schedule.key,
        slot.at,
        verdict,
        pause=about_pause,
        decision=decision,
    )


def _before(past: Past, moment: Instant) -> SlotAnswer | None:
    due = past.slots.before(moment)
    rows = (
        [past.store.slot_before(past.name, key, moment) for key in past.schedule_keys] if past.store else []
    )
    latest = max((row for row in rows if row is not None), key=lambda row: _end(row, moment), default=None)
    if due is not None and (latest is None or due.at > _end(latest, moment)):
        found = past.store.slot(past.name, due.schedule.key, due.at) if past.store else []
        return about(past, found[0], due.at) if found else _without_row(past, due)
    return about(past, latest, _end(latest, moment)) if latest is not None else None


def _end(row: RunRow, moment: Instant) -> Instant:
    """The slot of a row, or the last of a stretch that lies before the moment."""
    slot = row.run.slot
    assert slot is not None
    return slot.last if slot.last is not None and slot.last < moment else slot.scheduled_at


def _after(past: Past, moment: Instant) -> SlotAnswer | None:
    due = past.slots.after(moment)
    rows = [past.store.slot_from(past.name, key, moment) for key in past.schedule_keys] if past.store else []
    known = [row for row in rows if row is not None and row.run.slot is not None]
    first = min(known, key=lambda row: row.run.slot.scheduled_at if row.run.slot else 0, default=None)
    if due is not None:
        found = past.store.slot(past.name, due.schedule.key, due.at) if past.store else []
        if found:
            return about(past, found[0], due.at)
        if first is None or first.run.slot is None or due.at < first.run.slot.scheduled_at:
            return _without_row(past, due)
    return about(past, first) if first is not None else None


def _runs_at(past: Past, asked: Asked) -> list[RunRow]:
    """The runs of that time, but for slots that were skipped then: those belong to their own moments."""
    if past.store is None:
        return []
    rows = past.store.runs_at(past.name, asked.first, min(asked.end, past.now + 1))
    rows += [
        row
        for row in past.store.live_runs()
        if row.run.job == past.name
        and isinstance(row.run.status, Delayed)
        and asked.first <= row.run.status.until < asked.end
        and row.run.id not in {other.run.id for other in rows}
    ]
    return [row for row in rows if verdict_of(row.run) is not Verdict.SKIPPED]


def _pause_at(past: Past, moment: Instant) -> Paused | None:
    """The pause of the job, else of its queue, at a moment; of the future: the one that holds now."""
    if past.store is None:
        return None
    job = past.job
    queue = job.queue if job is not None else None
    events = past.store.events(("paused", "resumed"))
    for kind, name in (("job", past.name), ("queue", queue)):
        held = next((p for p in past.store.pauses() if (p.kind, p.name) == (kind, name)), None)
        if held is not None and held.at <= moment:
            return held
        then = [e for e in events if e.at <= moment and _is_about(e, kind, name)]
        if then and then[-1].kind == "paused" and moment <= past.now:
            words = {key: str(then[-1].detail.get(key) or "") for key in ("by", "reason")}
            resumed = [
                e for e in events if e.kind == "resumed" and e.at > moment and _is_about(e, kind, name)
            ]
            if resumed or held is not None:
                return Paused(kind, str(name), then[-1].at, words["by"], words["reason"])
    return None


def _is_about(event: HostEvent, kind: str, name: str | None) -> bool:
    return (event.detail.get("kind"), event.detail.get("name")) == (kind, name)


def _last_seen(reach: Reach) -> Instant | None:
    from jobrun.proc.host import last_touch

    return last_touch(reach.places.lock)


def _outages(reach: Reach, past: Past, out: Answer) -> list[Outage]:
    """The outages that have to do with the slots asked about: from their moments to their decision."""
    if past.store is None:
        return []
    first, last = out.asked.first, out.asked.end - 1
    for slot in out.slots:
        if slot.row is not None and slot.verdict is not Verdict.RUNNING:
            last = max(last, slot.row.run.created_at)
    last = min(last, max(past.now, first))
    events = past.store.events_around(first, last + 1, KINDS)
    found = outages(events, down_since=_last_seen(reach) if past.is_down else None)
    is_future = first > past.now
    return [o for o in found if o.meets(first, last) and not (is_future and o.until is not None)]
