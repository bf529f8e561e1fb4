"""The files of an attempt: where they lie, and the status file's text.

The status file is made before the process and filled to its final size, then
overwritten in place by the surrounding sh, so that a full disk cannot lose an
exit status. Its time of last change is the end of the command.
"""

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobrun.domain.instants import Duration, Instant, to_datetime
from jobrun.domain.run import Exit, Fence
from jobrun.proc.refusal import refused

STATUS_SIZE = 256
_PRIVATE = 0o600
_WAITS = b"waits\n"
_BEGAN = b"began\n"
_STATUS = re.compile(rb"began\nexit (\d{1,3})\n([^\n]*)\n([^\n]*)\nend\n")
_TIME = re.compile(rb"(\d+)m(\d+(?:[.,]\d+)?)s")
_LAST_SIGNAL = 64


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """Where the files of one attempt lie. `err` is None when both streams share `out`."""

    status: Path
    out: Path
    err: Path | None
    state_dir: Path

    @property
    def streams(self) -> list[tuple[str, Path]]:
        """The output files by the name of their stream."""
        return [("out", self.out)] + ([("err", self.err)] if self.err is not None else [])


def attempt_files(
    fence: Fence, *, attempts_dir: Path, logs_dir: Path, opened_at: Instant, split: bool
) -> AttemptFiles:
    """The files of an attempt, derived from its fence and the (UTC) day it was opened."""
    day = logs_dir / f"{to_datetime(opened_at):%Y-%m-%d}"
    return AttemptFiles(
        status=attempts_dir / f"{fence}.status",
        out=day / f"{fence}.out",
        err=day / f"{fence}.err" if split else None,
        state_dir=logs_dir.parent,
    )


def open_status(path: Path) -> int:
    """Create the status file at its full size and open it for the sh, which inherits it as stdin.

    Raises SpawnRefused.
    """
    fd = _open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, "create the status file")
    try:
        os.pwrite(fd, _WAITS.ljust(STATUS_SIZE - 1) + b"\n", 0)
    except OSError as error:
        os.close(fd)
        raise refused(error, f"write the status file {path}", ours=True) from error
    return fd


def open_log(path: Path, owner: tuple[int, int] | None) -> int:
    """Open an output file for appending; it belongs to the job's user, so /dev/stderr works there.

    Raises SpawnRefused.
    """
    fd = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "open the log file")
    if owner is not None:
        with suppress(OSError):
            os.fchown(fd, *owner)
    return fd


def _open(path: Path, flags: int, doing: str) -> int:
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            return os.open(path, flags, _PRIVATE)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, flags, _PRIVATE)
    except OSError as error:
        raise refused(error, f"{doing} {path}", ours=True) from error


def remove_unused(files: AttemptFiles) -> None:
    """Remove what was made for a process that could not be started; earlier output stays."""
    with suppress(OSError):
        files.status.unlink()
    for _, path in files.streams:
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


def read_status(path: Path) -> Exit | None:
    """How the command ended, as the surrounding sh wrote it down; None if it did not get to it."""
    try:
        with path.open("rb") as file:
            raw, changed = file.read(STATUS_SIZE * 4), os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None
    match = _STATUS.match(raw)
    if match is None:
        return None
    exit_code, signal = split_status(int(match[1]))
    own, children = _times(match[2]), _times(match[3])
    known = own is not None and children is not None
    return Exit(
        ended_at=changed // 1000,
        exit_code=exit_code,
        signal=signal,
        user_time=own[0] + children[0] if known and own and children else None,
        system_time=own[1] + children[1] if known and own and children else None,
    )


def has_begun(path: Path) -> bool:
    """Whether the surrounding sh took its first step, so that the command may have run."""
    try:
        with path.open("rb") as file:
            return file.read(len(_BEGAN)) == _BEGAN
    except OSError:
        return False


def never_began(path: Path) -> bool:
    """Whether the file is as it was made: the sh ends rather than run the command without that mark."""
    try:
        with path.open("rb") as file:
            return file.read(len(_WAITS)) == _WAITS
    except OSError:
        return False


def split_status(status: int) -> tuple[int | None, int | None]:
    """A shell's `$?` as (exit code, signal), one of them None.

    128 + n is death by signal n in every shell; above the last signal (64) it
    can only be an exit code (ssh returns 255).
    """
    if 128 < status <= 128 + _LAST_SIGNAL:
        return None, status - 128
    return status, None


def _times(line: bytes) -> tuple[Duration, Duration] | None:
    """User and system time of one line of the `times` built-in; a locale may write a comma."""
    found = [
        int(minutes) * 60_000_000 + round(float(rest.replace(b",", b".")) * 1_000_000)
        for minutes, rest in _TIME.findall(line)
    ]
    return (found[0], found[1]) if len(found) == 2 else None


def now() -> Instant:
    """The wall clock, for a process whose end left no other time."""
    return time.time_ns() // 1000
