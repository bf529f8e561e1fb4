"""`jobrun wait`: until runs have ended."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.moments import parse_span
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import reach_of
from jobrun.cli.waiting import ending_line, verdict_of, wait_for
from jobrun.domain.instants import seconds

EXAMPLES = (
    ("jobrun wait 41 42", "exit 0 if both succeeded, 1 if not"),
    ("jobrun wait 41 --timeout 5m", "give up waiting, not the run, after five minutes"),
)


def command(
    context: typer.Context,
    runs: options.Runs,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SPAN", help="Wait no longer than this.")
    ] = None,
    json: options.Json = False,
) -> int:
    """Wait until runs have ended.

    Prints how each ended. The exit code is 0 if all succeeded, and 1 if one did not or time ran out.
    Waiting goes on over a restart of the daemon.
    """
    limit = None if timeout is None else seconds(parse_span(timeout, "--timeout"))
    endings, timed_out = wait_for(reach_of(context), runs, limit)
    if json:
        say_json({"runs": endings, "timed_out": timed_out})
    else:
        for end in endings:
            say(ending_line(end))
        if timed_out:
            ended = {end["run"] for end in endings}
            left = ", ".join(str(run) for run in runs if run not in ended)
            remark(f"Still unfinished after {timeout}: {left}.")
    return verdict_of(endings, timed_out=timed_out)
