"""`jobrun daemon`: the daemon, in the foreground."""

from enum import StrEnum
from typing import Annotated

import typer

from jobrun.cli.reach import reach_of

EXAMPLES = (
    ("jobrun daemon", "run it in this terminal; Ctrl-C stops it"),
    ("jobrun --state-dir ./state --config ./jobs.toml daemon --log-format json", "a second one, apart"),
)


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    HUMAN = "human"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class StopMode(StrEnum):
    """What a stopping daemon does with running jobs."""

    DRAIN = "drain"
    LEAVE = "leave"
    KILL = "kill"


def command(
    context: typer.Context,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Lines for people, or one JSON object a line.")
    ] = LogFormat.HUMAN,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", help="The least that is logged.")
    ] = LogLevel.INFO,
    on_stop: Annotated[
        StopMode | None,
        typer.Option("--on-stop", help="What becomes of running jobs at the end (else as the file says)."),
    ] = None,
) -> int:
    """Run the daemon in the foreground.

    Logs to stderr. TERM or Ctrl-C stops it: new starts end at once, running jobs get the file's
    `shutdown_timeout`; a second signal forces. HUP makes it read the job file again. One state directory
    serves one daemon. See jobrun-daemon(8) for running it under systemd.
    """
    from jobrun.daemon.main import run

    return run(
        reach_of(context).places,
        log_format=log_format.value,
        log_level=log_level.value,
        on_stop=None if on_stop is None else on_stop.value,
    )
