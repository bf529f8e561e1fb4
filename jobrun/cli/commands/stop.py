"""`jobrun stop`: the end of the daemon."""

import time
from typing import Annotated

import typer

from jobrun.cli.commands.daemon import StopMode
from jobrun.cli.output import remark, say
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun stop", "let running jobs end as the job file says, then stop"),
    ("jobrun stop --mode leave", "stop the daemon only; the next one takes its jobs over"),
)

_POLL = 0.1


def command(
    context: typer.Context,
    mode: Annotated[
        StopMode | None,
        typer.Option(
            "--mode",
            help="drain: wait for running jobs, then stop them; leave: let them run on for the next daemon; "
            "kill: stop them at once.",
        ),
    ] = None,
    kill_jobs: Annotated[bool, typer.Option("--kill-jobs", help="The same as --mode kill.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it has ended.")] = False,
) -> None:
    """Stop the daemon.

    Nothing new starts from now on. What becomes of running jobs is said by --mode, else by `on_stop` in
    the job file. An attempt that the stop interrupts is given back: it does not count as a failure.
    Asked again while the daemon waits for jobs, another --mode says what becomes of those; without one
    the command waits as well.
    """
    if kill_jobs:
        if mode not in (None, StopMode.KILL):
            raise UsageError(f"--kill-jobs and --mode {mode.value} contradict each other.", "Leave one away.")
        mode = StopMode.KILL
    reach = reach_of(context)
    pid = reach.ask("ping").get("pid")
    reach.ask("stop", **({} if mode is None else {"mode": mode.value}))
    if no_wait:
        say("The daemon is stopping.")
        return
    told, begun = False, time.monotonic()
    while (answer := reach.ping()) is not None and answer.get("pid") == pid:
        if not told and time.monotonic() - begun > 1 and answer.get("running"):
            running = answer["running"]
            remark(f"Waiting for {running} running {'job' if running == 1 else 'jobs'}.")
            told = True
        time.sleep(_POLL)
    say("The daemon has stopped.")
