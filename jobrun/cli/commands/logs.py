"""`jobrun logs`: what a run printed."""

import base64
from typing import Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.findrun import find_run, never_ran
from jobrun.cli.output import remark, say_json
from jobrun.cli.reach import Reach, reach_of
from jobrun.domain.errors import NotFound, UsageError
from jobrun.store.views import AttemptRow, RunRow

EXAMPLES = (
    ("jobrun logs backup", "the output of the job's last run"),
    ("jobrun logs 41 -n 20", "the last lines of run 41"),
    ("jobrun logs -f backup", "follow it, over its retries, until the run ends"),
)


def command(
    context: typer.Context,
    *,
    target: Annotated[
        str, typer.Argument(metavar="RUN|JOB", help="A run's number, or a job for its last run.")
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended, over its attempts.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", metavar="N", min=1, help="This attempt (else the last).")
    ] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", min=0, help="Only the last lines.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only what went to stdout.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only what went to stderr.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="On a terminal: the bytes as they are, escapes included.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print what a run printed.

    A job with `output = "split"` has two streams; they go to stdout and stderr here too, unless one is
    chosen. Output over the job's log_max has its middle cut out, with a line that says how much.

    In a pipe the bytes are passed on as they are. On a terminal, colours stay and every other control
    character is spelled out (such as \\x1b), so output cannot drive the terminal; --raw passes all.
    """
    if json and follow:
        raise UsageError("--json prints what there is; it does not go with --follow.")
    if json and raw:
        raise UsageError("--raw is about a terminal; it does not go with --json.", "JSON has every byte.")
    if stdout and stderr:
        raise UsageError("Give --stdout or --stderr, not both.", "Without either, both are printed.")
    streams = ("err",) if stderr else ("out",) if stdout else ("out", "err")
    reach = reach_of(context)
    row = _find_run(reach, target)
    if follow:
        from jobrun.cli.follow import follow_run
        from jobrun.cli.waiting import ending_line, wait_for

        follow_run(reach, row.run.id, attempt=attempt, streams=streams, lines=lines, raw=raw)
        endings, _ = wait_for(reach, [row.run.id], 0)
        for end in endings:
            remark(ending_line(end))
        return
    found = _find_attempt(reach, row, attempt)
    if json:
        say_json(_shape(reach, row, found, streams, lines))
    elif found is None:
        remark(f"Run {row.run.id} of {row.run.job} has not started anything ({row.run.state}).")
    else:
        _print(reach, row, found, streams, lines, raw=raw)


def _find_run(reach: Reach, target: str) -> RunRow:
    """The run of that number, else the job's newest run that had a process. Raises NotFound."""
    if target.isdigit():
        return find_run(reach, int(target))
    history = reach.history if reach.has_store else None
    row = history and (history.last_run(target, has_started=True) or history.last_run(target))
    if not row:
        raise never_ran(reach, target)
    return row


def _find_attempt(reach: Reach, row: RunRow, number: int | None) -> AttemptRow | None:
    """The attempt of that number, else the last. Raises NotFound for a number that is not there."""
    attempts = reach.history.attempts(row.run.id)
    if number is None:
        return attempts[-1] if attempts else None
    for attempt in attempts:
        if attempt.fence.attempt == number:
            return attempt
    raise NotFound(f"Run {row.run.id} has no attempt {number}.", f"It has had {len(attempts)}.")


def _print(
    reach: Reach, row: RunRow, attempt: AttemptRow, streams: tuple[str, ...], lines: int | None, *, raw: bool
) -> None:
    from jobrun.cli.attemptlog import last_lines, read_stream
    from jobrun.cli.logsink import sinks

    outputs = reach.history.outputs(row.run.id)
    for stream, sink in sinks(streams, raw=raw).items():
        pieces = read_stream(reach, attempt, outputs, stream)
        sink.write(pieces if lines is None else last_lines(pieces, lines))
        sink.finish()


def _shape(
    reach: Reach, row: RunRow, attempt: AttemptRow | None, streams: tuple[str, ...], lines: int | None
) -> dict[str, Any]:
    from jobrun.cli.attemptlog import last_lines, read_stream

    told: list[dict[str, Any]] = []
    outputs = reach.history.outputs(row.run.id)
    for stream in streams if attempt is not None else ():
        assert attempt is not None
        pieces = read_stream(reach, attempt, outputs, stream)
        body = b"".join(pieces if lines is None else last_lines(pieces, lines))
        kept = next((o for o in outputs if o.fence == attempt.fence and o.stream == stream), None)
        if kept is None and not body:
            continue
        told.append(
            {
                "stream": stream,
                "size": kept.size if kept is not None else None,
                "dropped": kept.dropped if kept is not None else None,
                **_text_shape(body),
            }
        )
    return {
        "run": row.run.id,
        "job": row.run.job,
        "attempt": attempt.fence.attempt if attempt is not None else None,
        "ended": attempt is not None and attempt.end is not None,
        "outputs": told,
    }


def _text_shape(body: bytes) -> dict[str, str | None]:
    """Bytes as text; bytes that are not UTF-8 as text with U+FFFD, and whole in base64."""
    try:
        return {"text": body.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": body.decode(errors="replace"), "base64": base64.b64encode(body).decode()}
