"""Finding the run that a command is about, and the words for one that is not there."""

from jobrun.cli.reach import Reach
from jobrun.domain.errors import NotFound
from jobrun.store.views import RunRow


def find_run(reach: Reach, run_id: int) -> RunRow:
    """The run of that number. Raises NotFound."""
    row = reach.history.run(run_id) if reach.has_store else None
    if row is None:
        raise NotFound(f"There is no run {run_id}.", "`jobrun history` lists the runs that are kept.")
    return row


def never_ran(reach: Reach, job: str) -> NotFound:
    """The error for a job of which there is no such run. Raises NotFound if there is no such job."""
    if not reach.has_store:
        return NotFound("There are no runs yet: no daemon has run here.", "Start one with `jobrun daemon`.")
    if reach.history.job(job) is not None:
        return NotFound(f"{job} has not run yet.", f"Start it with `jobrun run {job}`.")
    from jobrun.cli.known import unread_job

    unread_job(reach, job)
    return NotFound(f"{job} has not run yet: no daemon has read it.", "Start one with `jobrun daemon`.")
