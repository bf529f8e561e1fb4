"""`--watch`: a frame a second on a terminal, a frame per change in a pipe."""

import io
import json as json_module
import shutil
import sys
import time
from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Protocol

from jobrun.cli.cells import Look
from jobrun.cli.output import has_colour, on_terminal
from jobrun.cli.reach import Reach
from jobrun.cli.render import Block, show
from jobrun.domain.instants import Instant

_EVERY = 1.0
_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"


class View(Protocol):
    """What is to be seen at one moment."""

    at: Instant

    def shape(self, zone: tzinfo | None) -> dict[str, Any]:
        """Its JSON."""
        ...

    def blocks(self, look: Look) -> list[Block]:
        """What a person sees."""
        ...


def watch(reach: Reach, read: Callable[[], View], *, json: bool) -> None:
    """Show what `read` gives until Ctrl-C (KeyboardInterrupt passes through, the screen restored)."""
    if json or not on_terminal():
        _print_changes(reach, read, json=json)
        return
    sys.stdout.write(_ENTER)
    try:
        while True:
            sys.stdout.write(_frame(reach, read()))
            sys.stdout.flush()
            time.sleep(_EVERY)
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _frame(reach: Reach, view: View) -> str:
    """One screen, cut to the terminal's height, every line cleared to its end."""
    look = Look(reach, view.at, terminal=True)
    text = io.StringIO()
    show(view.blocks(look), terminal=True, colour=has_colour(), stream=text)
    lines = text.getvalue().rstrip("\n").split("\n")
    height = shutil.get_terminal_size().lines - 1
    if len(lines) > height:
        lines = [*lines[: height - 1], f"… {len(lines) - height + 1} more lines"]
    return _HOME + "".join(f"{line}{_CLEAR_LINE}\r\n" for line in lines) + _CLEAR_BELOW


def _print_changes(reach: Reach, read: Callable[[], View], *, json: bool) -> None:
    last = None
    while True:
        view = read()
        if json:
            text = json_module.dumps(view.shape(reach.zone), ensure_ascii=False) + "\n"
        else:
            out = io.StringIO()
            look = Look(reach, view.at, terminal=False)
            show(view.blocks(look), terminal=False, colour=False, stream=out)
            text = out.getvalue()
        if text != last:
            sys.stdout.write(text if json or last is None else "\n" + text)
            sys.stdout.flush()
            last = text
        time.sleep(_EVERY)
