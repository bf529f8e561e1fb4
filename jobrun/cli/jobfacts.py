"""`show JOB`: a job's definition, what became of it, and where each setting comes from."""

from dataclasses import replace

from jobrun.cli.cells import Look, outcome_cell
from jobrun.cli.commands.list import job_shape
from jobrun.cli.filewords import changed_words, file_words
from jobrun.cli.jobwords import body_words, particulars, schedule_words
from jobrun.cli.known import KnownJob, known_job, unknown_job
from jobrun.cli.output import say_json
from jobrun.cli.reach import Reach, now
from jobrun.cli.render import Cell, Facts, Table
from jobrun.domain.definition import to_mapping
from jobrun.domain.job import Backoff, Job, PythonCall, ShellCommand, is_warm

_TOLD_APART = {"description", "tags", "queue", "enabled", "command", "shell", "python", "args"}
_TOLD_APART |= {"isolation", "pool"}
_RETRYING = ("attempts", "backoff", "delay", "max_delay", "jitter")


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
        words = ", ".join(
            [schedule_words(schedule, look.exact), *particulars(schedule, look.exact), f"next {upcoming}"]
        )
        pairs.append(("schedule", words))
    if not job.schedules:
        pairs.append(("schedule", "none: by `jobrun run` only"))
    pairs.append(("runs", body_words(job.body).strip()))
    if isinstance(job.body, PythonCall):
        warm = f"a warm worker of pool {job.body.pool}"
        pairs.append(("called in", warm if is_warm(job) else "a process of its own each time"))
    pairs.append(("queue", job.queue))
    if job.tags:
        pairs.append(("tags", ", ".join(job.tags)))
    pairs += _settings(job)
    if known.last is not None:
        cell = outcome_cell(known.last)
        ended = look.near(known.last.ended_at or known.last.run.created_at)
        pairs.append(("last run", Cell(f"{known.last.run.id}, {cell.text}, {ended}", cell.tone)))
    pairs += [("defined in", known.source or "-"), ("version", known.digest)]
    return pairs


def _settings(job: Job) -> list[tuple[str, Cell | str]]:
    """What is not at its built-in default, by the job file's keys.

    Of a job that is tried again, how; of one that is not, nothing of what would hold if it were.
    """
    job = replace(job, schedules=())
    body = PythonCall("") if isinstance(job.body, PythonCall) else ShellCommand("")
    plain = Job(name=job.name, body=body)
    changed = {key: new for key, _, new in changed_words(plain, job)}
    words = file_words(job)
    told_apart = _TOLD_APART if job.retry.attempts > 1 else {*_TOLD_APART, *_RETRYING, "power"}
    if job.retry.attempts > 1:
        power = ("power",) if job.retry.backoff is Backoff.POLYNOMIAL else ()
        changed |= {key: words[key] for key in (*_RETRYING, *power)}
    return [
        (key, _bare(changed[key] or "none"))
        for key in [*words, *(changed.keys() - words.keys())]
        if key in changed and key not in told_apart and not key.startswith("kwargs.")
    ]


def _bare(text: str) -> str:
    """A TOML value without the quotes of a simple text, for people."""
    inside = text[1:-1]
    return inside if text == f'"{inside}"' and inside and not set(inside) & set('"\\') else text


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
