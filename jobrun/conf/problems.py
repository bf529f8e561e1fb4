"""One problem of a job file: where it stands, what is wrong, what helps."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Key = tuple[str | int, ...]


class Fault(ValueError):
    """A value that cannot be taken: a sentence, a hint, and where inside the value (`at`) it is wrong."""

    def __init__(self, message: str, hint: str = "", at: Key = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place.

    `file` is empty for a job that did not come from a file. `line` counts from
    1; 0 means the file as a whole. `path` names the key as TOML does,
    `jobs.backup.cron`. `message` may have further lines (cron text with a mark
    below the wrong part).
    """

    file: str
    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{text}\n    {self.hint}" if self.hint else text


def dotted(path: Iterable[str | int]) -> str:
    """A path as TOML writes it: `jobs.backup.schedules[1].cron`, keys quoted where they must be."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = part.isascii() and part.replace("-", "").replace("_", "").isalnum()
        text += ("." if text else "") + (part if bare else quoted(part))
    return text


def quoted(text: str, limit: int = 60) -> str:
    """Text in double quotes for a message: escaped, and cut if it is long."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return f'"{escaped}"'


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word most like `word`, or None if none is like it. Case counts for little."""
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word[:80].lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown word; empty if no known one is like it."""
    near = nearest(word, known)
    return f'Did you mean "{near}"?' if near is not None else ""
