"""`jobrun resume`: the end of a pause."""

import typer

from jobrun.cli.commands.pause import Names, Queues, switch
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun resume backup", "start it at its times again"),
    ("jobrun resume --queue gpu", "let its waiting runs start"),
)


def command(context: typer.Context, jobs: Names = None, queue: Queues = None) -> None:
    """Resume a paused job or queue."""
    switch(reach_of(context), "resume", jobs, queue)
