"""Text from jobs, files and users made safe to look at.

Job output and names are bytes that others chose. In tables and sentences every
control character is shown as text. In `logs` on a terminal, colours stay and
everything else that could drive the terminal is shown as text.
"""

import codecs
import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Bytes of a name that are not UTF-8, as Python has them in a string (PEP 383).
_BYTES = "\udc80-\udcff"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI}{_BYTES}]")
_UNSAFE_IN_LOG = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;:]{0,64})?\Z")
RESET = "\x1b[0m"


def visible(text: str) -> str:
    """The text with control characters, and bytes that are no text, spelled out: a line stays one line."""
    return _UNSAFE.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    if short is not None:
        return short
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class TerminalText:
    """Turns job output into text that cannot drive the reader's terminal, piece by piece.

    Kept: printable text, tabs, line ends, and colour sequences (unless
    `colour` is False). A carriage return ends a line. All other control
    characters are spelled out (`\\x1b`), invalid UTF-8 becomes U+FFFD.
    """

    def __init__(self, *, colour: bool = True) -> None:
        self._colour = colour
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._coloured = False

    def feed(self, piece: bytes) -> str:
        """The safe text of the next bytes; an unfinished sequence is held back."""
        return self._clean(self._held + self._decoder.decode(piece), final=False)

    def finish(self) -> str:
        """What was held back, and the colour set back to normal."""
        text = self._clean(self._held + self._decoder.decode(b"", final=True), final=True)
        if self._coloured:
            text += RESET
            self._coloured = False
        return text

    def _clean(self, text: str, *, final: bool) -> str:
        self._held = ""
        if not final:
            cut = _UNFINISHED.search(text)
            if cut is None and text.endswith("\r"):
                self._held, text = "\r", text[:-1]
            elif cut is not None:
                self._held, text = text[cut.start() :], text[: cut.start()]
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        out: list[str] = []
        position = 0
        for colour in _COLOUR.finditer(text):
            out.append(_UNSAFE_IN_LOG.sub(_spell, text[position : colour.start()]))
            if self._colour:
                out.append(colour[0])
                self._coloured = True
            position = colour.end()
        out.append(_UNSAFE_IN_LOG.sub(_spell, text[position:]))
        return "".join(out)
