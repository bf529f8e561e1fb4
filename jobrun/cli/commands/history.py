"""`jobrun history`: runs, newest first."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.moments import parse_past
from jobrun.cli.output import remark, say_json
from jobrun.cli.reach import now, reach_of
from jobrun.domain.errors import UsageError
from jobrun.domain.run import Cause, Outcome

EXAMPLES = (
    ("jobrun history --outcome failed --outcome timed_out --since yesterday", "what went wrong since then"),
    ("jobrun history backup --versions", "when its definition changed, and how"),
    ("jobrun history --cause overlap --json", "every slot that was skipped for an unfinished run"),
)


def command(
    context: typer.Context,
    *,
    job: options.OptionalJob = None,
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option("--outcome", "-o", help="Only runs that ended like this; may be repeated."),
    ] = None,
    cause: Annotated[
        Cause | None, typer.Option("--cause", metavar="CAUSE", help='Only this cause, such as "overlap".')
    ] = None,
    queue: options.QueueOption = None,
    live: Annotated[bool, typer.Option("--live", help="Only unfinished runs.")] = False,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", metavar="N", min=1, max=1_000_000, help="At most this many (else 20 runs)."
        ),
    ] = None,
    before: Annotated[
        int | None, typer.Option("--before", metavar="RUN", help="Only runs with a smaller number.")
    ] = None,
    versions: Annotated[
        bool, typer.Option("--versions", help="Of a job: when its definition changed, and how.")
    ] = False,
    json: options.Json = False,
) -> None:
    """List runs, newest first.

    Every due moment is here: as a run, or as skipped with its cause. A long missed stretch is one line
    and says how many slots it holds. --since and --until go by the moment at which the run
    came into being. ATTEMPT 2/3 is the second of three; +1 behind it says that one more was lost to the
    host, or interrupted by a stop of the daemon, and does not count. With --versions: each definition of
    the job that was in force (then, with --since and --until), what changed with it in the words of the
    job file, and the runs under it.
    """
    from jobrun.store.views import RunFilter

    reach = reach_of(context)
    moment = now()
    begin = None if since is None else parse_past(since, moment, reach.zone)
    end = None if until is None else parse_past(until, moment, reach.zone)
    if versions:
        if job is None:
            raise UsageError("--versions is about one job.", "Name it: jobrun history JOB --versions")
        _refuse_of_runs(outcome=outcome, cause=cause, queue=queue, live=live, before=before)
        from jobrun.cli.jobversions import show_versions

        return show_versions(reach, job, since=begin, until=end, limit=limit, json=json)
    if not reach.has_store:
        return _no_store(json)
    limit = limit or 20
    wanted = RunFilter(
        job=job,
        outcomes=tuple(outcome or ()),
        cause=cause.value if cause else None,
        queue=queue,
        state="live" if live else None,
        since=begin,
        until=end,
    )
    if live and wanted.outcomes:
        raise UsageError("An unfinished run has no outcome.", "Give --live or --outcome, not both.")
    rows = reach.history.runs(wanted, limit=limit, before=before)
    no_rows = "No such run."
    if not rows and job is not None and reach.history.last_run(job) is None:
        from jobrun.cli.known import unread_job

        if reach.history.job(job) is None:
            unread_job(reach, job)
            no_rows = f"No daemon has read {job} yet, so it has no history."
    if json:
        from jobrun.cli.shapes import run_shape

        say_json({"runs": [run_shape(row, reach.zone) for row in rows]})
        return None
    if not rows:
        remark(no_rows)
        return None
    from jobrun.cli.cells import Look, history_table

    look = Look(reach, moment)
    look.print(history_table(rows, look, with_job=job is None))
    if len(rows) == limit:
        remark(f"There may be more: --limit shows more, --before {rows[-1].run.id} what is older.")
    return None


def _refuse_of_runs(**filters: object) -> None:
    """Raise UsageError for filters that are about runs."""
    given = [f"--{name}" for name, value in filters.items() if value not in (None, False, [])]
    if given:
        raise UsageError(
            f"--versions lists definitions, not runs; it does not go with {' and '.join(given)}.",
            "--since, --until and --limit go with it.",
        )


def _no_store(json: bool) -> None:
    if json:
        say_json({"runs": []})
    else:
        remark("No daemon has run here yet, so there is no history.")
