"""Data for runs, as people give it: JSON on the command line, in a file, or a line for each run.

What cannot reach the job unchanged is refused here, with the place where it stands.
"""

import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobrun.domain.errors import UsageError
from jobrun.domain.report import DEEPEST, why_unreadable
from jobrun.domain.sizes import format_size

# The same as for data in a job file.
LARGEST = 1 << 20
# What the daemon takes in one request, and so in one transaction.
MOST_AT_ONCE = 20_000
_MOST_BYTES = 3 << 20


def read_data(word: str, *, may_have_null: bool = True) -> Any:
    """The value of --data: JSON, `@FILE`, or `-` for stdin. Raises UsageError, or OSError for the file."""
    if word == "-":
        value = _value(sys.stdin.buffer.read(), "The data on stdin")
    elif word.startswith("@"):
        value = _value(Path(word[1:]).read_bytes(), f"The data in {word[1:]}")
    else:
        value = _value(word.encode("utf-8", "surrogateescape"), "--data")
    if not may_have_null and _has_null(value):
        raise UsageError("The data has null in it, which a job file cannot say.", "Leave that key away.")
    return value


def read_bulk(word: str) -> list[Any]:
    """The value of --bulk: a file, or `-` for stdin, with JSON on each line. Blank lines are passed over.

    Raises UsageError with the number of the line, or OSError for the file.
    """
    place = "stdin" if word == "-" else word
    values = []
    with sys.stdin.buffer if word == "-" else Path(word).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                values.append(_value(line, f"Line {number} of {place}"))
    if not values:
        raise UsageError(f"{place} has no line with data.", "Each line is the data of one run, as JSON.")
    return values


def portions(values: list[Any]) -> Iterator[list[Any]]:
    """The values in their order, in as few requests as the daemon takes them in."""
    portion: list[Any] = []
    size = 0
    for value in values:
        added = len(_text(value).encode()) + 1
        if portion and (len(portion) == MOST_AT_ONCE or size + added > _MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(value)
        size += added
    if portion:
        yield portion


def checkpoint_path(word: str) -> str:
    """The value of --resume-from: `latest`, or the absolute path of a file. Raises UsageError."""
    if word == "latest":
        return word
    path = Path(word).absolute()
    if not os.path.lexists(path):
        raise UsageError(f"There is no checkpoint {path}.", 'Name a file, or write "latest" for the newest.')
    return str(path)


def _value(raw: bytes, place: str) -> Any:
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
        text = _text(value)
        size = len(text.encode())
    except UnicodeDecodeError:
        raise UsageError(f"{place} is not UTF-8.", "JSON is written in UTF-8.") from None
    except UnicodeEncodeError:
        raise UsageError(f"{place} has half of a surrogate pair, which is no character.") from None
    except RecursionError:
        raise UsageError(f"{place} is nested too deeply, more than {DEEPEST} levels.") from None
    except ValueError as error:
        raise UsageError(f"{place} is not JSON ({error}).", _hint(raw)) from None
    why = why_unreadable(text)
    if why:
        raise UsageError(f"{place} {why}.")
    if size > LARGEST:
        hint = "Keep it in a file, and let the data name the file."
        raise UsageError(f"{place} is larger than {format_size(LARGEST)}.", hint)
    return value


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    return value is None or (isinstance(value, list) and any(_has_null(item) for item in value))


def _hint(raw: bytes) -> str:
    text = raw.strip()
    if text and text.isascii() and text.decode().isidentifier():
        return f"A text is written in quotes, which the shell must leave: '\"{text.decode()}\"'"
    return ""


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is larger than a number can be")
    return number


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
