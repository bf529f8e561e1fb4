"""What `run` and `submit` share: telling about the new run, waiting for it, following its output."""

from typing import Annotated, Any

import typer

from jobrun.cli.moments import localize, parse_future, parse_span
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import Reach, now
from jobrun.cli.waiting import ending_line, outcome_words, verdict_of, wait_for
from jobrun.domain.errors import ExitCode, UsageError
from jobrun.domain.instants import Instant

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end; exit 1 unless it succeeded.")]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Print its output while it runs, and wait for its end.")
]
In = Annotated[str | None, typer.Option("--in", metavar="SPAN", help='Start after this time, such as "10m".')]
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help='Start then: "23:30", "2026-03-01T03:00".')
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="K=V", help="Set a variable; K alone copies yours."),
]
Priority = Annotated[
    int | None, typer.Option("--priority", metavar="N", help="Its place in the queue; lower starts first.")
]


def refuse_json_of_output(*, follow: bool, json: bool) -> None:
    """Raise UsageError for --follow with --json: the output is bytes, as the job wrote them."""
    if follow and json:
        raise UsageError(
            "--follow prints the output as it comes; it does not go with --json.",
            "--wait --json tells the end in JSON, and `jobrun logs RUN --json` the output.",
        )


def start_at(in_: str | None, at: str | None, reach: Reach) -> Instant | None:
    """The moment that --in or --at names. Raises UsageError if both are given."""
    if in_ is not None and at is not None:
        raise UsageError("Give --in or --at, not both.")
    if in_ is not None:
        return now() + parse_span(in_, "--in")
    return None if at is None else parse_future(at, now(), reach.zone)


def report_start(
    reach: Reach,
    name: str,
    reply: dict[str, Any],
    at: Instant | None,
    *,
    wait: bool,
    follow: bool,
    json: bool,
) -> int:
    """Tell what became of the request, and see the run through if asked to."""
    run = int(reply["run"])
    if reply.get("outcome") is None and (wait or follow):
        return _follow(reach, run) if follow else _see_through(reach, run, json=json)
    if json:
        say_json({"run": run, "job": name, "state": reply["state"], "outcome": reply.get("outcome")})
    elif reply.get("outcome") is not None:
        detail = f": {reply['detail']}" if reply.get("detail") else ""
        say(f"Run {run} of {name} {outcome_words(reply['outcome'])}{detail}.")
    elif at is not None:
        say(f"Run {run} of {name} starts at {localize(at, reach.zone).isoformat(timespec='seconds')}.")
    else:
        say(f"Run {run} of {name} is {reply['state']}.")
    return ExitCode.OK if reply.get("outcome") in (None, "succeeded") else ExitCode.FAILED


def _see_through(reach: Reach, run: int, *, json: bool) -> int:
    endings, timed_out = wait_for(reach, [run], None)
    if json:
        say_json({"runs": endings, "timed_out": timed_out})
    else:
        say(ending_line(endings[0]))
    return verdict_of(endings, timed_out=timed_out)


def _follow(reach: Reach, run: int) -> int:
    from jobrun.cli.follow import follow_run

    # From the first attempt: a quick one may have ended before this command came to look.
    follow_run(reach, run, attempt=1)
    endings, timed_out = wait_for(reach, [run], None)
    remark(ending_line(endings[0]))
    return verdict_of(endings, timed_out=timed_out)
