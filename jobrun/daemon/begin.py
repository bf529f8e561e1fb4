"""How a call began that was over, or whose daemon had died, before anybody was told.

Its worker wrote it down in a file that job code can write too: what cannot be
is nothing said.
"""

from dataclasses import replace

from jobrun.domain.events import Spawned
from jobrun.domain.instants import Instant
from jobrun.domain.run import Exit, ProcessIdentity, Run, Starting
from jobrun.proc.files import CLOCK_GRAIN
from jobrun.proc.spool import call_began_at


def begin_of(run: Run, status: str, leader: ProcessIdentity, now: Instant) -> Spawned | None:
    """When the run's current attempt began, as its status file has it: after the intent, and not later than
    now. None if that is not known."""
    moment = call_began_at(status)
    intent = run.status.since if isinstance(run.status, Starting) else 0
    if moment is None or not intent - CLOCK_GRAIN < moment <= now:
        return None
    return Spawned(max(moment, intent), leader)


def end_after(began: Spawned | None, exit: Exit) -> Exit:
    """The end of that attempt, of which the time is a file's: it may be that of the last tick before."""
    if began is not None and 0 < began.at - exit.ended_at < CLOCK_GRAIN:
        return replace(exit, ended_at=began.at)
    return exit
