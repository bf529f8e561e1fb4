"""`jobrun pause`: no new starts of a job, or out of a queue, until `resume`."""

from typing import Annotated

import typer

from jobrun.cli.output import remark, say
from jobrun.cli.reach import Reach, reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun pause backup --reason 'disk is being replaced'", "its times are recorded as skipped meanwhile"),
    ("jobrun pause --queue gpu", "runs of this queue wait"),
)

Names = Annotated[list[str] | None, typer.Argument(metavar="JOB", help="The jobs' names.")]
Queues = Annotated[
    list[str] | None, typer.Option("--queue", "-q", metavar="QUEUE", help="A queue; may be repeated.")
]


def command(
    context: typer.Context,
    jobs: Names = None,
    queue: Queues = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.", show_default=False)
    ] = "",
) -> None:
    """Pause a job or a queue.

    A paused job is not started at its times; each is recorded as skipped, with the pause as its cause. It
    can still be started by `jobrun run`. A paused queue starts nothing; its runs wait. What runs already
    runs on. A pause is kept over restarts of the daemon, until `jobrun resume`.
    """
    switch(reach_of(context), "pause", jobs, queue, reason=reason)


def switch(reach: Reach, op: str, jobs: list[str] | None, queues: list[str] | None, **more: str) -> None:
    """Pause or resume each of the jobs and queues. Raises UsageError if none is named."""
    targets = [("job", name) for name in jobs or ()] + [("queue", name) for name in queues or ()]
    if not targets:
        raise UsageError(f"Name a job or --queue to {op}.", f"For example: jobrun {op} backup")
    for kind, name in targets:
        reply = reach.ask(op, kind=kind, name=name, by=reach.user, **more)
        if op == "resume" and not reply["was_paused"]:
            remark(f"{kind.capitalize()} {name} was not paused.")
        else:
            say(f"{op.capitalize()}d {kind} {name}.")
