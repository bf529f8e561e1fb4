"""The spool: the files by which a running job and the daemon speak to each other.

A job of the daemon's own account writes beside the status files. A job of
another account gets a folder of its own there, `u<uid>`, which that account
owns; whatever lies in it may be something else than it seems, so everything is
read as a regular file of bounded size, and never followed anywhere.
"""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobrun.domain.instants import Instant
from jobrun.domain.report import Progress, Report, json_text, read_progress, read_report, read_span
from jobrun.domain.run import Exit, Fence, ProcessIdentity
from jobrun.proc.account import Account
from jobrun.proc.files import STATUS_SIZE, AttemptFiles, first_mark_at, read_status
from jobrun.proc.refusal import SpawnRefused, refused
from jobrun.proc.regular import is_in_the_way, make_regular, open_regular, read_regular, remove_file

LARGEST_REPORT = 4 << 20
# A result as it may lie in its file: with blanks, and escapes where UTF-8 needs a third of that.
_LARGEST_RESULT = 3 << 20
_SLOT = 1024
# Of an INTEGER in SQLite, and of a process: PID_MAX_LIMIT on 64 bits (proc(5)).
_LARGEST_INTEGER, _LARGEST_PID = (1 << 63) - 1, 1 << 22
_BOOT = re.compile(r"[\w-]{1,64}", re.ASCII)
_PRIVATE_FOLDER, _PRIVATE = 0o700, 0o600
_PASSABLE, _PASS = 0o711, 0o011


def prepare_spool(files: AttemptFiles, who: Account) -> None:
    """Make another account's folder, and let that account come to it. Raises SpawnRefused.

    The folders above may be passed through from then on, never read.
    """
    if who.switch is None or files.spool.exists():
        return
    above = files.spool.parent
    try:
        above.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
        for folder in (above, files.state_dir):
            folder.chmod(folder.stat().st_mode & 0o777 | _PASS)
        files.spool.mkdir(mode=_PRIVATE_FOLDER)
        os.chown(files.spool, who.switch[0], who.switch[1])
    except FileExistsError:
        return
    except OSError as error:
        raise refused(error, f"make the folder {files.spool}", ours=True) from error


def write_data(files: AttemptFiles, text: str, who: Account) -> None:
    """Write the run's data for the job to read. Raises SpawnRefused."""
    write_private(str(files.data), text.encode(), who, "write the run's data")


def write_private(path: str, content: bytes, who: Account, doing: str) -> None:
    """Write a file of the spool that the job's account alone may read. Raises SpawnRefused."""
    try:
        fd = make_regular(path)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if who.switch is not None:
                os.fchown(fd, who.switch[0], who.switch[1])
    except OSError as error:
        raise refused(error, f"{doing} {path}", ours=not is_in_the_way(error)) from error


def read_said(files: AttemptFiles) -> Report | None:
    """What the attempt said of itself; None if it said nothing. Odd contents count as nothing said."""
    prefix = files.prefix
    report = _object(_read(f"{prefix}.report", LARGEST_REPORT))
    if report is None:
        report = read_tail(str(files.status))
    return said(prefix, report)


def said(prefix: str, report: dict[str, Any] | None) -> Report | None:
    """The same, where the report is already known. `prefix` begins the paths of the attempt's files."""
    found = read_report(report) if report else Report()
    result = found.result
    if result is None and (text := _read(f"{prefix}.result", _LARGEST_RESULT)) is not None:
        result = _json_text(text)
    progress, retry_in = read_notes(f"{prefix}.notes")
    if result is None and found.error is None and progress is None and retry_in is None:
        return None
    return Report(result=result, error=found.error, progress=progress, retry_in=retry_in)


def find_progress(fence: Fence, attempts_dir: Path) -> Progress | None:
    """How far a running attempt says it is, for readers who do not know its account."""
    name = f"{fence}.notes"
    usual = attempts_dir / name
    path = usual if usual.exists() else next(attempts_dir.glob(f"u[0-9]*/{name}"), usual)
    return read_notes(str(path))[0]


def read_notes(path: str) -> tuple[Progress | None, int | None]:
    """Progress, and the wait (microseconds) after which the job wants to be tried again."""
    text = _read(path, 2 * _SLOT)
    if text is None:
        return None, None
    progress, wish = _object(text[:_SLOT]), _object(text[_SLOT:])
    wait = read_span(wish.get("retry_in")) if wish is not None else None
    return read_progress(progress) if progress is not None else None, wait


def read_tail(status: str) -> dict[str, Any] | None:
    """What a warm worker wrote behind the header of a status file: who it is, at the end when the call began
    and the report too."""
    try:
        fd = open_regular(status)
        with os.fdopen(fd, "rb") as file:
            file.seek(STATUS_SIZE)
            return _object(file.read(LARGEST_REPORT))
    except OSError:
        return None


def leader_of(status: str) -> ProcessIdentity | None:
    """The leader of the worker that took this call; None if no worker did."""
    tail = read_tail(status)
    leader = tail.get("leader") if tail is not None else None
    if not isinstance(leader, list) or len(leader) != 3:
        return None
    pid, ticks, boot = whole(leader[0], most=_LARGEST_PID), whole(leader[1]), leader[2]
    if not pid or ticks is None or not isinstance(boot, str) or not _BOOT.fullmatch(boot):
        return None
    return ProcessIdentity(pid, ticks, boot)


def worker_of(status: str) -> int | None:
    """The number of the worker that took this call; None if no worker did."""
    tail = read_tail(status)
    return whole(tail.get("worker")) if tail is not None else None


def whole(value: object, otherwise: Any = None, most: int = _LARGEST_INTEGER) -> Any:
    """A number from 0 that job code may have written, or what holds if it is none that can be."""
    return value if type(value) is int and 0 <= value <= most else otherwise


def call_began_at(status: str) -> Instant | None:
    """When the call began whose worker wrote this file, as it says; None if it does not say it."""
    tail = read_tail(status)
    if tail is None or "leader" not in tail:
        return None
    moment: Instant | None = whole(tail.get("begun"))
    if moment is None and read_status(Path(status)) is None:
        # Until the end of the call is written, the file's time is that of its only mark.
        return first_mark_at(Path(status))
    return moment


def worker_status(files: AttemptFiles) -> Path | None:
    """The status file of the worker that took the call: how it ended, whoever was there to see it."""
    number = worker_of(str(files.status))
    return None if number is None else files.spool.joinpath(f"{Fence(0, number)}.status")


def worker_files(status: Path) -> list[Path]:
    """What a worker has of its own: status, log, the files kept for its calls."""
    return list(status.parent.glob(f"{status.stem}.*"))


def drop_worker_files(status: Path) -> None:
    """Remove what a worker that has ended left of its own."""
    for path in worker_files(status):
        remove_file(path)


def worker_exit(files: AttemptFiles) -> Exit | None:
    """How the worker ended that took the call; None if it has not, or if no worker did."""
    path = worker_status(files)
    return None if path is None else read_status(path)


def mark_stop(prefix: str) -> None:
    """Let a worker know that the TERM which follows is meant for this call, not for the next one."""
    with suppress(OSError):
        os.close(os.open(f"{prefix}.stop", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))


def revoke(status: str) -> bool:
    """Take back a call that no worker has begun: whoever makes the status file first has it.

    True if it was ours to take. Raises SpawnRefused if the file cannot be made.
    """
    try:
        os.close(os.open(status, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))
    except FileExistsError:
        return False
    except OSError as error:
        raise SpawnRefused(error.errno or 5, f"cannot take back a call: {error.strerror}") from error
    return True


def _read(path: str, most: int) -> bytes | None:
    """The content of a file that a job may have written; None if there is none, or too much."""
    raw = read_regular(path, most + 1)
    return raw if raw is not None and len(raw) <= most else None


def _object(raw: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _json_text(raw: bytes) -> str | None:
    """The text of one JSON value in its shortest form; None if it is none that is kept."""
    try:
        return json_text(json.loads(raw))
    except (ValueError, RecursionError):
        return None
