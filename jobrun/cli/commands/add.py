"""`jobrun add`: a job from the command line, as a file of its own in jobs.d."""

from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.changed import reload_if_running
from jobrun.cli.jobtable import conditions, env_table, python_table, said
from jobrun.cli.moments import localize, parse_future
from jobrun.cli.output import say
from jobrun.cli.payload import read_data
from jobrun.cli.reach import now, reach_of
from jobrun.domain.errors import UsageError
from jobrun.domain.instants import SECOND, Instant

EXAMPLES = (
    (
        "jobrun add backup --cron '0 3 * * *' --timeout 2h -- 'pg_dump app | zstd > /backups/app.zst'",
        "one word after `--` is text for the shell",
    ),
    ("jobrun add poll --every 30s -- curl -fsS localhost/poll", "several words are a program and arguments"),
    ("jobrun add report --cron @daily --python app.reports:daily --kwarg days=7", "a Python function"),
)


def command(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new job's name.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="CMD", help="The command, after `--`.")] = None,
    cron: Annotated[
        str | None, typer.Option("--cron", metavar="EXPR", help="Due when this cron text says so.")
    ] = None,
    every: Annotated[
        str | None, typer.Option("--every", metavar="SPAN", help='Due at fixed intervals, such as "30s".')
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="SPAN", help="Due this long after the last run's end.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help='Due once: "2026-03-01T03:00", "tomorrow 03:00", "2h".'),
    ] = None,
    python: options.Python = None,
    arg: options.Args = None,
    kwarg: options.Kwargs = None,
    interpreter: options.Interpreter = None,
    isolation: options.Isolation = None,
    pool: options.Pool = None,
    data: options.Data = None,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Give its runs a directory for checkpoints, to go on from.")
    ] = False,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What the job is for.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="The zone of --cron and --at.")
    ] = None,
    queue: options.Queue = None,
    timeout: options.Timeout = None,
    grace: Annotated[
        str | None, typer.Option("--grace", metavar="SPAN", help="Time between TERM and KILL.")
    ] = None,
    attempts: options.Attempts = None,
    delay: options.Delay = None,
    retry_on: options.RetryOn = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            "--overlap",
            metavar="RULE",
            help="If the last run is unfinished: skip, queue_one, queue_all, replace or allow.",
        ),
    ] = None,
    catch_up: Annotated[
        str | None,
        typer.Option("--catch-up", metavar="RULE", help="Of missed times, run none, the latest or all."),
    ] = None,
    spread: Annotated[
        str | None,
        typer.Option("--spread", metavar="SPAN", help="Start up to this much later, fixed per host and job."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="K=V", help="Set a variable; K alone copies yours."),
    ] = None,
    cwd: Annotated[str | None, typer.Option("--cwd", metavar="DIR", help="The working directory.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Run as this user (root's daemon only).")
    ] = None,
    memory: options.Memory = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Add it without starting it.")] = False,
) -> None:
    """Add a job.

    Writes jobs.d/NAME.toml beside the job file and makes a running daemon read it. Files that a person
    wrote are never changed. A job without --cron, --every, --after or --at starts only by `jobrun run`.

    One word after `--` is text for /bin/sh; several words are a program with its arguments, run without
    a shell. Options not listed here can be written in the file; see jobs.toml(5).
    """
    from jobrun.conf.write import add_job

    has_schedule = any(value is not None for value in (cron, every, after, at))
    if timezone is not None and cron is None and at is None:
        raise UsageError("--timezone is the zone of --cron and --at.", "Give one of them, or leave it away.")
    if not has_schedule and (spread is not None or catch_up is not None):
        option = "--spread" if spread is not None else "--catch-up"
        raise UsageError(
            f"{option} is about a schedule, and the job has none.", "Give --cron, --every, --after or --at."
        )
    reach = reach_of(context)
    table: dict[str, Any] = said(
        description=description,
        cron=cron,
        every=every,
        after=after,
        timezone=timezone,
        queue=queue,
        tags=tag,
        timeout=timeout,
        grace=grace,
        attempts=attempts,
        delay=delay,
        retry_on=conditions(retry_on),
        overlap=overlap,
        catch_up=catch_up,
        spread=spread,
        env=env_table(env),
        cwd=cwd,
        user=user,
        limits=said(memory=memory),
    )
    if at is not None:
        from jobrun.cli.zones import zone_of

        zone = reach.zone if timezone is None else zone_of(timezone)
        moment = now()
        if parse_future(at, moment, zone) <= moment:
            raise UsageError(
                f"--at {at} has passed, and a job is started at moments to come only.",
                "To run something once, now: jobrun submit -- CMD…",
            )
        table["at"] = localize(parse_future(at, _whole_second(moment), zone), zone)
    if disabled:
        table["enabled"] = False
    if checkpoint:
        table["checkpoint"] = True
    if data is not None:
        table["data"] = read_data(data, may_have_null=False)
    body = python_table(
        python, words, arg=arg, kwarg=kwarg, interpreter=interpreter, isolation=isolation, pool=pool
    )
    if not body:
        raise UsageError(
            "The job has nothing to run.",
            f"Put the command after `--`: jobrun add {name} --cron '0 3 * * *' -- CMD…",
        )
    path = add_job(reach.places, name, table | body)
    say(f"Added {name} in {path}{reload_if_running(reach)}.")


def _whole_second(moment: Instant) -> Instant:
    """The moment as a whole second, not before it: a file says "in two hours" without microseconds."""
    return -(-moment // SECOND) * SECOND
