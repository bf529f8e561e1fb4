"""`jobrun checkpoint`: the files from which a further attempt, or another run, can go on."""

from enum import StrEnum
from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import Reach, reach_of
from jobrun.domain.errors import ExitCode, UsageError

EXAMPLES = (
    (
        "jobrun checkpoint save model.pt --step 30 --meta loss=0.31",
        "in a job: keep a copy for step 30",
    ),
    ("jobrun checkpoint latest", "in a job: the file to go on from; exit 1 if there is none"),
    ("jobrun checkpoint list 41", "anywhere: what run 41 has kept"),
)


class Action(StrEnum):
    """What to do about checkpoints."""

    SAVE = "save"
    LIST = "list"
    LATEST = "latest"


def command(
    context: typer.Context,
    *,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="save, list or latest.")],
    target: Annotated[
        str | None,
        typer.Argument(metavar="FILE|RUN", help="The file to save; or the run to ask about (else this one)."),
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="N", help="Of save: the step that the file belongs to.")
    ] = None,
    meta: options.Meta = None,
    json: options.Json = False,
) -> int:
    """Keep files to go on from, or find them again.

    For jobs whose table in the job file says `checkpoint`. `save` is for use inside a job: the file (or
    folder) is registered for its step, and prints where it is kept. One that lies outside the job's
    checkpoint directory ($JOBRUN_CHECKPOINT_DIR) is copied into it. Only the newest are kept, as many as
    the job's checkpoint.keep says.

    `latest` prints the path to go on from, which also takes in what the run was asked to resume from, or
    prints nothing and exits with 1; in a job with checkpoint.resume = false only what this attempt has
    saved counts. `list` shows what is kept. Both answer for any RUN, outside a job too.
    """
    reach = reach_of(context)
    if action is Action.SAVE:
        return _save(target, step, meta or [], json=json)
    if step is not None or meta:
        raise UsageError("--step and --meta go with `jobrun checkpoint save FILE`.")
    if target is not None and not target.isdecimal():
        raise UsageError(f'"{target}" is not the number of a run.', "`jobrun history` lists the runs.")
    run = None if target is None else int(target)
    return _latest(reach, run, json=json) if action is Action.LATEST else _list(reach, run, json=json)


def _save(file: str | None, step: str | None, meta: list[str], *, json: bool) -> int:
    from jobrun.cli.inside import save_checkpoint

    if file is None or step is None:
        raise UsageError("Name the file and its step.", "Write: jobrun checkpoint save FILE --step N")
    path = save_checkpoint(file, step, meta)
    if json:
        say_json({"path": path})
    else:
        say(path)
    return ExitCode.OK


def _latest(reach: Reach, run: int | None, *, json: bool) -> int:
    if run is None:
        from jobrun.cli.inside import latest_checkpoint

        path = latest_checkpoint()
    else:
        from jobrun.cli.kept import newest_of

        path = newest_of(reach, run)
    if json:
        say_json({"path": path})
    elif path is not None:
        say(path)
    return ExitCode.FAILED if path is None else ExitCode.OK


def _list(reach: Reach, run: int | None, *, json: bool) -> int:
    from jobrun.cli.kept import checkpoint_shape, checkpoints_table, kept_by, kept_here

    entries = kept_here() if run is None else kept_by(reach, run)
    if json:
        say_json({"checkpoints": [checkpoint_shape(entry, reach.zone) for entry in entries]})
    elif entries:
        from jobrun.cli.cells import Look

        look = Look(reach)
        look.print(checkpoints_table(entries, look))
    else:
        remark("No checkpoint is kept.")
    return ExitCode.OK
