"""What an attempt printed: cut to size while it runs, kept at its end.

The job writes straight into its file; nobody reads along, so nothing can
block it. `log_max` keeps the first half and the last half of that many bytes.
While the job runs the middle is given back to the disk as a hole, at its end
the file is written anew without it. Bytes are bytes: nothing is decoded here.

Cutting keeps count: size = head + dropped + tail, to the byte.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from jobrun.domain.records import OutputKept
from jobrun.domain.run import Fence
from jobrun.proc.files import SPOKEN, AttemptFiles
from jobrun.proc.punch import punch_hole
from jobrun.proc.regular import make_regular, open_regular, remove_file

SMALL = 16384
_BLOCK = 1 << 16
_CHUNK = 1 << 20
_MARKER = re.compile(rb"\n\[jobrun: (\d+) bytes dropped here\]\n")
_LONGEST_MARKER = 64


@dataclass(frozen=True, slots=True)
class Cut:
    """How a stream of `size` bytes is kept under `log_max`: head bytes, dropped bytes, tail bytes."""

    head: int
    dropped: int
    tail: int

    @property
    def marker(self) -> bytes:
        """The line that stands where the middle was."""
        return b"\n[jobrun: %d bytes dropped here]\n" % self.dropped if self.dropped else b""


def cut(size: int, log_max: int) -> Cut:
    """The cut for a stream of that many bytes; nothing is dropped up to `log_max`."""
    if size <= log_max:
        return Cut(size, 0, 0)
    head = log_max // 2
    tail = log_max - head
    return Cut(head, size - log_max, tail)


def keep_output(fence: Fence, files: AttemptFiles, log_max: int, small: int = SMALL) -> list[OutputKept]:
    """What each stream printed, as the store keeps it; an empty stream has no entry.

    Small outputs come back in `body`, and their file stays until `drop_files`,
    after they are durable. Larger ones stay as files, rewritten without their
    middle if they are over `log_max`. May be called again after a crash in between.
    """
    kept = []
    for stream, written in files.streams:
        try:
            fd, path = _open_output(written, files)
        except OSError:
            # The folder was deleted, the disk fails: the run's end is recorded all the same.
            continue
        try:
            entry = _keep_stream(OutputKept(fence, stream, 0), path, fd, log_max, small)
        except OSError:
            continue
        finally:
            os.close(fd)
        if entry is not None and entry.body is None:
            entry = replace(entry, path=str(_stay(path, files).relative_to(files.state_dir)))
        if entry is not None:
            kept.append(entry)
    return kept


def _open_output(path: Path, files: AttemptFiles) -> tuple[int, Path]:
    """The output file, and where it is: in its day's folder if an earlier daemon came to move it there."""
    try:
        return open_regular(path), path
    except FileNotFoundError:
        moved = files.day / path.name
        if moved == path:
            raise
        return open_regular(moved), moved


def _stay(path: Path, files: AttemptFiles) -> Path:
    """Where an output that stays a file is from now on: in its day's folder, whoever wrote it."""
    final = files.day / path.name
    if path == final:
        return path
    try:
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.replace(final)
    except OSError:
        return path
    return final


def _keep_stream(blank: OutputKept, path: Path, fd: int, log_max: int, small: int) -> OutputKept | None:
    """The entry without its path; None for an empty stream."""
    size = os.fstat(fd).st_size
    if size == 0:
        return None
    part = cut(size, log_max)
    if part.head + part.tail + len(part.marker) <= small:
        body = b"".join(_kept_bytes(fd, size, part))
        return replace(blank, size=size, dropped=part.dropped, body=body)
    earlier = _cut_earlier(fd, size, log_max)
    if earlier is not None:
        return replace(blank, size=log_max + earlier, dropped=earlier)
    dropped = part.dropped
    if dropped:
        try:
            _rewrite(path, fd, size, part)
        except OSError:
            # No room for the copy: the file stays at its length, with a hole for a middle.
            trim_running(path, log_max)
            dropped = sum(length for _, length in _holes(fd, size))
    return replace(blank, size=size, dropped=dropped)


def _cut_earlier(fd: int, size: int, log_max: int) -> int | None:
    """The dropped count if this file was already rewritten (a daemon died before that was recorded)."""
    head = log_max // 2
    length = size - log_max
    if not 0 < length <= _LONGEST_MARKER:
        return None
    match = _MARKER.fullmatch(os.pread(fd, length, head))
    return int(match[1]) if match else None


def _rewrite(path: Path, fd: int, size: int, part: Cut) -> None:
    """Replace the file by its head, the marker line and its tail, as one act."""
    new = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(make_regular(new), "wb") as file:
            for chunk in _kept_bytes(fd, size, part):
                file.write(chunk)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def _kept_bytes(fd: int, size: int, part: Cut) -> Iterator[bytes]:
    yield from _span(fd, 0, part.head)
    if part.dropped:
        yield part.marker
        yield from _span(fd, size - part.tail, part.tail)


def _span(fd: int, start: int, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = os.pread(fd, min(_CHUNK, length), start)
        if not chunk:
            return
        yield chunk
        start += len(chunk)
        length -= len(chunk)


def drop_files(files: AttemptFiles, kept: Iterable[OutputKept] = ()) -> None:
    """Remove what the store now holds itself: status file, empty outputs, and those kept in a row."""
    stay = {entry.stream for entry in kept if entry.path is not None}
    gone = [str(path) for stream, path in files.streams if stream not in stay]
    prefix = files.prefix
    # The status file goes last: as long as it is there, a later daemon knows that something is left to drop.
    drop_paths([*gone, *(f"{prefix}.{name}" for name in SPOKEN), str(files.status)])


def drop_paths(paths: Iterable[str]) -> None:
    """Remove files that may be there."""
    for path in paths:
        remove_file(path)


def trim_running(path: Path, log_max: int) -> bool:
    """Give the middle of a growing output file back to the disk; True if there was anything to give.

    The bytes that may still belong to head or tail are not touched. Never
    raises: where holes are not supported the file keeps growing and is cut at
    the end, since losing count of what is dropped would be worse.
    """
    head = log_max // 2
    try:
        fd = open_regular(path, os.O_RDWR)
    except OSError:
        return False
    try:
        about = os.fstat(fd)
        if about.st_nlink > 1:
            # Somebody gave it a second name, or this name to a file that is not the attempt's.
            return False
        size = about.st_size
        start = -(-head // _BLOCK) * _BLOCK
        end = (size - (log_max - head)) // _BLOCK * _BLOCK
        if end <= start or os.lseek(fd, start, os.SEEK_DATA) >= end:
            return False
        return punch_hole(fd, start, end - start)
    except OSError:
        return False
    finally:
        os.close(fd)


def read_log(path: Path) -> Iterator[bytes]:
    """The bytes of an output file, running or kept, with the marker line in place of a hole.

    Raises OSError if it cannot be opened.
    """
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        position = 0
        for start, length in _holes(fd, size):
            yield from _span(fd, position, start - position)
            yield Cut(start, length, 0).marker
            position = start + length
        yield from _span(fd, position, size - position)
    finally:
        os.close(fd)


def _holes(fd: int, size: int) -> list[tuple[int, int]]:
    """The holes of a file as (start, length). Output is appended, so every hole is one we made."""
    found = []
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_HOLE)
            if start >= size:
                break
            position = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:
            break
        found.append((start, position - start))
    return found
