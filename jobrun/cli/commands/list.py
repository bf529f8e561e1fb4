"""`jobrun list`: the jobs and their schedules."""

from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.known import KnownJob, known_jobs
from jobrun.cli.output import remark, say_json
from jobrun.cli.reach import now, reach_of

EXAMPLES = (
    ("jobrun list", "every job with its schedule and next time"),
    ("jobrun list --tag db", "only jobs with this tag"),
)


def command(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only jobs with this tag.")] = None,
    queue: options.QueueOption = None,
    json: options.Json = False,
) -> None:
    """List the jobs.

    With a running daemon these are the jobs it goes by; without one, those of the job file, which are what
    the next start will go by.
    """
    from jobrun.cli.cells import Look, outcome_cell
    from jobrun.cli.jobwords import body_words, schedules_words
    from jobrun.cli.render import Table

    reach = reach_of(context)
    moment = now()
    jobs = [
        known
        for known in known_jobs(reach)
        if (tag is None or tag in known.job.tags) and (queue is None or known.job.queue == queue)
    ]
    if json:
        say_json({"jobs": [job_shape(known, reach.zone, moment) for known in jobs]})
        return
    if not jobs:
        remark("No job." if tag or queue else "There are no jobs yet; see `jobrun init` and `jobrun add`.")
        return
    look = Look(reach, moment)
    table = Table(("job", "schedule", "next", "last", "runs"))
    for known in jobs:
        job = known.job
        table.rows.append(
            (
                job.name,
                schedules_words(job.schedules, look.moment),
                standing(known) or look.near(known.next_at(moment)),
                outcome_cell(known.last),
                body_words(job.body).strip(),
            )
        )
    look.print(table)


def standing(known: KnownJob) -> str:
    """`paused` or `disabled`, if the job is."""
    if not known.job.enabled:
        return "disabled"
    return "paused" if known.paused is not None else ""


def job_shape(known: KnownJob, zone: Any, moment: int) -> dict[str, Any]:
    """A job as `list` and `show` print it in JSON."""
    from jobrun.cli.jobwords import body_words, when_words
    from jobrun.cli.moments import iso
    from jobrun.cli.shapes import pause_shape, run_shape

    job = known.job
    return {
        "job": job.name,
        "description": job.description,
        "enabled": job.enabled,
        "paused": pause_shape(known.paused, zone),
        "queue": job.queue,
        "tags": list(job.tags),
        "schedules": [
            {
                "schedule": schedule.key,
                "when": when_words(schedule.when),
                "timezone": schedule.timezone,
                "next_at": iso(known.next_of(schedule, moment), zone) if job.enabled else None,
            }
            for schedule in job.schedules
        ],
        "next_at": iso(known.next_at(moment), zone),
        "command": body_words(job.body),
        "source": known.source,
        "digest": known.digest,
        "last": run_shape(known.last, zone) if known.last else None,
    }
