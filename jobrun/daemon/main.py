"""The daemon's process: lock, store, plan, recovery, service, shutdown.

`run` is what `jobrun daemon` calls. Everything that can be refused (a taken
lock, a bad job file, a database of a newer version) is refused before the
first process is touched.
"""

import asyncio
import fcntl
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobrun.conf.hosttime import host_timezone
from jobrun.conf.paths import Places
from jobrun.conf.read import read_job_file
from jobrun.daemon.log import Log
from jobrun.daemon.service import Service
from jobrun.daemon.writer import Writer
from jobrun.domain.errors import Conflict, ExitCode, JobrunError
from jobrun.domain.job import OnStop
from jobrun.proc.cgroup import find_delegated
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
    with _locked(places.lock):
        # A job that calls jobrun means the daemon that runs it, wherever that was told its places.
        told = {"JOBRUN_CONFIG": str(places.config), "JOBRUN_STATE_DIR": str(places.state_dir)}
        environ = {**os.environ, **told}
        job_file = read_job_file(places.config, host_timezone=host_timezone(environ))
        writer = Writer(places.database)
        try:
            service = Service(
                places,
                job_file,
                writer,
                log,
                on_stop=OnStop(on_stop) if on_stop else None,
                cgroups=cgroups,
                environ=environ,
            )
            asyncio.run(service.serve())
        finally:
            writer.close()
    return ExitCode.OK


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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the state directory's lock. A lock of the kernel's, so a dead daemon never holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JobrunError(
            f"The lock {path} cannot be opened ({(error.strerror or '').lower()}).",
            "The state directory must be writable for the daemon's user.",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise Conflict(
                f"Another daemon (pid {holder}) serves the state directory {path.parent}.",
                "One state directory serves one daemon: stop it with `jobrun stop`, or use --state-dir.",
            ) from error
        seen = os.fstat(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        # The file's time says when a daemon was last alive; it stays until this one has read it.
        os.utime(descriptor, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        yield
    finally:
        os.close(descriptor)
