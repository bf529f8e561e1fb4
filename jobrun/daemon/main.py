"""The daemon's process: lock, store, plan, recovery, service, shutdown.

`run` is what `jobrun daemon` calls. Everything that can be refused (a taken
lock, a bad job file, a database of a newer version) is refused before the
first process is touched.
"""

import asyncio
import gc
import os

from jobrun.conf.hosttime import host_timezone
from jobrun.conf.paths import Places
from jobrun.conf.read import read_job_file
from jobrun.daemon.lock import Lock, locked
from jobrun.daemon.log import Log
from jobrun.daemon.service import Service
from jobrun.daemon.writer import Writer
from jobrun.domain.errors import ExitCode, JobrunError
from jobrun.domain.job import OnStop
from jobrun.proc.cgroup import Delegated, find_delegated
from jobrun.proc.inheritance import clean_inheritance, raise_open_files

# How many objects may come to be before the collector looks for rings among them, and how many of its looks
# go by before it looks at older ones. A run under way is some thirty objects, and hardly any is part of a
# ring: with Python's own 700 the collector walks through all waiting runs many times a second.
_COLLECT_AFTER = (10_000, 20, 50)


def run(places: Places, *, log_format: str, log_level: str, on_stop: str | None) -> int:
    """Serve one state directory until told to stop; the exit code of the process."""
    gc.set_threshold(*_COLLECT_AFTER)
    clean_inheritance()
    raise_open_files()
    cgroups = find_delegated()
    log = Log(log_format, log_level)
    _prepare(places)
    try:
        with locked(places.lock) as lock:
            _serve(places, log, lock, cgroups=cgroups, on_stop=OnStop(on_stop) if on_stop else None)
    finally:
        log.close()
    return ExitCode.OK


def _serve(
    places: Places, log: Log, lock: Lock, *, cgroups: Delegated | None, on_stop: OnStop | None
) -> None:
    # A job that calls jobrun means the daemon that runs it, wherever that was told its places.
    told = {"JOBRUN_CONFIG": str(places.config), "JOBRUN_STATE_DIR": str(places.state_dir)}
    environ = {**os.environ, **told}
    job_file = read_job_file(places.config, host_timezone=host_timezone(environ))
    writer = Writer(places.database)
    try:
        service = Service(
            places, job_file, writer, log, lock=lock, on_stop=on_stop, cgroups=cgroups, environ=environ
        )
        asyncio.run(service.serve())
    finally:
        writer.close()


def _prepare(places: Places) -> None:
    """Make the directories of the state, for the daemon's user alone."""
    for directory in (places.state_dir, places.attempts, places.logs, places.socket.parent):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JobrunError(
                f"The directory {directory} cannot be made ({(error.strerror or '').lower()}).",
                "Choose another state directory with --state-dir, or change the permissions.",
            ) from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise JobrunError(
                f"The directory {directory} is not writable.",
                "Choose another state directory with --state-dir, or change the permissions.",
            )
