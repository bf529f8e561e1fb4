"""Options and arguments that several commands share, so that they read the same everywhere."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON; its shape is in docs/json.md.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's name.")]
OptionalJob = Annotated[str | None, typer.Argument(metavar="JOB", help="Only this job.")]
Runs = Annotated[list[int], typer.Argument(metavar="RUN", help="The numbers of the runs.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Refresh every second; Ctrl-C ends.")]
QueueOption = Annotated[str | None, typer.Option("--queue", "-q", metavar="QUEUE", help="Only this queue.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help='From this moment on: "2h" (ago), "yesterday", "2026-03-01T03:00".'
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to this moment, written like --since.")
]
Meta = Annotated[
    list[str] | None,
    typer.Option("--meta", metavar="K=V", help="A fact beside it, as JSON or text; may be repeated."),
]
# What `add` and `submit` say of a job.
Python = Annotated[
    str | None,
    typer.Option("--python", metavar="TARGET", help='Call this "module:function", or run this .py.'),
]
Args = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="VALUE", help="An argument of the function, as JSON or text."),
]
Kwargs = Annotated[
    list[str] | None, typer.Option("--kwarg", metavar="K=V", help="A keyword argument of the function.")
]
Interpreter = Annotated[
    str | None, typer.Option("--interpreter", metavar="FILE", help="The Python that calls the function.")
]
Isolation = Annotated[
    str | None,
    typer.Option("--isolation", metavar="HOW", help="warm: in a lasting worker; fresh: in a new process."),
]
Pool = Annotated[
    str | None, typer.Option("--pool", metavar="POOL", help="The pool of workers that calls the function.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="JSON|@FILE|-", help="Data for it: JSON, from a file, or from stdin."),
]
RetryOn = Annotated[
    list[str] | None,
    typer.Option(
        "--retry-on",
        metavar="WHAT",
        help='Try again only after this: 75, "signal:KILL", "timed_out", "ConnectionError"; may be repeated.',
    ),
]
Queue = Annotated[str | None, typer.Option("--queue", "-q", metavar="QUEUE", help="The queue it runs in.")]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="SPAN", help="Stop an attempt after this time.")
]
Attempts = Annotated[
    int | None, typer.Option("--attempts", metavar="N", help="How often to try, the first included.")
]
Delay = Annotated[
    str | None, typer.Option("--delay", metavar="SPAN", help="The wait before the second attempt.")
]
Memory = Annotated[
    str | None, typer.Option("--memory", metavar="SIZE", help='Limit of memory, such as "512M".')
]
