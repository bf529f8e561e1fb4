"""Options and arguments that several commands share, so that they read the same everywhere."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON; its shape is in docs/json.md.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's name.")]
OptionalJob = Annotated[str | None, typer.Argument(metavar="JOB", help="Only this job.")]
Runs = Annotated[list[int], typer.Argument(metavar="RUN", help="The numbers of the runs.")]
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
# What `add` and `submit` say of a job.
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
