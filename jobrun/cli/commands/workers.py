"""`jobrun workers`: the processes that make the calls of warm Python jobs."""

import typer

from jobrun.cli import options
from jobrun.cli.output import say_json
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun workers", "every worker, with the run it is at"),
    ("jobrun workers --watch", "refreshed every second, until Ctrl-C"),
)


def command(context: typer.Context, watch: options.Watch = False, json: options.Json = False) -> None:
    """List the warm workers of Python jobs.

    A worker is starting, idle, busy with a run (and may have others waiting in it), stalled (it has a call,
    but does not take it), or retiring (it takes no more calls and ends after those it has). DONE counts the
    runs it has made, CPU and MEMORY are of its own process. Pools that jobs name and that have no worker
    now are listed below: their workers are started when a run is due.

    The daemon is asked, as only it knows. With --watch in a pipe, a frame is printed when something changed.
    """
    from jobrun.cli.workforce import Workforce

    reach = reach_of(context)
    if watch:
        from jobrun.cli.watch import watch as watch_on

        watch_on(reach, lambda: Workforce.read(reach), json=json)
        return
    workforce = Workforce.read(reach)
    if json:
        say_json(workforce.shape(reach.zone))
        return
    from jobrun.cli.cells import Look

    look = Look(reach, workforce.at)
    look.print(*workforce.blocks(look))
