"""Everything that is known of one job over its whole time, for `why` and `history --versions`.

From the store; and for what is to come, with no daemon running, from the job
file, which the next one will go by.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jobrun.cli.known import KnownJob, known_jobs, unknown_job
from jobrun.cli.reach import Reach
from jobrun.domain.definition import decode
from jobrun.domain.errors import DaemonUnreachable
from jobrun.domain.instants import Instant
from jobrun.domain.job import Every, Job, Schedule
from jobrun.domain.timeline import PLAN_EVENTS, Span, redefinitions, spans_of
from jobrun.domain.why import Slots, phase_anchor
from jobrun.store.lookback import Lookback
from jobrun.store.views import JobRow, RunRow, VersionRow

_FILE = -1  # stands for the definition in the job file that no daemon has read yet


class Past:
    """What is known of one job over its whole time. Raises NotFound for a job that was never here."""

    def __init__(self, reach: Reach, name: str, now: Instant) -> None:
        self.name, self.now, self._reach = name, now, reach
        self.daemon, self.is_down = _daemon(reach)
        self.store = Lookback(reach.places.database) if reach.has_store else None
        self.listed: JobRow | None = self.store.job(name) if self.store else None
        self.versions: dict[int, VersionRow] = {}
        self.spans: list[Span] = []
        self.known = self._known()
        if self.store is not None:
            self.versions = {row.id: row for row in self.store.versions(name)}
            changes = redefinitions(name, self.store.events(PLAN_EVENTS))
            first_seen = {row.id: row.seen_at for row in self.versions.values()}
            self.spans = spans_of(changes, first_seen, self.listed.definition_id if self.listed else None)
        self.jobs = {row.id: decode(row.body) for row in self.versions.values()}
        self.has_new_file = self._add_file()
        if not self.jobs and (self.store is None or self.store.last_run(name) is None):
            raise unknown_job(name, self._names())
        self.slots = Slots(self.spans, self.jobs, self._anchor)

    @property
    def job(self) -> Job | None:
        """The job as it is now, else as it was last."""
        if self.known is not None:
            return self.known.job
        last = max(self.jobs, default=None)
        return self.jobs[last] if last is not None else None

    @property
    def zone_name(self) -> str | None:
        """The job's zone: that of its first schedule."""
        job = self.job
        return job.schedules[0].timezone if job is not None and job.schedules else None

    @property
    def schedule_keys(self) -> list[str]:
        """The keys of all schedules that the job has or had."""
        return list(dict.fromkeys(s.key for job in self.jobs.values() for s in job.schedules))

    def _names(self) -> Iterable[str]:
        return {
            *(self.store.job_names() if self.store else ()),
            *(k.job.name for k in known_jobs(self._reach)),
        }

    def _known(self) -> KnownJob | None:
        """The job as the daemon goes by it; with none, as the next one will."""
        if not self.is_down and self.listed is not None:
            row = self.listed
            return KnownJob(decode(row.body), row.source, row.digest, row.paused, row.last, row.schedules)
        return next((known for known in known_jobs(self._reach) if known.job.name == self.name), None)

    def _add_file(self) -> bool:
        """With no daemon, the job file holds for the time to come; whether it says something new."""
        if not self.is_down:
            return False
        listed = self.listed.digest if self.listed is not None else None
        if (self.known.digest if self.known is not None else None) == listed:
            return False
        if self.spans and self.spans[-1].until is None:
            last = self.spans.pop()
            if last.since < self.now:
                self.spans.append(replace(last, until=self.now))
        if self.known is not None:
            self.jobs[_FILE] = self.known.job
        if self.known is not None or self.spans:
            self.spans.append(Span(self.now, None, _FILE if self.known is not None else None))
        return True

    def _anchor(self, schedule: Schedule, moment: Instant) -> Instant | None:
        """From its rows, which tell the truth about that time; else the one in force now.

        One that only the job file has will count from the next daemon's start: told as if that were now.
        """
        assert isinstance(schedule.when, Every)
        if self.store is not None:
            for row in (
                self.store.slot_before(self.name, schedule.key, moment + 1),
                self.store.slot_from(self.name, schedule.key, moment),
            ):
                if row is not None and row.run.slot is not None and self._when(row) == schedule.when:
                    return phase_anchor(schedule.when.period, row.run.slot.scheduled_at, moment)
        anchor = self.cursor(schedule.key)[0]
        is_new = anchor is None and _FILE in self.jobs and schedule in self.jobs[_FILE].schedules
        return self.now if is_new and moment >= self.now else anchor

    def _when(self, row: RunRow) -> object:
        job, slot = self.jobs.get(row.run.definition_id), row.run.slot
        found = [s.when for s in job.schedules if slot and s.key == slot.schedule] if job is not None else []
        return found[0] if found else None

    def cursor(self, key: str) -> tuple[Instant | None, Instant | None]:
        """The anchor of a schedule of the plan, and up to where its slots are decided."""
        for row in self.listed.schedules if self.listed is not None else ():
            if row.schedule == key:
                return row.anchor, row.decided_until
        return None, None


def _daemon(reach: Reach) -> tuple[dict[str, Any] | None, bool]:
    """The daemon's word, and whether there is none; one that cannot be heard just now counts as there."""
    try:
        word = reach.ping()
    except DaemonUnreachable:
        return None, False
    return word, word is None
