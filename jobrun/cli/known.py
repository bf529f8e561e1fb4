"""The jobs that are known here: from the store while a daemon runs, else from the job file.

What a running daemon goes by is in the store. With the daemon down the job
file is what its next start will go by, and the store adds what it remembers;
a file that is missing or invalid leaves the store alone. An invalid file and
nothing in the store is an error: there is nothing to tell.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from jobrun.cli.output import remark
from jobrun.cli.reach import Reach
from jobrun.domain.definition import decode, digest, encode
from jobrun.domain.errors import DaemonUnreachable, NotFound
from jobrun.domain.instants import Instant
from jobrun.domain.job import Job, Schedule
from jobrun.domain.records import Paused
from jobrun.store.views import JobRow, RunRow, ScheduleRow


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job as it is defined, with what the store remembers of it."""

    job: Job
    source: str
    digest: str
    paused: Paused | None = None
    last: RunRow | None = None
    schedules: tuple[ScheduleRow, ...] = ()

    def next_of(self, schedule: Schedule, moment: Instant) -> Instant | None:
        """The schedule's next slot: as the daemon stored it if that is still to come, else computed."""
        row = self._row(schedule)
        if row is not None and row.next_at is not None and row.next_at > moment:
            return row.next_at
        return next(iter(self.upcoming(schedule, moment, 1)), None)

    def next_at(self, moment: Instant) -> Instant | None:
        """The next slot of any schedule; None for a disabled job."""
        if not self.job.enabled:
            return None
        dates = (self.next_of(schedule, moment) for schedule in self.job.schedules)
        return min((date for date in dates if date is not None), default=None)

    def upcoming(self, schedule: Schedule, moment: Instant, count: int) -> list[Instant]:
        """The next slots after `moment`, by the functions that the daemon fires by."""
        from jobrun.domain.schedules import next_slot

        row = self._row(schedule)
        anchor = row.anchor if row is not None else moment
        last_end = self.last.ended_at if self.last is not None else None
        dates: list[Instant] = []
        after = moment
        while len(dates) < count:
            date = next_slot(schedule, after, anchor=anchor, last_end=last_end)
            if date is None:
                break
            dates.append(date)
            after = date
        return dates

    def unread_row(self, moment: Instant) -> JobRow:
        """What a row of the store would say of a job that only the file has."""
        name = self.job.name
        schedules = tuple(
            ScheduleRow(
                name, item.key, moment, moment, self.next_of(item, moment) if self.job.enabled else None
            )
            for item in self.job.schedules
        )
        body = encode(self.job)
        return JobRow(name, self.source, self.job.enabled, 0, self.digest, body, None, schedules, None)

    def _row(self, schedule: Schedule) -> ScheduleRow | None:
        return next((row for row in self.schedules if row.schedule == schedule.key), None)


def known_jobs(reach: Reach) -> list[KnownJob]:
    """Every job, by name. Raises JobFileInvalid if there is only a file, and it has problems."""
    rows = {row.name: row for row in reach.history.jobs()} if reach.has_store else {}
    if not _has_daemon(reach):
        from_file = _from_file(reach, rows)
        if from_file is not None:
            return from_file
    return [_from_row(row) for row in rows.values()]


def _has_daemon(reach: Reach) -> bool:
    """Whether a daemon runs here; one that cannot be heard just now counts."""
    try:
        return reach.ping() is not None
    except DaemonUnreachable:
        return True


def known_job(reach: Reach, name: str) -> KnownJob:
    """One job. Raises NotFound with a suggestion."""
    jobs = known_jobs(reach)
    for known in jobs:
        if known.job.name == name:
            return known
    raise unknown_job(name, (known.job.name for known in jobs))


def unread_job(reach: Reach, name: str) -> KnownJob:
    """A job that the store has never heard of, as the job file has it while no daemon runs.

    Raises NotFound with a suggestion.
    """
    known = known_jobs(reach)
    found = next((item for item in known if item.job.name == name), None)
    if found is None:
        ever = reach.history.job_names() if reach.has_store else []
        raise unknown_job(name, {*ever, *(item.job.name for item in known)})
    return found


def unknown_job(name: str, names: Iterable[str]) -> NotFound:
    """The error for a job that is not there."""
    close = difflib.get_close_matches(name, list(names), n=1)
    hint = f'Did you mean "{close[0]}"?' if close else "`jobrun list` names every job."
    return NotFound(f'There is no job "{name}".', hint)


def _from_row(row: JobRow) -> KnownJob:
    return KnownJob(decode(row.body), row.source, row.digest, row.paused, row.last, row.schedules)


def _from_file(reach: Reach, rows: dict[str, JobRow]) -> list[KnownJob] | None:
    """The jobs of the file, with the store's memory; None if the file cannot be read as a whole."""
    from jobrun.conf.problems import told
    from jobrun.conf.read import check_job_file, invalid

    if not reach.places.config.exists():
        return None if rows else []
    job_file, problems = check_job_file(reach.places.config)
    if job_file is None or problems:
        if not rows:
            raise invalid(reach.places.config, problems)
        whose = told(str(reach.places.config), problems)
        remark(f"{whose} (see `jobrun check`); this is what the daemon read last.")
        return None
    out = []
    for name, job in sorted(job_file.plan.jobs.items()):
        row = rows.get(name)
        source = job_file.plan.sources.get(name)
        place = f"{source.file}:{source.line}" if source is not None else ""
        memory = (row.paused, row.last, row.schedules) if row is not None else (None, None, ())
        out.append(KnownJob(job, place, digest(encode(job)), *memory))
    return out
