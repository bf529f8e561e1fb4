"""`jobrun init`: an example job file to start from."""

from pathlib import Path
from typing import Annotated

import typer

from jobrun.cli.output import remark, say
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import Conflict

EXAMPLES = (
    ("jobrun init", "write the example to the usual place"),
    ("jobrun --config ./jobs.toml init", "write it into this directory"),
)


def command(
    context: typer.Context,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it instead of writing it.")] = False,
) -> None:
    """Write an example job file to start from.

    The file is written to the place where the daemon looks for it (`--config`, $JOBRUN_CONFIG, else
    /etc/jobrun/jobs.toml for root and ~/.config/jobrun/jobs.toml for others). A file that is there is
    left alone.
    """
    from jobrun.conf.write import example_text, write_example

    if stdout:
        say(example_text().rstrip("\n"))
        return
    path: Path = reach_of(context).places.config
    if path.exists():
        raise Conflict(f"{path} is already there.", "It is left as it is; check it with `jobrun check`.")
    write_example(path)
    say(f"Wrote {path}.")
    remark("Next: `jobrun check`, then `jobrun daemon`.")
