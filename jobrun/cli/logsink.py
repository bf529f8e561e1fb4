"""Where log bytes go: raw into a pipe or a file, made safe for a terminal."""

import sys
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from jobrun.cli.escape import TerminalText
from jobrun.cli.output import has_colour


class Sink:
    """Writes the bytes of one stream to stdout or stderr."""

    def __init__(self, target: TextIO, *, raw: bool) -> None:
        self._target = target
        safe = target.isatty() and not raw
        self._text = TerminalText(colour=has_colour()) if safe else None

    def write(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces and flush, so that a reader sees them now."""
        for piece in pieces:
            if self._text is not None:
                self._target.write(self._text.feed(piece))
            else:
                self._target.flush()
                self._bytes.write(piece)
        self._target.flush()
        if self._text is None:
            self._bytes.flush()

    def finish(self) -> None:
        """Write what was held back, and set the terminal's colour back."""
        if self._text is not None:
            self._target.write(self._text.finish())
            self._target.flush()

    @property
    def _bytes(self) -> BinaryIO:
        return self._target.buffer


def sinks(streams: Iterable[str], *, raw: bool) -> dict[str, Sink]:
    """A sink for each stream: alone it goes to stdout, side by side `err` goes to stderr."""
    wanted = tuple(streams)
    apart = len(wanted) > 1
    return {
        stream: Sink(sys.stderr if apart and stream == "err" else sys.stdout, raw=raw) for stream in wanted
    }
