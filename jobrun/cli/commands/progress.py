"""`jobrun progress`: how far the run is that calls it."""

from typing import Annotated

import typer

from jobrun.cli import options

EXAMPLES = (
    ("jobrun progress 40", "in a job: 40 percent of it is done"),
    ("jobrun progress --of 3/12 --state resize", "3 of 12, which is 25 percent, and what it is doing"),
    ("jobrun progress 40 --meta epoch=12 --meta loss=0.31", "with facts of its own"),
)


def command(
    *,
    percent: Annotated[
        str | None, typer.Argument(metavar="PERCENT", help="How much is done, from 0 to 100.")
    ] = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="DONE/ALL", help="How many of how many are done.")
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="WORD", help="What the run is doing.")
    ] = None,
    meta: options.Meta = None,
) -> None:
    """Say how far the run is.

    For use inside a job, and in what a job starts. `jobrun status` and `jobrun show` tell it while the run
    is at work, and the last of it is kept with the attempt. Each call replaces what the one before it said.

    It asks nobody and waits for nobody. A run never fails for its progress: what cannot be written is not
    told. A Python job calls jobrun.task.progress, which costs microseconds.
    """
    from jobrun.cli.inside import tell_progress

    tell_progress(percent, of, state, meta or ())
