"""`jobrun show`: everything about a job or a run."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun show backup", "the job: schedules, command, settings, last run"),
    ("jobrun show backup --resolved", "every setting and the place it comes from"),
    ("jobrun show 41", "the run: slot, attempts, how it ended, what it used, where its log is"),
)


def command(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="JOB|RUN", help="A job's name or a run's number.")],
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Of a job: every setting of the job file, and its origin.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Of a run: only the traceback of its last failed attempt.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Show everything about a job or a run.

    A run's facts are those of its time: the slot it decided, how late it started, every attempt with its
    end, its CPU time and memory, the version of the definition it ran with, and its output's place; and what
    it said of itself: its progress, its result, the exception that ended it.
    """
    if traceback and json:
        raise UsageError(
            "--traceback prints text; it does not go with --json.", "The JSON of a run has it too."
        )
    reach = reach_of(context)
    if target.isdigit() and not resolved:
        from jobrun.cli.findrun import find_run
        from jobrun.cli.runfacts import show_run, show_traceback

        row = find_run(reach, int(target))
        if traceback:
            show_traceback(reach, row)
        else:
            show_run(reach, row, json=json)
        return
    if target.isdigit():
        raise UsageError("--resolved is about a job, not a run.")
    if traceback:
        raise UsageError("--traceback is about a run.", f"`jobrun history {target}` lists those of the job.")
    from jobrun.cli.jobfacts import show_job, show_resolved

    if resolved:
        show_resolved(reach, target, json=json)
    else:
        show_job(reach, target, json=json)
