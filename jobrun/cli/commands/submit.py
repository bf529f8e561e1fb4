"""`jobrun submit`: one command, once, with everything a job has."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from jobrun.cli import options, starting
from jobrun.cli.jobtable import conditions, env_table, python_table, said
from jobrun.cli.payload import read_data
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import UsageError

EXAMPLES = (
    ("jobrun submit -- make -j2 all", "run it in this directory, under the daemon's supervision"),
    (
        "jobrun submit --name nightly --in 6h --timeout 2h -- './build.sh && ./publish.sh'",
        "later",
    ),
    ("jobrun submit -w --python shop.tasks:refund --data '{\"order\": 41}'", "a function, with data"),
)


def command(
    context: typer.Context,
    *,
    words: Annotated[list[str] | None, typer.Argument(metavar="CMD", help="The command, after `--`.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it (else the program's name).")
    ] = None,
    python: options.Python = None,
    arg: options.Args = None,
    kwarg: options.Kwargs = None,
    interpreter: options.Interpreter = None,
    isolation: options.Isolation = None,
    pool: options.Pool = None,
    data: options.Data = None,
    queue: options.Queue = None,
    wait: starting.Wait = False,
    follow: starting.Follow = False,
    in_: starting.In = None,
    at: starting.At = None,
    timeout: options.Timeout = None,
    attempts: options.Attempts = None,
    delay: options.Delay = None,
    retry_on: options.RetryOn = None,
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
    program with its arguments. --python takes the place of the command; the function's module is looked
    for in this directory first.

    It runs in this directory, but with the daemon's environment, not with yours; see --env.
    """
    starting.refuse_json_of_output(follow=follow, json=json)
    reach = reach_of(context)
    body = python_table(
        python, words, arg=arg, kwarg=kwarg, interpreter=interpreter, isolation=isolation, pool=pool
    )
    if not body:
        raise UsageError(
            "There is nothing to run.",
            "Write: jobrun submit [options] -- CMD..., or --python with a function.",
        )
    moment = starting.start_at(in_, at, reach)
    directory = Path.cwd() if cwd is None else Path(cwd).absolute()
    table = said(
        queue=queue,
        timeout=timeout,
        attempts=attempts,
        delay=delay,
        retry_on=conditions(retry_on),
        extends=extends,
        env=env_table(env),
        limits=said(memory=memory),
        cwd=str(directory),
        **_placed(body),
    )
    request = said(
        name=name or _name_of(words[0].split()[:1] if words else [str(python)]), at=moment, priority=priority
    )
    if data is not None:
        request["data"] = read_data(data)
    reply = reach.ask("submit", table=table, by=reach.user, **request)
    label = str(reply.get("job") or name or "submit")
    return starting.report_start(reach, label, reply, moment, wait=wait, follow=follow, json=json)


def _placed(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the paths of a script and of an interpreter from here: the daemon is elsewhere."""
    python, interpreter = body.get("python"), body.get("interpreter")
    if python is not None and python.endswith(".py"):
        body["python"] = str(Path(python).absolute())
    if interpreter is not None and "/" in interpreter:
        body["interpreter"] = str(Path(interpreter).absolute())
    return body


def _name_of(words: list[str]) -> str | None:
    """The program's or the function's name, if it can be a name."""
    found = re.search(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", words[0]) if words else None
    return found[0] if found else None
