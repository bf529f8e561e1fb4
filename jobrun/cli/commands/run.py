"""`jobrun run`: start a job by hand."""

import typer

from jobrun.cli import options, starting
from jobrun.cli.jobtable import env_table, said
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun run backup --wait", "start it now, wait, and exit 1 unless it succeeds"),
    ("jobrun run report --in 10m --env DAY=2026-03-01", "start it later, with a variable of its own"),
)


def command(
    context: typer.Context,
    *,
    job: options.JobArgument,
    wait: starting.Wait = False,
    follow: starting.Follow = False,
    in_: starting.In = None,
    at: starting.At = None,
    env: starting.Env = None,
    priority: starting.Priority = None,
    json: options.Json = False,
) -> int:
    """Start a job now, or at a later moment.

    The run takes its place in the job's queue and obeys the job's overlap rule: while an earlier run is
    unfinished it may be skipped, and says so. A paused or disabled job can be started like this too.
    """
    reach = reach_of(context)
    moment = starting.start_at(in_, at, reach)
    reply = reach.ask("run", job=job, by=reach.user, **said(at=moment, env=env_table(env), priority=priority))
    return starting.report_start(reach, job, reply, moment, wait=wait, follow=follow, json=json)
