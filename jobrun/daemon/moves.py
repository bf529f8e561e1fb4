"""Creating runs and moving them: the only code that calls the state machine."""

from collections.abc import Container
from typing import Any

from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book
from jobrun.daemon.inbox import Happened
from jobrun.domain.definition import digest, encode
from jobrun.domain.events import (
    Admitted,
    HardLimit,
    MemoryExceeded,
    RunEvent,
    SoftLimit,
    StopRequested,
    TooManyProcesses,
    WakeAt,
)
from jobrun.domain.instants import Instant, to_iso
from jobrun.domain.job import Job
from jobrun.domain.ledger import MetaSet, RunCreated, RunMoved
from jobrun.domain.lifecycle import step
from jobrun.domain.overlap import (
    ReplaceRuns,
    SkipSlot,
    decide_overlap,
    is_for_later,
    looks_back,
    may_run_beside,
)
from jobrun.domain.records import DefinitionSeen
from jobrun.domain.run import (
    Cause,
    Delayed,
    DelayReason,
    Done,
    Outcome,
    Queued,
    Run,
    Slot,
    Starting,
    Status,
    Trigger,
)
from jobrun.domain.slots import deadline_sentence

# A wish that meets a run between intent and process waits for the process.
_WAITS_FOR_PROCESS = (StopRequested, HardLimit, SoftLimit, MemoryExceeded, TooManyProcesses)


def apply(book: Book, batch: Batch, message: Happened) -> None:
    """Apply an event to its run; one about an attempt that is over is refused by its fence."""
    run = book.runs.get(message.run_id)
    if run is None or (message.fence is not None and message.fence.attempt != run.attempt):
        batch.note("event.stale", run=message.run_id, kind=type(message.event).__name__)
        return
    if isinstance(run.status, Starting) and isinstance(message.event, _WAITS_FOR_PROCESS):
        if isinstance(message.event, StopRequested):
            move(book, batch, run, message.event)
        batch.defer(run.id, message)
        return
    move(book, batch, run, message.event)
    batch.facts.extend(message.outputs)


def move(book: Book, batch: Batch, run: Run, event: RunEvent) -> Run:
    """One transition: its facts and effects go into the batch."""
    done = step(run, event, book.job_of(run))
    after = done.after
    if after is not run:
        batch.facts.append(RunMoved(run, after, done.began))
        batch.facts += done.facts
        book.put(after)
        _log_move(batch, run, after)
    batch.effects.extend(done.effects)
    if is_for_later(run) and isinstance(after.status, Queued):
        _make_way(book, batch, after)
    if isinstance(after.status, Done):
        _finished(book, batch, after)
    return after


def _make_way(book: Book, batch: Batch, run: Run) -> None:
    """The moment that somebody asked for has come: under `replace` the run takes its place now."""
    others = [other for other in book.live_of(run.job) if other.id != run.id]
    decision = decide_overlap(book.job_of(run).overlap, others)
    if isinstance(decision, ReplaceRuns):
        for other in decision.runs:
            supersede(book, batch, other, run.id)


def create(
    book: Book,
    batch: Batch,
    job: Job,
    *,
    trigger: Trigger,
    slot: Slot | None = None,
    start_at: Instant | None = None,
    delay: DelayReason = DelayReason.REQUESTED,
    priority: int = 0,
    retry_of: int | None = None,
    by: str = "",
    data: str | None = None,
    resume_from: str | None = None,
) -> Run:
    """A new run that starts at `start_at` (None or past: now), unless the overlap rule says otherwise.

    The rule is about slots and about wishes for now. A retry and a run for a later moment wait for their
    turn instead: nothing else would do their work.
    """
    is_later = start_at is not None and start_at > batch.now
    waits = trigger is Trigger.RETRY or (is_later and delay is DelayReason.REQUESTED)
    unfinished = () if waits or not looks_back(job.overlap) else book.live_of(job.name)
    decision = decide_overlap(job.overlap, unfinished)
    if isinstance(decision, SkipSlot):
        status: Done | Queued | Delayed = Done(Outcome.SKIPPED, Cause.OVERLAP, batch.now, decision.detail)
    elif start_at is not None and is_later:
        status = Delayed(start_at, delay)
    else:
        status = Queued(batch.now)
    run = _new(
        book,
        batch,
        job,
        trigger,
        slot=slot,
        status=status,
        priority=priority,
        retry_of=retry_of,
        requested_by=by,
        data=data,
        resume_from=resume_from,
    )
    if isinstance(decision, ReplaceRuns):
        for other in decision.runs:
            supersede(book, batch, other, run.id)
    record(book, batch, run)
    if isinstance(status, Delayed):
        batch.effects.append(WakeAt(run.id, status.until))
    return run


def record_skipped(
    book: Book, batch: Batch, job: Job, *, trigger: Trigger, slot: Slot, cause: Cause, detail: str
) -> Run:
    """The row of a slot that does not run."""
    status = Done(Outcome.SKIPPED, cause, batch.now, detail)
    run = _new(book, batch, job, trigger, slot=slot, status=status)
    record(book, batch, run)
    return run


def _new(
    book: Book, batch: Batch, job: Job, trigger: Trigger, *, slot: Slot | None, status: Status, **more: Any
) -> Run:
    return Run(
        id=book.next_run_id(),
        job=job.name,
        queue=job.queue,
        definition_id=define(book, batch, job),
        trigger=trigger,
        status=status,
        created_at=batch.now,
        slot=slot,
        max_attempts=job.retry.attempts,
        **more,
    )


def record(book: Book, batch: Batch, run: Run) -> None:
    """Put a new run into the book and its row into the batch."""
    book.put(run)
    batch.facts.append(RunCreated(run))
    if isinstance(run.status, Done):
        batch.note("run.skipped", run=run.id, job=run.job, cause=run.status.cause, why=run.status.detail)
        batch.finished.append(run)


def supersede(book: Book, batch: Batch, run_id: int, newer: int) -> None:
    """End an unfinished run because a newer one takes its place."""
    run = book.runs.get(run_id)
    if run is None:
        return
    event = StopRequested(batch.now, Cause.SUPERSEDED, detail=f"run {newer} takes its place")
    apply(book, batch, Happened(run.id, event, run.fence))


def define(book: Book, batch: Batch, job: Job) -> int:
    """The id of this version of the job's definition; a new version gets its row."""
    found = book.definition_of(job)
    if found is not None:
        return found
    text = encode(job)
    key = (job.name, digest(text))
    known = book.definitions.get(key)
    if known is None:
        book.set_value("last_definition_id", book.last_definition_id + 1)
        known = book.last_definition_id
        book.set(book.definitions, key, known)
        batch.facts.append(DefinitionSeen(known, job.name, key[1], text, batch.now))
    if known not in book.jobs_by_definition:
        book.set(book.jobs_by_definition, known, job)
    book.set(book.defined, job.name, (job, known))
    return known


def admit(book: Book, batch: Batch, wished_gone: Container[int] = ()) -> None:
    """Start waiting runs while their queues have places and their jobs allow it."""
    spared: list[Run] = []
    for queue in list(book.queues_waiting()):
        if ("queue", queue) in book.pauses:
            continue
        limit = book.plan.queue(queue).concurrency
        while limit is None or book.busy_in(queue) < limit:
            run = book.pop_waiting(queue)
            if run is None:
                break
            job = book.job_of(run)
            if run.id in wished_gone:
                spared.append(run)
            elif not may_run_beside(job.overlap) and book.has_process_of(run.job):
                book.park(run)
            elif (late := _too_late(run, job, batch.now)) is not None:
                move(book, batch, run, StopRequested(batch.now, Cause.DEADLINE, detail=late))
            else:
                move(book, batch, run, Admitted(batch.now))
    for run in spared:
        book.push_back(run)


def _too_late(run: Run, job: Job, now: Instant) -> str | None:
    if job.deadline is None or run.slot is None or run.attempt:
        return None
    if now - run.slot.scheduled_at <= job.deadline:
        return None
    return deadline_sentence(job, run.slot.scheduled_at, now)


def note_ended(book: Book, batch: Batch, job: str, at: Instant) -> None:
    """From when a pause after the job's last run counts. Durable where it matters: rows cannot tell which run
    ended last, for the clock may have been set between two ends."""
    book.set(book.ended, job, at)
    if book.has_after(job):
        batch.facts.append(MetaSet(f"ended:{job}", str(at)))


def _finished(book: Book, batch: Batch, run: Run) -> None:
    batch.finished.append(run)
    if run.attempt:
        note_ended(book, batch, run.job, batch.now)
    batch.rearm.update((run.job, key) for key in book.has_after(run.job))


def _log_move(batch: Batch, before: Run, after: Run) -> None:
    status = after.status
    if isinstance(status, Done):
        batch.note(
            "run.done",
            run=after.id,
            job=after.job,
            outcome=status.outcome,
            cause=status.cause,
            detail=status.detail,
            attempt=after.attempt,
        )
    elif isinstance(status, Delayed) and before.has_process:
        batch.note(
            "run.retrying", run=after.id, job=after.job, attempt=after.attempt, at=to_iso(status.until)
        )
    else:
        batch.note(f"run.{after.state}", run=after.id, job=after.job, attempt=after.attempt)
