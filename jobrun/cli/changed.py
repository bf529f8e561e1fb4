"""Telling a running daemon that the job files have changed."""

from jobrun.cli.reach import Reach


def reload_if_running(reach: Reach) -> str:
    """Make a running daemon read its files again; the end of the sentence that says so."""
    if reach.ping() is None:
        return "; the daemon is not running"
    reach.ask("reload", dry_run=False)
    return "; the daemon has read it"
