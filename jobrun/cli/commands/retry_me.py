"""`jobrun retry-me`: the wish of a job to be tried again after a time of its own choice."""

from typing import Annotated

import typer

EXAMPLES = (
    ("jobrun retry-me --in 60s", "in a shell job, before `exit 75`: try me again in a minute"),
    ('jobrun retry-me --in "$(retry_after)"', "as long as the other side wants us to wait"),
)


def command(
    in_: Annotated[
        str, typer.Option("--in", metavar="SPAN", help='How long to wait, such as "60s" or "1h30m".')
    ],
) -> None:
    """Ask for another try of the run after a time.

    For use inside a job, which then ends with exit code 75; with any other exit code the wish does not
    count. The try is one of the job's attempts: when none is left, the run has failed. Without this
    command, exit code 75 is a failure like any other, and the job's own retry settings say how long to wait.

    A Python job raises jobrun.task.Retry(in_="60s").
    """
    from jobrun.cli.inside import ask_for_retry

    ask_for_retry(in_)
