"""How a command speaks: data on stdout, remarks on stderr, JSON as UTF-8 whatever the locale."""

import os
import sys
from collections.abc import Mapping
from typing import Any


def say(line: str = "") -> None:
    """One line of data."""
    sys.stdout.write(line + "\n")


def remark(line: str) -> None:
    """One line for the person at the terminal, out of the data's way. A full disk there is no error."""
    sys.stdout.flush()
    try:
        sys.stderr.write(line + "\n")
    except BrokenPipeError:
        raise
    except OSError:
        pass


def say_whole(text: str) -> None:
    """Text that a job wrote, to its end: as it is in a pipe, unable to drive a terminal on one."""
    if on_terminal():
        from jobrun.cli.escape import visible

        text = "\n".join(visible(line) for line in text.split("\n"))
    _write(text if text.endswith("\n") else text + "\n")


def say_json(shape: Mapping[str, Any]) -> None:
    """One JSON document, two spaces deep. A lone surrogate becomes its JSON escape."""
    import json

    _write(json.dumps(shape, ensure_ascii=False, indent=2) + "\n")


def _write(text: str) -> None:
    """Text as UTF-8, whatever the locale."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
        return
    buffer.write(text.encode("utf-8", "backslashreplace"))
    buffer.flush()


def on_terminal() -> bool:
    """Whether a person is looking at stdout."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Whether stdout may be coloured: a terminal, and no NO_COLOR (any value but the empty one)."""
    return on_terminal() and not os.environ.get("NO_COLOR")
