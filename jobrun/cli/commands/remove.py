"""`jobrun remove`: delete the file of a job that `add` wrote."""

import typer

from jobrun.cli import options
from jobrun.cli.changed import reload_if_running
from jobrun.cli.output import say
from jobrun.cli.reach import reach_of

EXAMPLES = (("jobrun remove backup", "delete jobs.d/backup.toml and tell the daemon"),)


def command(context: typer.Context, job: options.JobArgument) -> None:
    """Remove a job that `add` wrote.

    Deletes the job's file in jobs.d and makes a running daemon read the job file again. A job that a
    person wrote by hand is never touched: the answer names its file and line. The job's history stays.
    While another file has problems nothing is deleted, for no daemon could read what is left.
    """
    from jobrun.conf.write import remove_job

    reach = reach_of(context)
    path = remove_job(reach.places, job)
    say(f"Removed {job} ({path}){reload_if_running(reach)}.")
