"""How a call began that was over, or whose daemon had died, before anybody was told.

Its worker wrote it down in a file that job code can write too: what cannot be
is nothing said.
"""

from dataclasses import replace

from jobrun.domain.events import Spawned
from jobrun.domain.instants import Instant
from jobrun.domain.run import Exit, ProcessIdentity, Run, Starting
from jobrun.proc.files import not_before
from jobrun.proc.spool import call_began_at


def begin_of(run: Run, status: str, leader: ProcessIdentity, now: Instant) -> Spawned | None:
    """When the run's current attempt began, as its status file has it: after the intent, and not later than
    now. None if that is not known."""
    moment, intent = call_began_at(status), admitted_at(run)
    if moment is None or not intent <= (moment := not_before(intent, moment)) <= now:
        return None
    return Spawned(moment, leader)


def admitted_at(run: Run) -> Instant:
    """The intent to start it, before which it cannot have begun; 0 once it is known to run."""
    return run.status.since if isinstance(run.status, Starting) else 0


def end_after(began: Spawned | None, exit: Exit) -> Exit:
    """The end of that attempt, of which the time is a file's: it may be that of the last tick before."""
    return exit if began is None else replace(exit, ended_at=not_before(began.at, exit.ended_at))
