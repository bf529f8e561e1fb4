"""`jobrun _complete KIND… -- WORDS…`: the names a shell offers, one `value<TAB>description` a line.

A shell waits for this at every press of the key, so it goes past the command
tree, and a store that cannot be read offers nothing. WORDS is the command line
so far; its --config and --state-dir count.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobrun.domain.errors import JobrunError

if TYPE_CHECKING:
    from jobrun.store.views import RunRow

_MOST_RUNS = 50


def answer(arguments: Sequence[str]) -> int:
    """Print the candidates of every kind asked for; never a word about trouble."""
    kinds, words = split(arguments)
    try:
        lines = [f"{value}\t{text}\n" for kind in kinds for value, text in candidates(kind, words)]
    except (JobrunError, OSError, ValueError):
        return 1
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except OSError:
        from jobrun.cli.streams import drop_output

        drop_output()
        return 1
    return 0


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The kinds before `--`, the words of the command line after it."""
    listed = list(arguments)
    cut = listed.index("--") if "--" in listed else len(listed)
    return listed[:cut], listed[cut + 1 :]


def candidates(kind: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """The values of one kind with a word about each. Raises JobrunError."""
    from jobrun.conf.paths import find_places

    given = _given(words)
    places = find_places(given.get("--config"), given.get("--state-dir"), os.environ, os.getuid())
    if not places.database.exists():
        return []
    from jobrun.store.reader import History

    with History(places.database) as history:
        match kind:
            case "jobs":
                return [(name, "job") for name in sorted(history.job_names())]
            case "queues":
                return [(row.name, "queue") for row in history.queues()]
            case "runs":
                rows = history.runs(limit=_MOST_RUNS)
                return [(str(row.run.id), _clean(f"{row.run.job} {_word(row)}")) for row in rows]
            case _:
                return []


def _word(row: "RunRow") -> str:
    """The outcome of a finished run, the state of a live one."""
    outcome = getattr(row.run.status, "outcome", None)
    return outcome.value if outcome is not None else row.run.state


def _given(words: Sequence[str]) -> dict[str, str]:
    """The general options in the words, in both spellings; a shell may have cut at the `=`."""
    found: dict[str, str] = {}
    rest = [word for word in words if word != "="]
    for word, following in zip(rest, [*rest[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name in ("--config", "--state-dir"):
            found[name] = value if equals else following
    return {name: value for name, value in found.items() if value}


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
