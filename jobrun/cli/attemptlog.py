"""The output of an attempt, wherever it is: a growing file, a kept file, or the database."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from jobrun.cli.reach import Reach
from jobrun.domain.errors import JobrunError
from jobrun.domain.records import OutputKept
from jobrun.proc.files import find_stream
from jobrun.proc.output import read_log
from jobrun.proc.regular import open_regular
from jobrun.store.views import AttemptRow

_BLOCK = 1 << 16
STREAMS = ("out", "err")


def live_files(reach: Reach, attempt: AttemptRow) -> list[tuple[str, Path]]:
    """The output files of an open attempt by stream; `err` only if there is one."""
    found = [(stream, stream_file(reach, attempt, stream)) for stream in STREAMS]
    return [(stream, path) for stream, path in found if stream == "out" or path.exists()]


def stream_file(reach: Reach, attempt: AttemptRow, stream: str) -> Path:
    """Where an attempt's stream is written while it runs; need not exist."""
    return find_stream(
        attempt.fence,
        stream,
        attempts_dir=reach.places.attempts,
        logs_dir=reach.places.logs,
        opened_at=attempt.opened_at,
    )


def read_stream(
    reach: Reach, attempt: AttemptRow, outputs: Iterable[OutputKept], stream: str
) -> Iterator[bytes]:
    """The bytes of one stream of an attempt so far; nothing if it printed nothing.

    Raises JobrunError if the store says that there was output and its file is gone.
    """
    for output in outputs:
        if output.fence == attempt.fence and output.stream == stream:
            return _read_kept(reach, output)
    path = stream_file(reach, attempt, stream)
    return read_log(path) if path.exists() else iter(())


def _read_kept(reach: Reach, output: OutputKept) -> Iterator[bytes]:
    if output.body is not None:
        return iter((output.body,))
    path = reach.places.state_dir / (output.path or "")
    if not path.exists():
        raise JobrunError(
            f"The output of run {output.fence.run_id} is gone: {path} was deleted.",
            f"It had {output.size} bytes.",
        )
    return read_log(path)


def last_lines(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The last `count` lines of the pieces, in bounded memory but for the lines themselves."""
    kept: deque[bytes] = deque()
    newlines: deque[int] = deque()
    total = 0
    for piece in pieces:
        if not piece:
            continue
        kept.append(piece)
        newlines.append(piece.count(b"\n"))
        total += newlines[-1]
        while len(kept) > 1 and total - newlines[0] > count:
            total -= newlines.popleft()
            kept.popleft()
    text = b"".join(kept)
    return iter((text[start_of_last_lines(text, count) :],))


def start_of_last_lines(text: bytes, count: int) -> int:
    """Where the last `count` lines of the text begin; a line end at the very end ends a line."""
    if count == 0:
        return len(text)
    position = len(text) - 1 if text.endswith(b"\n") else len(text)
    for _ in range(count):
        position = text.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1


class GrowingFile:
    """A file that somebody else appends to, read piece by piece; its holes are stepped over.

    `find` says where it is, if it exists yet. Should it be replaced, moved or
    removed at the attempt's end, what was opened is read to its own end.
    """

    def __init__(self, find: Callable[[], Path], lines: int | None) -> None:
        self._find = find
        self._lines = lines
        self._fd: int | None = None
        self._position = 0

    @property
    def is_open(self) -> bool:
        """Whether there was a file to open yet."""
        return self._fd is not None

    def read_new(self) -> Iterator[bytes]:
        """What has been appended since the last call."""
        if self._fd is None and not self._open():
            return
        assert self._fd is not None
        while True:
            dropped = self._skip_hole(self._fd)
            if dropped:
                yield b"\n[jobrun: %d bytes dropped here]\n" % dropped
            piece = os.pread(self._fd, _BLOCK, self._position)
            if not piece:
                return
            self._position += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> bool:
        try:
            self._fd = open_regular(self._find())
        except FileNotFoundError:
            return False
        if self._lines is not None:
            self._position = self._tail_position(self._fd, self._lines)
        return True

    def _skip_hole(self, fd: int) -> int:
        """Step over a hole at the position; how many bytes it has."""
        if self._position >= os.fstat(fd).st_size:
            return 0
        try:
            data = os.lseek(fd, self._position, os.SEEK_DATA)
        except OSError:
            return 0
        dropped, self._position = data - self._position, data
        return dropped

    @staticmethod
    def _tail_position(fd: int, count: int) -> int:
        """Where the last `count` lines begin, found from the end."""
        end = position = os.fstat(fd).st_size
        found = 0
        while position > 0:
            start = max(0, position - _BLOCK)
            block = os.pread(fd, position - start, start)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                if start + at == end - 1:
                    continue
                found += 1
                if found == count:
                    return start + at + 1
            position = start
        return 0 if count else end
