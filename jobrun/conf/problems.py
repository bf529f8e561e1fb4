"""One problem of a job file: where it stands, what is wrong, what helps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

Key = tuple[str | int, ...]


class Fault(ValueError):
    """A value that cannot be taken: a sentence, a hint, and where inside the value (`at`) it is wrong.

    `also` holds the further faults of the same value.
    """

    def __init__(self, message: str, hint: str = "", at: Key = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.at = at
        self.also: tuple[Fault, ...] = ()

    def inside(self, at: Key) -> "Fault":
        """The same fault, seen from the value around it."""
        return Fault(self.message, self.hint, (*at, *self.at))


def first_of(faults: Sequence[Fault]) -> Fault:
    """One fault to raise for several."""
    fault = faults[0]
    fault.also = tuple(faults[1:])
    return fault


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


def told(config: str, problems: Sequence[Problem]) -> str:
    """The part of a sentence that says which file has how many problems; `config` is the main file."""
    files = {problem.file for problem in problems}
    count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
    return f"{files.pop()} has {count}" if len(files) == 1 else f"{config} and its jobs.d have {count}"


def dotted(path: Iterable[str | int]) -> str:
    """A path as TOML writes it: `jobs.backup.schedules[1].cron`, keys quoted where they must be."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = part.isascii() and part.replace("-", "").replace("_", "").isalnum()
        text += ("." if text else "") + (cut(part) if bare else quoted(part))
    return text


def cut(text: str, limit: int = 60) -> str:
    """Text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(text: str) -> str:
    """Text in double quotes for a message: escaped, and cut if it is long."""
    escaped = plain(cut(text)).replace("\n", "\\n")
    return f'"{escaped}"'


def plain(text: str) -> str:
    """Text in which only printable characters and line ends are left as they are."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word most like `word`, or None if none is like it. Case counts for little."""
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word[:80].lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown word; empty if no known one is like it."""
    near = nearest(word, known)
    return f'Did you mean "{near}"?' if near is not None else ""
