"""`jobrun next`: what is due when, by the functions that the daemon fires by."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from jobrun.cli import options
from jobrun.cli.moments import iso, parse_future
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import Reach, now, reach_of
from jobrun.domain.errors import UsageError
from jobrun.domain.instants import Instant, to_iso

if TYPE_CHECKING:
    from jobrun.cli.cells import Look
    from jobrun.cli.known import KnownJob

EXAMPLES = (
    ("jobrun next", "the next time of every schedule, soonest first"),
    ("jobrun next backup -n 5", "five of one job"),
    ("jobrun next --expr '0 3 * * sun' --tz Europe/Berlin --from 2026-03-01 -n 3 --json", "of any cron text"),
)


def command(
    context: typer.Context,
    *,
    job: options.OptionalJob = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            metavar="N",
            min=1,
            max=1_000_000,
            help="How many.",
        ),
    ] = None,
    expr: Annotated[
        str | None, typer.Option("--expr", metavar="EXPR", help="Cron text instead of the jobs.")
    ] = None,
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="The zone of --expr (else the host's).")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Times after this moment, not after now.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show when jobs are due next.

    Without JOB and -n this is the next time of every schedule, the soonest first; with -n the next N of all.
    Paused jobs are shown with their times and marked; disabled ones are left out. Times that only the
    daemon can know (@reboot, and the end of a run that `after` counts from) are not foretold.
    """
    reach = reach_of(context)
    if expr is not None:
        if job is not None:
            raise UsageError("Name a job or give --expr, not both.")
        return _of_expression(reach, expr, tz, start, count or 5, json=json)
    if tz is not None:
        raise UsageError("--tz goes with --expr; a job has its own zone.")
    return _of_jobs(reach, job, start, count, json=json)


def _of_expression(
    reach: Reach, expr: str, tz: str | None, start: str | None, count: int, *, json: bool
) -> None:
    from itertools import islice

    from jobrun.cli.cronerror import cron_problem
    from jobrun.cli.zones import zone_name, zone_of
    from jobrun.domain.calendar import CronError, check_cron, iter_cron

    name = zone_name(tz, reach)
    zone = zone_of(name)
    after = now() if start is None else parse_future(start, now(), zone)
    try:
        check_cron(expr)
    except CronError as error:
        raise cron_problem(expr, error) from None
    dates = list(islice(iter_cron(expr, name, after), count))
    if json:
        say_json({"expr": expr, "timezone": name, "next": [to_iso(date, zone) for date in dates]})
        return
    for date in dates:
        say(to_iso(date, zone))
    if not dates:
        remark("It comes at each boot of the host." if expr.strip() == "@reboot" else "It never comes.")


def _of_jobs(reach: Reach, name: str | None, start: str | None, count: int | None, *, json: bool) -> None:
    from jobrun.cli.cells import Look
    from jobrun.cli.known import known_job, known_jobs
    from jobrun.cli.render import Cell, Table

    moment = now()
    look = Look(reach, moment)
    after = moment if start is None else parse_future(start, moment, reach.zone)
    jobs = known_jobs(reach) if name is None else [known_job(reach, name)]
    each = count or (1 if name is None else 5)
    found = sorted(
        (
            (date, known, schedule)
            for known in jobs
            for schedule in known.job.schedules
            if known.job.enabled
            for date in known.upcoming(schedule, after, each)
        ),
        key=lambda item: (item[0], item[1].job.name),
    )
    found = found[: count or (None if name is None else 5)]
    if json:
        say_json(
            {
                "next": [
                    {
                        "job": known.job.name,
                        "schedule": schedule.key,
                        "at": iso(date, reach.zone),
                        "at_in_zone": _in_zone(date, schedule.timezone),
                        "timezone": schedule.timezone,
                        "paused": known.paused is not None,
                    }
                    for date, known, schedule in found
                ]
            }
        )
        return
    if not found:
        remark("Nothing is due." if name is None else _why_none(jobs[0], look))
        return
    table = Table(("due", "job", "schedule", *(("in",) if look.terminal else ()), "note"))
    for date, known, schedule in found:
        note = Cell("paused", "warn") if known.paused is not None else Cell("")
        relative = (look.near(date),) if look.terminal else ()
        table.rows.append((look.moment(date), known.job.name, schedule.key, *relative, note))
    look.print(table)


def _why_none(known: "KnownJob", look: "Look") -> str:
    from jobrun.cli.jobwords import never_words

    job = known.job
    if not job.enabled:
        return f"{job.name} is disabled, so nothing is due."
    if not job.schedules:
        return f"{job.name} has no schedule; it runs by `jobrun run` only."
    parts = [never_words(schedule, look.moment, look.now) for schedule in job.schedules]
    return f"{job.name} has no time to show: {'; '.join(dict.fromkeys(parts))}."


def _in_zone(date: Instant, zone: str) -> str:
    from jobrun.domain.calendar import load_zone
    from jobrun.domain.instants import to_datetime

    local: datetime = to_datetime(date, load_zone(zone))
    return local.isoformat()
