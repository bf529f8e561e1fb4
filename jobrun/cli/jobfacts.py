"""`show JOB`: a job's definition, what became of it, and where each setting comes from."""

from typing import Any

from jobrun.cli.cells import Look, outcome_cell
from jobrun.cli.commands.list import job_shape
from jobrun.cli.jobwords import body_words, schedule_words
from jobrun.cli.known import KnownJob, known_job, unknown_job
from jobrun.cli.output import say_json
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Cell, Facts, Table
from jobrun.domain.definition import to_mapping
from jobrun.domain.instants import format_duration
from jobrun.domain.sizes import format_size

_TOLD_APART = {"name", "body", "schedules", "description", "tags", "queue", "enabled"}
_SIZES = {"log_max", "memory"}
_SPANS = {
    "timeout",
    "soft_timeout",
    "grace",
    "deadline",
    "catch_up_window",
    "catch_up_spread",
    "delay",
    "max_delay",
    "cpu_time",
    "keep_for",
}


def show_job(reach: Reach, name: str, *, json: bool) -> None:
    """Print the job. Raises NotFound."""
    known = known_job(reach, name)
    moment = now()
    if json:
        shape = job_shape(known, reach.zone, moment)
        say_json({**shape, "definition": to_mapping(known.job)})
        return
    look = Look(reach, moment)
    look.print(Facts(_pairs(known, look, moment)))


def _pairs(known: KnownJob, look: Look, moment: int) -> list[tuple[str, Cell | str]]:
    job = known.job
    pairs: list[tuple[str, Cell | str]] = [("job", Cell(job.name, "strong"))]
    if job.description:
        pairs.append(("description", job.description))
    if not job.enabled:
        pairs.append(("state", Cell("disabled", "warn")))
    elif known.paused is not None:
        reason = f": {known.paused.reason}" if known.paused.reason else ""
        paused = f"paused by {known.paused.by} at {look.moment(known.paused.at)}{reason}"
        pairs.append(("state", Cell(paused, "warn")))
    for schedule in job.schedules:
        upcoming = look.near(known.next_of(schedule, moment)) if job.enabled else "-"
        pairs.append(("schedule", f"{schedule_words(schedule)}, next {upcoming}"))
    if not job.schedules:
        pairs.append(("schedule", "none: by `jobrun run` only"))
    pairs += [("runs", body_words(job.body)), ("queue", job.queue)]
    if job.tags:
        pairs.append(("tags", ", ".join(job.tags)))
    for key, value in sorted(to_mapping(job).items()):
        if key not in _TOLD_APART:
            pairs += _setting(key, value)
    if known.last is not None:
        cell = outcome_cell(known.last)
        ended = look.near(known.last.ended_at or known.last.run.created_at)
        pairs.append(("last run", Cell(f"{known.last.run.id}, {cell.text}, {ended}", cell.tone)))
    pairs += [("defined in", known.source or "-"), ("version", known.digest)]
    return pairs


def _setting(key: str, value: Any) -> list[tuple[str, Cell | str]]:
    """A setting that is not at its built-in default; a group of them gives several lines."""
    if isinstance(value, dict) and key in ("retry", "limits", "retention"):
        return [pair for name, inner in value.items() for pair in _setting(name, inner) if inner is not None]
    if isinstance(value, dict):
        return [(key, f"{name}={inner}") for name, inner in value.items()]
    if value is None or value == []:
        return []
    if key in _SPANS:
        return [(key, format_duration(value))]
    if key in _SIZES:
        return [(key, format_size(value))]
    if key == "umask":
        return [(key, f"{value:03o}")]
    return [(key, ", ".join(str(item) for item in value) if isinstance(value, list) else str(value))]


def show_resolved(reach: Reach, name: str, *, json: bool) -> None:
    """Print every setting of the job as the job file gives it, with its origin. Raises NotFound."""
    import os

    from jobrun.conf.hosttime import host_timezone
    from jobrun.conf.read import read_job_file

    job_file = read_job_file(reach.places.config, host_timezone=host_timezone(os.environ))
    if name not in job_file.plan.jobs:
        raise unknown_job(name, job_file.plan.jobs)
    origins = job_file.origins(name)
    if json:
        settings = {key: {"value": value, "origin": origin} for key, (value, origin) in origins.items()}
        say_json({"job": name, "settings": settings})
        return
    look = Look(reach)
    table = Table(("setting", "value", "origin"))
    for key, (value, origin) in origins.items():
        tone = "dim" if origin == "built-in" else ""
        table.rows.append((Cell(key, tone), Cell(value, tone), Cell(origin, tone)))
    look.print(table)
