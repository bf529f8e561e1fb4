"""One file: read, decoded, parsed; or the one problem that prevents it.

No file brings this down: not a folder, a pipe, a device, a gigabyte, another
encoding, or brackets nested to the stack's end.
"""

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jobrun.conf.lines import Lines
from jobrun.conf.problems import Fault, Key, Problem, dotted, plain

# Ten thousand jobs are about 2 MB of text.
LARGEST = 16 << 20
_MOST_PARTS = 500
_CHAIN = re.compile(
    rf"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{_MOST_PARTS}}}"""
)
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TOO_LONG = re.compile(r"[0-9][0-9_]{4000}")
_TWICE = re.compile(r"Cannot (?:declare|mutate immutable namespace|overwrite)")
_HEADER = re.compile(r"\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")

_HINTS = (
    ("Invalid value", "Text must stand in quotes; dates, numbers, true and false must not."),
    (
        "Expected newline or end of document after a statement",
        "Text must stand in quotes; dates, numbers, true and false must not.",
    ),
    (
        "Illegal character '\\n'",
        'The text has no closing quote on its line; """ begins text of several lines.',
    ),
    ("Unescaped '\\'", r"Write \ twice, or put the text into single quotes, where it is only itself."),
)


@dataclass(eq=False)
class Document:
    """A parsed file, or a table that came by another way (then `file` is empty)."""

    file: str
    table: dict[str, Any]
    text: str = ""
    prefix: Key = field(default=())

    @cached_property
    def lines(self) -> Lines:
        """Where its keys stand."""
        return Lines(self.text)

    def line(self, path: Key) -> int:
        """The line of a path; 0 if the table is not from a file."""
        return self.lines.of(path) if self.file else 0

    def problem(self, path: Key, fault: Fault) -> Problem:
        """The fault as a problem of this file. `path` is the table's, `fault.at` counts from there."""
        full = (*path, *fault.at)
        shown = full if self.file else full[len(self.prefix) :]
        return Problem(self.file, self.line(full), dotted(shown), plain(fault.message), plain(fault.hint))


def read_document(path: Path) -> Document | Problem:
    """Read one TOML file."""
    file = str(path)
    try:
        text = _decode(_read(path))
        return parse_document(file, text)
    except _Unreadable as refusal:
        return Problem(file, refusal.line, "", refusal.message, refusal.hint)
    except OSError as error:
        return Problem(file, 0, "", f"cannot be read: {(error.strerror or str(error)).lower()}")
    except ValueError as error:  # a NUL in the path
        return Problem(file, 0, "", f"cannot be read: {error}")


def parse_document(file: str, text: str) -> Document | Problem:
    """Parse TOML text."""
    for number, row in enumerate(text.split("\n"), 1):
        # tomllib's time for one key is the square of its parts.
        if row.count(".") > _MOST_PARTS and _CHAIN.search(row):
            return Problem(file, number, "", f"a key has more than {_MOST_PARTS} parts")
    try:
        return Document(file, tomllib.loads(text), text)
    except tomllib.TOMLDecodeError as error:
        return _syntax_problem(file, text, str(error))
    except RecursionError:
        return Problem(file, Lines(text).last_line, "", "brackets are nested too deeply")
    except ValueError as error:
        # Not a syntax error to tomllib: int() refuses more than 4,300 digits.
        digits = _TOO_LONG.search(text)
        line = text.count("\n", 0, digits.start()) + 1 if digits else 0
        return Problem(
            file, line, "", "not valid TOML: " + ("a number is too long" if digits else str(error))
        )


class _Unreadable(Exception):
    def __init__(self, message: str, hint: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.message, self.hint, self.line = message, hint, line


def _read(path: Path) -> bytes:
    # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise _Unreadable("is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise _Unreadable("is not a regular file")
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise _Unreadable(f"is larger than {LARGEST >> 20} MiB")
    return content


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Unreadable("is encoded as UTF-16", "Save it as UTF-8.", 1)
    if content.startswith(b"\xef\xbb\xbf"):
        raise _Unreadable("begins with a byte order mark", "Save it as UTF-8 without one (no BOM).", 1)
    nul = content.find(b"\0")
    if nul >= 0:
        raise _Unreadable("contains a NUL byte", "It may be damaged.", content.count(b"\n", 0, nul) + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        raise _Unreadable(f"is not UTF-8 (byte {byte})", "Save it as UTF-8.", line) from None


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    """tomllib says where only inside its sentence; attributes came with Python 3.14."""
    place = _PLACE.search(message)
    line = int(place[1]) if place and place[1] else len(text.rstrip().split("\n"))
    sentence = message[: place.start()] if place else message
    column = f", column {place[2]}" if place and place[2] else ""
    if _TWICE.match(sentence):
        return _defined_twice(file, text, line, sentence)
    hint = next((hint for start, hint in _HINTS if sentence.startswith(start)), "")
    sentence = sentence[:1].lower() + sentence[1:]
    return Problem(file, line, "", f"not valid TOML{column}: {sentence[:200]}", hint)


def _defined_twice(file: str, text: str, line: int, sentence: str) -> Problem:
    """The problem of a header or key that is there already, with its first place where that can be found."""
    rows = text.split("\n")
    before = Lines("\n".join(rows[: line - 1]) + "\n")
    row = rows[line - 1].strip() if line <= len(rows) else ""
    header = _HEADER.match(row)
    path = _path_of(f"[{header[1]}]") if header else _path_of(f"{row.partition('=')[0]}= 0")
    if path and not header:
        path = (*before.last_table, *path)
    hint = "Remove or rename one of them."
    if path and before.has(path):
        message = f"is defined twice; the first time in line {before.of(path)}"
        return Problem(file, line, dotted(path), message, hint)
    around = next((path[:n] for n in range(len(path) - 1, 0, -1) if before.has(path[:n])), ())
    if around:
        message = f"{dotted(around)} is complete in line {before.of(around)} and cannot be added to here"
        return Problem(file, line, dotted(path), message, "Write its keys all in one place.")
    return Problem(file, line, "", f"not valid TOML: {sentence[:1].lower()}{sentence[1:200]}", hint)


def _path_of(text: str) -> Key:
    """The path of the one key in a piece of TOML; empty if it is none."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return ()
    path: Key = ()
    while isinstance(table, dict) and table:
        key, table = next(iter(table.items()))
        path = (*path, key)
    return path
