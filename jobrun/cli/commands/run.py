"""`jobrun run`: start a job by hand."""

from typing import Annotated

import typer

from jobrun.cli import options, starting
from jobrun.cli.jobtable import env_table, said
from jobrun.cli.payload import checkpoint_path, read_data
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun run backup --wait", "start it now, wait, and exit 1 unless it succeeds"),
    ('jobrun run email --data \'{"to": "a@example.org"}\' --in 10m', "start it later, with data"),
    ("jobrun run email --bulk letters.jsonl --json", "a run for each line; the numbers of all, in order"),
)


def command(
    context: typer.Context,
    *,
    job: options.JobArgument,
    data: options.Data = None,
    bulk: Annotated[
        str | None,
        typer.Option("--bulk", metavar="FILE|-", help="A run for each line of this file, its data as JSON."),
    ] = None,
    resume_from: Annotated[
        str | None,
        typer.Option("--resume-from", metavar="FILE|latest", help="The checkpoint for it to go on from."),
    ] = None,
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
    unfinished it may be skipped, and says so. A paused or disabled job can be started like this too. A run
    for a later moment (--in, --at) leaves the schedule alone until then, and then waits for its turn
    (with overlap = "replace" it takes it).

    --data takes the place of the job's own `data`: the run finds it as JSON in the file that $JOBRUN_DATA
    names, a Python function in jobrun.task.context().data. null stands for the job's own.

    --bulk adds a run for each line, in one transaction: all of them or none. More than 20,000 lines, or 3 MB,
    go in several such requests, and that is said. A job for it says overlap = "queue_all" or "allow".

    --resume-from hands a checkpoint to the run ($JOBRUN_RESUME_FROM); "latest" is the newest of any run of
    the job.
    """
    if data is not None and bulk is not None:
        raise UsageError("Give --data or --bulk, not both.", "Each line of --bulk is the data of one run.")
    if bulk is not None and follow:
        raise UsageError("--follow is about one run.", "With --bulk, --wait waits for all of them.")
    starting.refuse_json_of_output(follow=follow, json=json)
    reach = reach_of(context)
    moment = starting.start_at(in_, at, reach)
    request = said(
        by=reach.user,
        at=moment,
        env=env_table(env),
        priority=priority,
        resume_from=None if resume_from is None else checkpoint_path(resume_from),
    )
    if bulk is not None:
        from jobrun.cli.bulk import run_bulk

        return run_bulk(reach, job, bulk, request, wait=wait, json=json)
    if data is not None:
        request["data"] = read_data(data)
    reply = reach.ask("run", job=job, **request)
    return starting.report_start(reach, job, reply, moment, wait=wait, follow=follow, json=json)
