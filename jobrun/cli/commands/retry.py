"""`jobrun retry`: failed runs again, as new runs that name the old ones."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.moments import parse_past
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import now, reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun retry 41", "run it again, under the definition of today"),
    ("jobrun retry --failed --since yesterday", "every run since then that failed and was not retried"),
)


def command(
    context: typer.Context,
    runs: Annotated[
        list[int] | None, typer.Argument(metavar="RUN", help="The numbers of ended runs.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every failed run not retried yet.")] = False,
    since: options.Since = None,
    json: options.Json = False,
) -> None:
    """Run failed runs again, as new runs.

    Each waits for its turn behind the job's unfinished runs; `overlap` skips none of them.
    """
    reach = reach_of(context)
    if bool(runs) == failed:
        raise UsageError("Name runs, or say --failed.", "For example: jobrun retry 41")
    if since is not None and not failed:
        raise UsageError("--since goes with --failed.")
    if failed:
        moment = {} if since is None else {"since": parse_past(since, now(), reach.zone)}
        reply = reach.ask("retry", failed=True, by=reach.user, **moment)
    else:
        reply = reach.ask("retry", runs=runs, by=reach.user)
    if json:
        pairs = [{key: pair.get(key) for key in ("run", "new", "job")} for pair in reply["retried"]]
        say_json({"retried": pairs})
        return
    for pair in reply["retried"]:
        say(f"Run {pair['run']} again as run {pair['new']}.")
    if not reply["retried"]:
        remark("Nothing to retry.")
