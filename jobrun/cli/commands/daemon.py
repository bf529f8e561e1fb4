"""`jobrun daemon`: the daemon, in the foreground."""

import fcntl
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from jobrun.cli.output import remark
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import Conflict, StoreCorrupt

if TYPE_CHECKING:
    from jobrun.conf.paths import Places

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
    set_aside_corrupt: Annotated[
        bool,
        typer.Option("--set-aside-corrupt", help="Rename a damaged database and begin with an empty one."),
    ] = False,
) -> int:
    """Run the daemon in the foreground.

    Logs to stderr. TERM or Ctrl-C stops it: new starts end at once, running jobs get the file's
    `shutdown_timeout`; a second signal stops them now, by TERM and after their `grace` KILL; a third kills
    them. HUP makes it read the job file again. One state directory serves one daemon. See jobrun-daemon(8)
    for running it under systemd.

    A damaged database is never replaced in silence: the daemon refuses to start, until a person restores a
    backup or says --set-aside-corrupt.
    """
    from jobrun.daemon.main import run

    places = reach_of(context).places
    if set_aside_corrupt:
        _set_aside(places)
    return run(
        places,
        log_format=log_format.value,
        log_level=log_level.value,
        on_stop=None if on_stop is None else on_stop.value,
    )


def _set_aside(places: "Places") -> None:
    """Rename the database if it is damaged. Raises Conflict while a daemon serves it."""
    from jobrun.store.damage import set_aside
    from jobrun.store.open import open_for_writing

    if not places.database.exists():
        return
    with places.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                "A daemon serves this state directory.", "Stop it first with `jobrun stop`."
            ) from None
        try:
            open_for_writing(places.database).close()
        except StoreCorrupt:
            path = set_aside(places.database, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            remark(f"The damaged database is set aside as {path}.")
        else:
            remark("The database is not damaged; it stays in use.")
