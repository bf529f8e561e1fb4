"""`jobrun cancel`: end runs, and the whole process tree of each."""

from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun cancel 41 42", "cancel two runs"),
    ("jobrun cancel backup", "cancel every unfinished run of a job"),
)


def command(
    context: typer.Context,
    targets: Annotated[
        list[str], typer.Argument(metavar="RUN|JOB", help="Numbers of runs, or names of jobs.")
    ],
    json: options.Json = False,
) -> None:
    """Cancel runs: waiting ones at once, running ones by TERM, then KILL.

    A running run gets TERM in its whole process tree and, after the job's `grace`, KILL; nothing of it is
    left. A run that has ended already is left as it is, and said so.
    """
    reach = reach_of(context)
    runs = [int(target) for target in targets if target.isdigit()]
    requests: list[dict[str, Any]] = [{"runs": runs}] if runs else []
    requests += [{"job": target} for target in targets if not target.isdigit()]
    cancelled: list[int] = []
    already_done: list[int] = []
    for request in requests:
        reply = reach.ask("cancel", by=reach.user, **request)
        cancelled += reply["cancelled"]
        already_done += reply["already_done"]
    if json:
        say_json({"cancelled": cancelled, "already_done": already_done})
        return
    for run in cancelled:
        say(f"Cancelled run {run}.")
    for run in already_done:
        remark(f"Run {run} had ended already.")
    if not cancelled and not already_done:
        remark("Nothing to cancel.")
