"""What `status` shows: read in one go, then told as blocks or as JSON."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Self

from jobrun.cli.cells import Look, history_table, live_table, outcome_cell, why
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Block, Cell, Facts, Table
from jobrun.cli.shapes import count_states, daemon_shape, job_state_shape, queue_shape, run_shape
from jobrun.domain.errors import DaemonUnreachable
from jobrun.domain.instants import Instant, from_datetime
from jobrun.domain.run import Done, Outcome
from jobrun.store.views import JobRow, QueueRow, RunFilter, RunRow

if TYPE_CHECKING:
    from jobrun.domain.report import Progress

_PROBLEMS = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
_RECENT = 5
_MOST_WAITING = 50


class Overview:
    """The state of the daemon and the store at one moment; `job` is set if it is about one job."""

    def __init__(
        self,
        at: Instant,
        daemon: dict[str, Any] | None,
        trouble: str,
        *,
        live: Sequence[RunRow] = (),
        jobs: Sequence[JobRow] = (),
        queues: Sequence[QueueRow] = (),
        job: str | None = None,
        recent: Sequence[RunRow] = (),
        stages: "Mapping[int, Progress] | None" = None,
        is_unread: bool = False,
    ) -> None:
        self.at = at
        self.daemon = daemon
        self.trouble = trouble
        self.live = live
        self.jobs = jobs
        self.queues = queues
        self.job = job
        self.recent = recent
        self.stages: Mapping[int, Progress] = stages or {}
        self.is_unread = is_unread

    @classmethod
    def read(cls, reach: Reach, job: str | None = None) -> Self:
        """Ask the daemon about itself and the store about the rest. Raises NotFound for an unknown job."""
        trouble = ""
        try:
            daemon = reach.ping()
        except DaemonUnreachable as error:
            daemon, trouble = None, error.sentence
        at = now()
        if not reach.has_store:
            if job is not None:
                return cls(at, daemon, trouble, jobs=[_unread(reach, job, at)], job=job, is_unread=True)
            return cls(at, daemon, trouble)
        history = reach.history
        live = history.live_runs()
        if job is None:
            jobs = sorted(history.jobs(), key=_urgency)
            stages = _stages(reach, live)
            return cls(at, daemon, trouble, live=live, jobs=jobs, queues=history.queues(), stages=stages)
        row = history.job(job)
        recent = tuple(history.runs(RunFilter(job=job, state="done"), limit=_RECENT))
        mine = [run for run in live if run.run.job == job]
        if row is None and not recent and not mine:
            return cls(at, daemon, trouble, jobs=[_unread(reach, job, at)], job=job, is_unread=True)
        known = [row] if row is not None else []
        stages = _stages(reach, mine)
        return cls(at, daemon, trouble, live=mine, jobs=known, job=job, recent=recent, stages=stages)

    def shape(self, zone: tzinfo | None) -> dict[str, Any]:
        """The JSON of `status`, or of `status JOB`."""
        shape: dict[str, Any] = {
            "daemon": daemon_shape(self.daemon, zone),
            "counts": count_states(self.live),
            "runs": [run_shape(row, zone, self.stages.get(row.run.id)) for row in self.live],
            "jobs": [job_state_shape(row, zone) for row in self.jobs],
        }
        if self.job is None:
            return {**shape, "queues": [queue_shape(row, zone) for row in self.queues]}
        return {**shape, "recent": [run_shape(row, zone) for row in self.recent]}

    def blocks(self, look: Look) -> list[Block]:
        """What a person sees."""
        blocks: list[Block] = [*self._daemon_lines(look), *self._queue_lines()]
        if self.job is not None and self.jobs:
            blocks.append(_job_facts(self.jobs[0], look))
            if self.is_unread:
                blocks.append(Cell("No daemon has read this job yet, so it has no history.", "dim"))
        if self.live:
            blocks += self._live_lines(look)
        if self.recent:
            blocks.append(history_table(self.recent, look, with_job=False))
        if self.job is None and self.jobs:
            blocks.append(_jobs_table(self.jobs, look))
        return blocks

    def _live_lines(self, look: Look) -> list[Block]:
        """Every run at work, and the first of those that wait: there may be thousands."""
        waiting = [row for row in self.live if not row.run.has_process]
        hidden = {row.run.id for row in waiting[_MOST_WAITING:]}
        shown = [row for row in self.live if row.run.id not in hidden]
        lines: list[Block] = [live_table(shown, look, self.stages)]
        if hidden:
            all_of_them = " ".join(["jobrun history", *([self.job] if self.job else []), "--live"])
            lines.append(Cell(f"And {len(hidden)} more that wait: {all_of_them}", "dim"))
        return lines

    def _daemon_lines(self, look: Look) -> list[Block]:
        counts = count_states(self.live)
        going = counts["running"] + counts["starting"] + counts["stopping"]
        numbers = f"{going} running, {counts['queued']} queued, {counts['delayed']} delayed"
        if self.trouble:
            return [Cell(f"{self.trouble} {numbers}.", "bad")]
        if self.daemon is None:
            more = f" {numbers} as last recorded." if self.live else ""
            return [Cell(f"The daemon is not running.{more}", "warn")]
        is_stopping = self.daemon.get("stopping")
        word = "is stopping" if is_stopping else "is running"
        since = ""
        if self.daemon.get("started_at") and not is_stopping:
            started = from_datetime(datetime.fromisoformat(self.daemon["started_at"]))
            since = f" since {look.moment(started)}"
        lines: list[Block] = [Cell(f"The daemon {word}{since} (pid {self.daemon['pid']}): {numbers}.")]
        for what in ("store", "spawn"):
            if self.daemon.get(what) not in (None, "ok"):
                lines.append(Cell(f"Trouble: {self.daemon[what]}", "bad"))
        return lines

    def _queue_lines(self) -> list[Block]:
        return [
            Cell(f"Queue {row.name} is paused by {row.paused.by}{_because(row.paused.reason)}.", "warn")
            for row in self.queues
            if row.paused is not None
        ]


def _unread(reach: Reach, job: str, moment: Instant) -> JobRow:
    """A job that only the job file has. Raises NotFound."""
    from jobrun.cli.known import unread_job

    return unread_job(reach, job).unread_row(moment)


def _stages(reach: Reach, live: Sequence[RunRow]) -> "Mapping[int, Progress]":
    """How far the running ones say they are; nothing more is loaded if there is no word of any."""
    if not any(row.run.has_process for row in live) or not _is_anything_said(reach):
        return {}
    from jobrun.cli.stages import read_stages

    return read_stages(live, reach.places.attempts)


def _is_anything_said(reach: Reach) -> bool:
    try:
        names = os.listdir(reach.places.attempts)  # noqa: PTH208 - names
    except OSError:
        return False
    # A folder holds the files of another account's jobs.
    return any(name.endswith(".notes") or name.startswith("u") for name in names)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _is_problem(row: RunRow | None) -> bool:
    return row is not None and isinstance(row.run.status, Done) and row.run.status.outcome in _PROBLEMS


def _urgency(row: JobRow) -> tuple[int, int, str]:
    """Failed last comes first, the latest failure on top; then by name."""
    if _is_problem(row.last):
        assert row.last is not None
        return 0, -(row.last.ended_at or 0), row.name
    return 1, 0, row.name


def _note(row: JobRow, look: Look) -> Cell:
    if row.paused is not None:
        return Cell(f"paused by {row.paused.by}{_because(row.paused.reason)}", "warn")
    if not row.enabled:
        return Cell("disabled", "dim")
    if row.last is not None and isinstance(row.last.run.status, Done):
        return Cell(why(row.last, look), "bad" if _is_problem(row.last) else "dim")
    return Cell("")


def _jobs_table(jobs: Sequence[JobRow], look: Look) -> Table:
    table = Table(("job", "last", "when", "next", "note"))
    for row in jobs:
        last = row.last
        when = (last.ended_at or last.run.created_at) if last is not None else None
        upcoming = row.next_at if row.enabled else None
        table.rows.append(
            (row.name, outcome_cell(last), look.near(when), look.near(upcoming), _note(row, look))
        )
    return table


def _job_facts(row: JobRow, look: Look) -> Facts:
    state = "disabled" if not row.enabled else "enabled"
    pairs: list[tuple[str, Cell | str]] = [("job", Cell(row.name, "strong")), ("state", state)]
    if row.paused is not None:
        words = f"by {row.paused.by} at {look.moment(row.paused.at)}{_because(row.paused.reason)}"
        pairs.append(("paused", Cell(words, "warn")))
    for schedule in row.schedules:
        pairs.append(("schedule", f"{schedule.schedule}, next {look.near(schedule.next_at)}"))
    if row.last is not None:
        cell = outcome_cell(row.last)
        pairs.append(("last run", Cell(f"{row.last.run.id}, {cell.text}", cell.tone)))
    pairs.append(("defined in", row.source))
    return Facts(pairs)
