"""`jobrun result`: what a run has come to."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.output import say_json, say_whole
from jobrun.cli.reach import Reach, reach_of
from jobrun.domain.errors import ExitCode, NotFound
from jobrun.domain.run import Done, Outcome
from jobrun.store.views import RunFilter, RunRow

EXAMPLES = (
    ("jobrun result 41", "what run 41 returned, as JSON"),
    ("jobrun result train", "of the job's last finished run"),
)

_MADE = tuple(outcome for outcome in Outcome if outcome is not Outcome.SKIPPED)


def command(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="RUN|JOB", help="A run's number, or a job for its last finished run.")
    ],
    json: options.Json = False,
) -> int:
    """Print the result of a run.

    A Python function's result is what it returns; any job can write one, as JSON, into the file that
    $JOBRUN_RESULT names. It is printed as the JSON text that is kept, on one line. A run without a result
    prints nothing on stdout, and the exit code is 5.

    With --json the result stands in an object, beside the run's number, job and outcome.
    """
    reach = reach_of(context)
    row = _find(reach, target)
    run, status = row.run, row.run.status
    text = reach.history.result(run.id)
    if json:
        from json import loads

        say_json(
            {
                "run": run.id,
                "job": run.job,
                "state": run.state,
                "outcome": status.outcome.value if isinstance(status, Done) else None,
                "result": None if text is None else loads(text),
            }
        )
        return ExitCode.OK if text is not None else ExitCode.CONFLICT
    if text is None:
        if not isinstance(status, Done):
            raise NotFound(
                f"Run {run.id} of {run.job} is unfinished ({run.state}) and has no result yet.",
                f"Wait for it: jobrun wait {run.id}",
            )
        raise NotFound(
            f"Run {run.id} of {run.job} ({status.outcome.value}) has no result.",
            f"See what it printed: jobrun logs {run.id}",
        )
    say_whole(text)
    return ExitCode.OK


def _find(reach: Reach, target: str) -> RunRow:
    """The run of that number, else the job's newest finished run that was not skipped. Raises NotFound."""
    from jobrun.cli.findrun import find_run, never_ran

    if target.isdecimal():
        return find_run(reach, int(target))
    if reach.has_store:
        rows = reach.history.runs(RunFilter(job=target, outcomes=_MADE), limit=1)
        if rows:
            return rows[0]
        row = reach.history.last_run(target, has_started=True)
        if row is not None:
            raise NotFound(f"No run of {target} has ended yet.", f"Wait for it: jobrun wait {row.run.id}")
    raise never_ran(reach, target)
