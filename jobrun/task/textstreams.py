"""Python's objects on descriptors 0, 1 and 2: what a call did to them is undone.

What a call put in place of them goes. One that was reconfigured is set back;
one that was closed, detached or shared with a wrapper is replaced by a new one
on the same descriptor. What importing code made of them stays. If somebody still
holds an object that was replaced, what he does with it cannot be foreseen.
"""

from __future__ import annotations

import os
import sys
from _weakref import ref
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from sys import getrefcount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


class StandardObjects:
    """sys.stdin, sys.stdout and sys.stderr, and what Python keeps of them under `sys.__stdin__` and so on."""

    def __init__(self) -> None:
        self._streams = [_Stream(number) for number in range(3)]
        for stream in self._streams[1:]:
            stream.be_line_buffered()
        self.note()

    def note(self) -> None:
        """Take what is now for what is to be put back: at the start, and after an import."""
        for stream in self._streams:
            stream.note()
        self._note_objects()

    def flush(self) -> None:
        """Write what they still hold. What cannot be written is lost, not the next call's."""
        for number, now, original in ((1, sys.stdout, sys.__stdout__), (2, sys.stderr, sys.__stderr__)):
            ours = self._objects[number]
            if now is not ours:
                _flush(now)
            if original is not ours:
                _flush(original)
            if not _flush(ours) and _is_open(ours):
                point_at_null(number, os.O_WRONLY)
                _flush(ours)

    def put_back(self) -> bool:
        """Undo what the call did. Returns whether the next call can rely on them."""
        sys.stdin, sys.stdout, sys.stderr = self._objects
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = self._originals  # type: ignore[misc]
        is_sound = True
        for stream in self._streams:
            if stream.is_touched() and not stream.set_back():
                # Everything here that refers to the old object is to let go of it.
                del self._objects, self._originals
                is_sound = stream.renew() and is_sound
                self._note_objects()
        return is_sound

    def _note_objects(self) -> None:
        self._objects: list[Any] = [stream.object for stream in self._streams]
        self._originals: Any = sys.__stdin__, sys.__stdout__, sys.__stderr__


class _Stream:
    """One of the three as it was noted."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._name = _NAMES[number]
        self._is_plain = False
        # What it stands upon in any number of wrappers: if one of them went, it would close it.
        self._beneath: list[Any] = []
        self._encoding, self._errors = "utf-8", "backslashreplace" if number == 2 else "strict"
        self._line_buffering, self._write_through, self._is_raw = number > 0, False, False
        self.object = getattr(sys, self._name)
        if self.object is None:
            self._open()

    def be_line_buffered(self) -> None:
        """As at a terminal: whoever follows the log sees lines as they are printed."""
        if type(self.object) is TextIOWrapper:
            self.object.reconfigure(line_buffering=True)

    def note(self) -> None:
        """Take it for what it is to be; one that is closed is opened anew."""
        now = getattr(sys, self._name)
        if now is not self.object:
            self._beneath.append(self.object)
            self.object = now
        if type(now) is TextIOWrapper and not _is_open(now):
            self._open()
        self._is_plain = _is_plain(self.object, self._number)
        if self._is_plain:
            self._note_facts()

    def _note_facts(self) -> None:
        now = self.object
        self._encoding, self._errors = now.encoding, now.errors
        self._line_buffering, self._write_through = now.line_buffering, now.write_through
        self._is_raw = type(now.buffer) is FileIO
        self._attributes = dict(now.__dict__)
        self._facts = _facts(now)
        self._holds = _holds(now)
        buffer = now.buffer
        self._parts = [ref(now), ref(buffer), ref(getattr(buffer, "raw", buffer))]

    def is_touched(self) -> bool:
        """Whether it is not what it was. Of an object of the job's own making nobody can know."""
        if not self._is_plain:
            return False
        now = self.object
        try:
            return (
                _facts(now) != self._facts or _holds(now) != self._holds or now.__dict__ != self._attributes
            )
        except (ValueError, AttributeError):
            return True

    def set_back(self) -> bool:
        """Configure it as it was. Returns whether that is enough."""
        now = self.object
        try:
            now.__dict__.clear()
            now.__dict__.update(self._attributes)
            if _facts(now) != self._facts:
                now.reconfigure(
                    encoding=self._encoding,
                    errors=self._errors,
                    newline="\n",
                    line_buffering=self._line_buffering,
                    write_through=self._write_through,
                )
            return not self.is_touched()
        except (OSError, ValueError, AttributeError):
            return False

    def renew(self) -> bool:
        """Put a new object in its place. Returns whether nobody holds the old one or what it stands upon."""
        parts = self._parts
        self._beneath.clear()
        self._open()
        is_let_go = all(part() is None for part in parts)
        self.note()
        return is_let_go

    def _open(self) -> None:
        raw = self._raw()
        raw.name = f"<{self._name}>"
        if self._is_raw:
            buffer: Any = raw
        else:
            buffer = BufferedWriter(raw) if self._number else BufferedReader(raw)
        self.object = TextIOWrapper(
            buffer,
            self._encoding,
            self._errors,
            newline="\n",
            line_buffering=self._line_buffering,
            write_through=self._write_through,
        )
        self.object.mode = "w" if self._number else "r"
        setattr(sys, self._name, self.object)
        setattr(sys, f"__{self._name}__", self.object)
        # A thread remembers what sys.stderr was when it was made, for want of another.
        main: Any = getattr(sys.modules.get("threading"), "_main_thread", None)
        if self._number == 2 and hasattr(main, "_stderr"):
            main._stderr = self.object

    def _raw(self) -> FileIO:
        mode = "w" if self._number else "r"
        try:
            return FileIO(self._number, mode, closefd=False)
        except OSError:
            point_at_null(self._number, os.O_WRONLY if self._number else os.O_RDONLY)
            return FileIO(self._number, mode, closefd=False)


def _is_open(stream: Any) -> bool:
    try:
        return not stream.closed
    except Exception:  # detached, or anything that a job takes for a stream
        return False


def _is_plain(stream: Any, number: int) -> bool:
    """Whether it is what Python itself makes of the descriptor, perhaps configured otherwise."""
    if type(stream) is not TextIOWrapper or not _is_open(stream):
        return False
    buffer = stream.buffer
    raw = buffer.raw if type(buffer) in (BufferedReader, BufferedWriter) else buffer
    return type(raw) is FileIO and not raw.closefd and raw.fileno() == number


def _facts(stream: Any) -> tuple[Any, ...]:
    """How it is configured. Raises ValueError or AttributeError if it is detached."""
    return stream.closed, stream.encoding, stream.errors, stream.line_buffering, stream.write_through


def _holds(stream: Any) -> tuple[int, int]:
    """How many hold its buffer, and what that stands upon: whoever goes away closes it."""
    buffer = stream.buffer
    return getrefcount(buffer), getrefcount(getattr(buffer, "raw", buffer))


def _flush(stream: Any) -> bool:
    try:
        stream.flush()
    except Exception:  # closed, replaced by anything, or a full disk
        return False
    return True


def point_at_null(number: int, flags: int) -> None:
    """Point a standard descriptor at /dev/null."""
    fd = os.open(os.devnull, flags | os.O_CLOEXEC)
    if fd != number:
        os.dup2(fd, number)
        os.close(fd)
    else:
        os.set_inheritable(fd, True)
