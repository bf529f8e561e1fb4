"""`jobrun status`: the daemon, live runs, every job; problems first."""

import typer

from jobrun.cli import options
from jobrun.cli.output import say_json
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun status", "what is going on"),
    ("jobrun status backup", "one job, with its last runs"),
    ("jobrun status --watch", "refreshed every second, until Ctrl-C"),
)


def command(
    context: typer.Context,
    job: options.OptionalJob = None,
    watch: options.Watch = False,
    json: options.Json = False,
) -> None:
    """Show what is going on: the daemon, live runs, every job.

    The first line is about the daemon. Then come the unfinished runs (all that are at work, with how far
    they say they are, and the first 50 that wait), then every job with its last outcome and next time,
    those that failed last first. It reads the store, so it also answers with the daemon
    down, and says so. With --watch in a pipe, a frame is printed whenever something has changed.
    """
    from jobrun.cli.overview import Overview

    reach = reach_of(context)
    if watch:
        from jobrun.cli.watch import watch as watch_on

        watch_on(reach, lambda: Overview.read(reach, job), json=json)
        return
    overview = Overview.read(reach, job)
    if json:
        say_json(overview.shape(reach.zone))
        return
    from jobrun.cli.cells import Look

    look = Look(reach, overview.at)
    look.print(*overview.blocks(look))
