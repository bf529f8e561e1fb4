"""`jobrun submit`: one command, once, with everything a job has."""

import re
from pathlib import Path
from typing import Annotated

import typer

from jobrun.cli import options, starting
from jobrun.cli.jobtable import command_value, env_table, said
from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun submit -- make -j2 all", "run it in this directory, under the daemon's supervision"),
    (
        "jobrun submit --name nightly --in 6h --timeout 2h -- './build.sh && ./publish.sh'",
        "later",
    ),
    ("jobrun submit -f --attempts 3 -- ./flaky-test", "watch its output, try three times"),
)


def command(
    context: typer.Context,
    *,
    words: Annotated[list[str], typer.Argument(metavar="CMD", help="The command, after `--`.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it (else the program's name).")
    ] = None,
    queue: options.Queue = None,
    wait: starting.Wait = False,
    follow: starting.Follow = False,
    in_: starting.In = None,
    at: starting.At = None,
    timeout: options.Timeout = None,
    attempts: options.Attempts = None,
    delay: options.Delay = None,
    extends: Annotated[
        str | None,
        typer.Option("--template", metavar="NAME", help="A template of the job file."),
    ] = None,
    env: starting.Env = None,
    cwd: Annotated[
        str | None, typer.Option("--cwd", metavar="DIR", help="The working directory (else this one).")
    ] = None,
    memory: options.Memory = None,
    priority: starting.Priority = None,
    json: options.Json = False,
) -> int:
    """Run a command once, supervised and recorded.

    The command gets what a job gets: its own process tree, limits, retries, a log and a place in the
    history. It survives this terminal. One word after `--` is text for /bin/sh; several words are a
    program with its arguments.

    It runs in this directory, but with the daemon's environment, not with yours; see --env.
    """
    reach = reach_of(context)
    moment = starting.start_at(in_, at, reach)
    table = said(
        command=command_value(words),
        queue=queue,
        timeout=timeout,
        attempts=attempts,
        delay=delay,
        extends=extends,
        env=env_table(env),
        limits=said(memory=memory),
    )
    table["cwd"] = str(Path(cwd).absolute()) if cwd is not None else str(Path.cwd())
    request = said(name=name or _name_of(words), at=moment, priority=priority)
    reply = reach.ask("submit", table=table, by=reach.user, **request)
    label = str(reply.get("job") or name or "submit")
    return starting.report_start(reach, label, reply, moment, wait=wait, follow=follow, json=json)


def _name_of(words: list[str]) -> str | None:
    """The program's name, if it can be a name."""
    first = words[0].split()
    found = re.search(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", first[0]) if first else None
    return found[0] if found else None
