"""Telling a running daemon that the job files have changed."""

from jobrun.cli.reach import Reach
from jobrun.domain.errors import DaemonUnreachable, JobFileInvalid, JobrunError


def reload_if_running(reach: Reach) -> str:
    """Make a running daemon read its files again; the end of the sentence that says so.

    Whatever it refuses for, its error says too that the files are changed already.
    """
    try:
        if reach.ping() is None:
            return "; the daemon is not running"
        reach.ask("reload", dry_run=False)
    except JobFileInvalid as error:
        raise JobFileInvalid(_but(error), error.hint, error.problems) from error
    except JobrunError as error:
        raise type(error)(_but(error), error.hint) from error
    return "; the daemon has read it"


def _but(error: JobrunError) -> str:
    unknown = isinstance(error, DaemonUnreachable)
    it = "may not have read it" if unknown else "goes on by what it read before"
    return f"The job's file is changed, but the daemon {it}: {error.sentence}"
