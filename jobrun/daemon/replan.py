"""Taking over a new plan: definitions, schedules, queues; scheduling never pauses.

Only what changed is touched: a kept schedule keeps its anchor and its cursor,
one that means other moments than before begins at the moment it is read,
running jobs run on under the definition they started with, and runs of a
removed job that have no process end as cancelled (cause removed).
"""

from collections.abc import Callable, Mapping
from typing import Any

from jobrun.daemon import moves
from jobrun.daemon.batch import Batch
from jobrun.daemon.book import Book, Cursor, ScheduleId
from jobrun.daemon.due import Dues
from jobrun.domain.definition import decode
from jobrun.domain.events import StopRequested
from jobrun.domain.instants import SECOND, Instant, to_iso
from jobrun.domain.job import After, At, Every, Job, Plan, PythonCall, Reboot, Schedule, is_warm
from jobrun.domain.ledger import (
    JobListed,
    JobUnlisted,
    MetaSet,
    PoolListed,
    PoolUnlisted,
    QueueListed,
    QueueUnlisted,
    ScheduleGone,
    ScheduleSeen,
)
from jobrun.domain.records import HostEvent
from jobrun.domain.reload import PlanChange, plan_reload
from jobrun.domain.run import Cause
from jobrun.domain.schedules import names_same_slots


def take_over(
    book: Book,
    batch: Batch,
    dues: Dues,
    plan: Plan,
    *,
    first: bool,
    boot_id: str | None,
    last_seen: Instant | None,
    draw: float,
) -> None:
    """Make `plan` the plan. `boot_id` and `last_seen` are those of `PlanRead`."""
    change = plan_reload(book.plan, plan)
    before, old = dict(book.listed), book.plan
    for name in () if first else change.removed:
        _remove(book, batch, name)
    book.set_value("plan", plan)
    _list_queues(book, batch, plan, change, first=first)
    listed = plan.jobs if first else (*change.added, *(item.job for item in change.changed))
    for name in listed:
        _list_job(book, batch, plan, plan.jobs[name])
    if first:
        _unlist_strangers(book, batch)
    was = _left_by_the_last_daemon(book, before) if first else old.jobs.get
    _sync_schedules(book, batch, dues, was, batch.now if last_seen is None else min(last_seen, batch.now))
    book.set_value("planned_before", {})
    if boot_id is not None:
        _note_boot(book, batch, dues, boot_id, draw)
    versions = _new_versions(before, book.listed)
    if not first:
        batch.facts.append(HostEvent(batch.now, "reloaded", {**_summary(change), "versions": versions}))
        batch.note("daemon.reloaded", **_summary(change))
    elif versions:
        batch.facts.append(HostEvent(batch.now, "planned", {"versions": versions}))
    changed = {item.job for item in change.changed}
    batch.rearm.update(where for where in book.cursors if first or where[0] in changed)


def describe_change(book: Book, dues: Dues, plan: Plan, now: int) -> dict[str, Any]:
    """What taking over `plan` would change, with the effect on the next runs, as the socket tells it."""
    change = plan_reload(book.plan, plan)
    preview = Book()
    preview.plan = plan
    preview.ended = book.ended
    for job in plan.jobs.values():
        for schedule in job.schedules:
            where = (job.name, schedule.key)
            begun = _begin(book, where, schedule, _find(book.plan.jobs.get(job.name), schedule.key), now)
            preview.cursors[where] = begun or book.cursors[where]
    ahead = Dues(preview, "")

    def next_of(source: Dues, jobs: Plan, name: str) -> str | None:
        job = jobs.jobs[name]
        moments = [source.next_at((name, schedule.key), now) for schedule in job.schedules]
        known = [moment for moment in moments if moment is not None]
        return to_iso(min(known)) if known else None

    return {
        "added": [{"job": name, "next": next_of(ahead, plan, name)} for name in change.added],
        "changed": [
            {
                "job": item.job,
                "fields": list(item.fields),
                "next_before": next_of(dues, book.plan, item.job),
                "next_after": next_of(ahead, plan, item.job),
            }
            for item in change.changed
        ],
        "removed": [{"job": name, "next": next_of(dues, book.plan, name)} for name in change.removed],
        "kept": len(change.kept),
        "queues": list(change.queues),
        "pools": list(change.pools),
        "settings": list(change.settings),
    }


def _begin(
    book: Book, where: ScheduleId, schedule: Schedule, before: Schedule | None, now: Instant
) -> Cursor | None:
    """Where a schedule begins that is new, or was `before` and had other slots; None: it goes on.

    What came due before was decided by the one that it came due under. An
    interval keeps its beat as long as its period is the same.
    """
    cursor = book.cursors.get(where)
    if cursor is not None and (before is None or names_same_slots(before, schedule)):
        return None
    keeps_beat = before is not None and isinstance(schedule.when, Every) and before.when == schedule.when
    anchor = cursor.anchor if cursor is not None and keeps_beat else now - now % SECOND
    return Cursor(anchor, now)


def _find(job: Job | None, key: str) -> Schedule | None:
    return next((one for one in job.schedules if one.key == key), None) if job is not None else None


def _left_by_the_last_daemon(book: Book, before: Mapping[str, int]) -> Callable[[str], Job | None]:
    """The jobs as the last daemon had them; those that did not change are as they are now."""

    def find(name: str) -> Job | None:
        if before.get(name) == book.listed.get(name):
            return book.plan.jobs.get(name)
        text = book.planned_before.get(name)
        return decode(text) if text is not None else None

    return find


def _list_job(book: Book, batch: Batch, plan: Plan, job: Job) -> None:
    definition = moves.define(book, batch, job)
    book.set(book.listed, job.name, definition)
    source = plan.sources.get(job.name)
    where = f"{source.file}:{source.line}" if source else ""
    batch.facts.append(JobListed(job.name, definition, where, job.enabled))


def _list_queues(book: Book, batch: Batch, plan: Plan, change: PlanChange, *, first: bool) -> None:
    named = {"default"} | plan.queues.keys() | {job.queue for job in plan.jobs.values()}
    for name in sorted(named):
        batch.facts.append(QueueListed(name, plan.queue(name).concurrency))
    if not first:
        batch.facts.extend(QueueUnlisted(name) for name in change.queues if name not in named)
    used = {job.body.pool for job in plan.jobs.values() if isinstance(job.body, PythonCall) and is_warm(job)}
    pools = used | plan.pools.keys()
    for name in sorted(pools):
        pool = plan.pool(name)
        batch.facts.append(PoolListed(name, pool.min, pool.max))
    if not first:
        batch.facts.extend(PoolUnlisted(name) for name in change.pools if name not in pools)


def _remove(book: Book, batch: Batch, name: str) -> None:
    batch.facts.append(JobUnlisted(name))
    book.set(book.listed, name, None)
    for run in book.live_of(name):
        if not run.has_process:
            event = StopRequested(batch.now, Cause.REMOVED, detail="the job was removed from the job file")
            moves.move(book, batch, run, event)


def _unlist_strangers(book: Book, batch: Batch) -> None:
    """Jobs that the store lists and the plan at start does not have: removed while no daemon ran.

    A job that the last daemon's plan did not have either was removed before: what lives of it was asked for
    since (`retry`), or was at work then, and goes on as if no daemon had died.
    """
    known = {job for job, _ in book.cursors} | book.planned_before.keys()
    for name in sorted(known - book.plan.jobs.keys()):
        _remove(book, batch, name)


def _sync_schedules(
    book: Book, batch: Batch, dues: Dues, was: Callable[[str], Job | None], unwatched: Instant
) -> None:
    """A cursor for every schedule; `was` gives the jobs of the plan before. No daemon has looked at the plan
    since `unwatched`."""
    wanted: dict[ScheduleId, Schedule] = {
        (job.name, schedule.key): schedule
        for job in book.plan.jobs.values()
        if job.enabled
        for schedule in job.schedules
    }
    for where in [where for where in book.cursors if where not in wanted]:
        book.set(book.cursors, where, None)
        batch.facts.append(ScheduleGone(*where))
        batch.disarm.add(where)
    for where, schedule in wanted.items():
        cursor = _begin(book, where, schedule, _find(was(where[0]), where[1]), batch.now)
        if cursor is not None:
            if isinstance(schedule.when, At):
                # Written while no daemon lived; its moment, if it came since, was missed like any other.
                cursor = Cursor(cursor.anchor, unwatched)
            if isinstance(schedule.when, After):
                moves.note_ended(book, batch, where[0], batch.now)
            book.set(book.cursors, where, cursor)
            dues.pass_rows_ahead(batch, where)
            next_at = dues.next_at(where, batch.now)
            batch.facts.append(ScheduleSeen(*where, cursor.anchor, cursor.decided_until, next_at))
            batch.rearm.add(where)


def _note_boot(book: Book, batch: Batch, dues: Dues, boot_id: str, draw: float) -> None:
    batch.facts.append(MetaSet("boot_id", boot_id))
    for job in book.plan.jobs.values():
        for schedule in job.schedules:
            if job.enabled and isinstance(schedule.when, Reboot):
                dues.decide_reboot(batch, job, schedule, draw)


def _new_versions(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, list[int | None]]:
    """By job: its definition in force before and after; None where it is not in the plan.

    `domain/timeline` reads from this which definition was in force at a moment.
    """
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _summary(change: PlanChange) -> dict[str, Any]:
    return {
        "added": list(change.added),
        "changed": [item.job for item in change.changed],
        "removed": list(change.removed),
        "kept": len(change.kept),
    }
