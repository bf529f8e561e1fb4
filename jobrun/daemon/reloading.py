"""Reading the job files again: by signal, by request, or because they changed.

A new file is read and checked whole, off the loop's thread, so that scheduling
goes on; then the engine takes it over in one batch. A bad file changes
nothing. Reloads happen one after the other, so the plan read last is the plan
in force.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from jobrun.conf.hosttime import host_timezone
from jobrun.conf.paths import Places
from jobrun.conf.read import JobFile, read_job_file
from jobrun.daemon.due import Dues
from jobrun.daemon.engine import Engine
from jobrun.daemon.housekeeping import FileWatch
from jobrun.daemon.inbox import PlanRead
from jobrun.daemon.notify import Notifier
from jobrun.daemon.replan import describe_change
from jobrun.domain.errors import JobFileInvalid, JobrunError, StoreTrouble
from jobrun.domain.instants import Instant


class Reloader:
    """Owns the job file as it was last taken over."""

    def __init__(
        self,
        places: Places,
        job_file: JobFile,
        engine: Engine,
        dues: Dues,
        *,
        notifier: Notifier,
        status_line: Callable[[], str],
        reloaded: Callable[[], None],
        environ: Mapping[str, str],
        now: Callable[[], Instant],
        log: Callable[..., None],
    ) -> None:
        self.job_file = job_file
        self._places = places
        self._engine = engine
        self._dues = dues
        self._notifier = notifier
        self._status_line = status_line
        self._reloaded = reloaded
        self._environ = environ
        self._now = now
        self._log = log
        self._watch = FileWatch(places)
        self._turn = asyncio.Lock()
        self._is_wanted = False

    async def preview(self) -> dict[str, Any]:
        """What a reload would change, in the words of the control socket. Raises JobFileInvalid."""
        job_file = await self._read()
        change = describe_change(self._engine.book, self._dues, job_file.plan, self._now())
        return {**change, "applied": False}

    async def reload(self) -> dict[str, Any]:
        """Read and take over; what changed. Raises JobFileInvalid or StoreTrouble, changing nothing."""
        async with self._turn:
            self._is_wanted = False
            self._notifier.reloading()
            try:
                return await self._take_over()
            except StoreTrouble:
                self._watch.forget()
                raise
            finally:
                self._notifier.ready(self._status_line())

    async def _take_over(self) -> dict[str, Any]:
        self._watch.applied()
        job_file = await self._read()
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._engine.post(PlanRead(job_file.plan, reply))
        change = await reply
        self.job_file = job_file
        self._reloaded()
        return change

    async def reload_unasked(self) -> None:
        """Reload for a signal or a changed file: a refusal goes to the log.

        While one waits for its turn, others are the same one: the files are read after all of them.
        """
        if self._is_wanted:
            return
        self._is_wanted = True
        try:
            await self.reload()
        except JobFileInvalid as error:
            self._log("reload.refused", error=error.sentence, problems=list(error.problems))
        except JobrunError as error:
            self._log("reload.refused", error=error.sentence, hint=error.hint)

    def has_changed_files(self) -> bool:
        """Whether the files are to be watched, differ from those read last, and have come to rest."""
        return self.job_file.plan.settings.watch and self._watch.has_settled_change()

    async def _read(self) -> JobFile:
        zone = host_timezone(self._environ)
        return await asyncio.to_thread(read_job_file, self._places.config, host_timezone=zone)
