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

from jobrun.domain.instants import LONGEST, Duration, Instant, to_datetime
from jobrun.domain.run import Exit, Fence
from jobrun.proc.refusal import refused
from jobrun.proc.regular import is_in_the_way, make_regular, open_regular, read_regular

STATUS_SIZE = 256
CLOCK_GRAIN = 20_000
"""How far a file's time may lie before the moment of the write, in microseconds: some ticks of the kernel."""
_WAITS = b"waits\n"
_BEGAN = b"began\n"
_STATUS = re.compile(rb"began\nexit (\d{1,3})\n([^\n]*)\n([^\n]*)\nend\n")
_TIME = re.compile(rb"(\d{1,15})m(\d{1,15}(?:[.,]\d{1,15})?)s")
_LAST_SIGNAL = 64


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """Where the files of one attempt lie. `err` is None when both streams share `out`.

    `spool` is where the job itself may write (notes, result, report); `day` is
    the folder in which output that is too large for the store stays. `warm`
    are those of a call, whose worker has files of its own beside them.
    """

    fence: Fence
    status: Path
    out: Path
    err: Path | None
    state_dir: Path
    spool: Path
    day: Path
    warm: bool = False

    @property
    def streams(self) -> list[tuple[str, Path]]:
        """The output files by the name of their stream."""
        return [("out", self.out)] + ([("err", self.err)] if self.err is not None else [])

    @property
    def prefix(self) -> str:
        """What the paths of the attempt's files in its spool begin with."""
        return f"{self.spool}/{self.fence}"

    @property
    def report(self) -> Path:
        """What a fresh Python call gives back: its result, or what it raised."""
        return self.spool / f"{self.fence}.report"

    @property
    def data(self) -> Path:
        """The run's data, for those who read files ($JOBRUN_DATA)."""
        return self.spool / f"{self.fence}.data"


# By which the daemon and the job's code speak to each other: what a job says while it runs, what a
# shell job and what a fresh call gives back, the run's data, a call too large for a message, and that
# a stop is meant for this call.
SPOKEN = ("notes", "result", "report", "data", "call", "stop")


def attempt_files(
    fence: Fence,
    *,
    attempts_dir: Path,
    logs_dir: Path,
    opened_at: Instant,
    split: bool,
    owner: int | None = None,
    warm: bool = False,
) -> AttemptFiles:
    """The files of an attempt, derived from its fence and the (UTC) day it was opened.

    `owner` is the uid of a job of another account: it gets a spool of its own.
    A warm worker makes status and output files itself, so they lie there too.
    """
    day = logs_dir / f"{to_datetime(opened_at):%Y-%m-%d}"
    spool = attempts_dir if owner is None else attempts_dir / f"u{owner}"
    streams = spool if warm else day
    return AttemptFiles(
        fence=fence,
        status=(spool if warm else attempts_dir) / f"{fence}.status",
        out=streams / f"{fence}.out",
        err=streams / f"{fence}.err" if split else None,
        state_dir=logs_dir.parent,
        spool=spool,
        day=day,
        warm=warm,
    )


def find_stream(fence: Fence, stream: str, *, attempts_dir: Path, logs_dir: Path, opened_at: Instant) -> Path:
    """Where an attempt's stream is written while it runs, for readers who do not know its job.

    `opened_at` says where to look first: a run that waited over midnight writes
    into the folder of the day it was created. The file need not exist.
    """
    name = f"{fence}.{stream}"
    usual = logs_dir / f"{to_datetime(opened_at):%Y-%m-%d}" / name
    if usual.exists():
        return usual
    others = (attempts_dir.glob(name), attempts_dir.glob(f"u[0-9]*/{name}"), logs_dir.glob(f"*/{name}"))
    return next((path for paths in others for path in paths), usual)


def open_status(path: Path) -> int:
    """Create the status file at its full size and open it for the sh, which inherits it as stdin.

    Raises SpawnRefused.
    """
    fd = _make(path, os.O_RDWR, "create the status file")
    try:
        os.pwrite(fd, _WAITS.ljust(STATUS_SIZE - 1) + b"\n", 0)
    except OSError as error:
        os.close(fd)
        raise refused(error, f"write the status file {path}", ours=True) from error
    return fd


def open_log(path: Path, owner: tuple[int, int] | None) -> int:
    """Make an output file, for appending; it belongs to the job's user, so /dev/stderr works there.

    Raises SpawnRefused.
    """
    fd = _make(path, os.O_WRONLY | os.O_APPEND, "open the log file")
    if owner is not None:
        with suppress(OSError):
            os.fchown(fd, *owner)
    return fd


def _make(path: Path, flags: int, doing: str) -> int:
    try:
        try:
            return make_regular(path, flags)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return make_regular(path, flags)
    except OSError as error:
        raise refused(error, f"{doing} {path}", ours=not is_in_the_way(error)) from error


def remove_unused(files: AttemptFiles) -> None:
    """Remove what was made for a process that could not be started."""
    with suppress(OSError):
        files.status.unlink()
    for _, path in files.streams:
        with suppress(OSError):
            if path.lstat().st_size == 0:
                path.unlink()


def read_status(path: Path) -> Exit | None:
    """How the command ended, as the surrounding sh wrote it down; None if it did not get to it."""
    try:
        fd = open_regular(path)
        with os.fdopen(fd, "rb") as file:
            raw, changed = file.read(STATUS_SIZE * 4), os.fstat(fd).st_mtime_ns
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


def has_begun(path: Path | str) -> bool:
    """Whether the surrounding sh took its first step, so that the command may have run."""
    return read_regular(path, len(_BEGAN)) == _BEGAN


def first_mark_at(path: Path) -> Instant:
    """When the first mark was written, as the file's time says, while there is no other mark."""
    try:
        return path.lstat().st_mtime_ns // 1000
    except OSError:
        return now()


def not_before(start: Instant, moment: Instant) -> Instant:
    """A file's time that follows on `start`: it is as coarse as a timer tick, and can lie a little before."""
    return start if 0 < start - moment < CLOCK_GRAIN else moment


def never_began(path: Path) -> bool:
    """Whether the file is as it was made: the sh ends rather than run the command without that mark."""
    return read_regular(path, len(_WAITS)) == _WAITS


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
    return (found[0], found[1]) if len(found) == 2 and max(found) <= LONGEST else None


def now() -> Instant:
    """The wall clock, for a process whose end left no other time."""
    return time.time_ns() // 1000
