"""On which line a key stands: a small reader of TOML's shape, for messages.

tomllib gives values without their places. This reader walks the same text and
notes the line of every key, header, and array element. It checks nothing:
tomllib has done that. Where it meets text it does not understand (it is also
used on the part before a syntax error) it stops with what it has.
"""

import re
import tomllib

from jobrun.conf.problems import Key

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|("(?:[^"\\\n]|\\.)*")|'([^'\n]*)')[ \t]*""")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")
_DEEPEST = 100  # paths are tuples of all their parts: without a bound a hostile key costs its square


class Lines:
    """The lines of one TOML text. Paths hold strings for keys and integers for array elements.

    `last_table` is the path of the header in force where the reader stopped, at
    the text's end or before what it does not understand; `last_line` is its line.
    """

    def __init__(self, text: str) -> None:
        self._places: dict[Key, int] = {}
        walk = _Walk(text, self._places)
        walk.run()
        self.last_table = walk.table
        self.last_line = walk.line

    def of(self, path: Key) -> int:
        """The line of a path, or of the nearest path around it that has one; 1 if there is none."""
        while path:
            line = self._places.get(path)
            if line is not None:
                return line
            path = path[:-1]
        return 1

    def has(self, path: Key) -> bool:
        """Whether the path itself was seen."""
        return path in self._places


class _Stopped(Exception):
    """The text is not understood here."""


class _Walk:
    def __init__(self, text: str, places: dict[Key, int]) -> None:
        self._text = text
        self._places = places
        self._at = 0
        self._line = 1
        self._counted = 0
        self._arrays: dict[Key, int] = {}
        self.table: Key = ()

    def run(self) -> None:
        try:
            self._document()
        except (_Stopped, RecursionError):
            return

    @property
    def line(self) -> int:
        return self._line + self._text.count("\n", self._counted, self._at)

    def _document(self) -> None:
        while True:
            self._skip_blank()
            if self._at >= len(self._text):
                return
            if self._text.startswith("[[", self._at):
                self._at += 2
                self.table = self._header(self._key(), is_array=True)
                self._expect("]]")
            elif self._text[self._at] == "[":
                self._at += 1
                self.table = self._header(self._key(), is_array=False)
                self._expect("]")
            else:
                self._pair(self.table)

    def _header(self, parts: tuple[str, ...], *, is_array: bool) -> Key:
        """The full path of a header; a name that is an array of tables means its last table."""
        path: Key = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            self._note(path)
            is_last = number == len(parts) - 1
            if is_last and is_array:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._note(path)
        return path

    def _pair(self, table: Key) -> None:
        path = table
        parts = self._key()
        for part in parts:
            path = (*path, part)
            self._note(path)
        self._expect("=")
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            found = _KEY_PART.match(self._text, self._at)
            if found is None:
                raise _Stopped
            self._at = found.end()
            bare, basic, literal = found.groups()
            parts.append(_unescaped(basic) if basic is not None else bare if bare is not None else literal)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            if len(parts) > _DEEPEST:
                raise _Stopped
            self._at += 1

    def _value(self, path: Key) -> None:
        if len(path) > _DEEPEST:
            raise _Stopped
        self._skip_blank()
        first = self._text[self._at : self._at + 1]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            found = (_STRING if first in ('"', "'") else _PLAIN).match(self._text, self._at)
            if found is None:
                raise _Stopped
            self._at = found.end()

    def _array(self, path: Key) -> None:
        self._at += 1
        number = 0
        while not self._closes("]"):
            self._note((*path, number))
            self._value((*path, number))
            number += 1
            self._comma()

    def _inline_table(self, path: Key) -> None:
        self._at += 1
        while not self._closes("}"):
            self._pair(path)
            self._comma()

    def _closes(self, bracket: str) -> bool:
        self._skip_blank()
        if self._at >= len(self._text):
            raise _Stopped
        if self._text[self._at] != bracket:
            return False
        self._at += 1
        return True

    def _comma(self) -> None:
        self._skip_blank()
        if self._text.startswith(",", self._at):
            self._at += 1

    def _expect(self, mark: str) -> None:
        if not self._text.startswith(mark, self._at):
            raise _Stopped
        self._at += len(mark)

    def _skip_blank(self) -> None:
        found = _BLANK.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _note(self, path: Key) -> None:
        if path not in self._places:
            self._line += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
            self._places[path] = self._line


def _unescaped(basic: str) -> str:
    if "\\" not in basic:
        return basic[1:-1]
    try:
        value = tomllib.loads(f"k={basic}")["k"]
    except ValueError:
        raise _Stopped from None
    return str(value)
