"""Tables: what is in them here, how they look in `plain` (pipes) and `terminal` (rich).

The rule: `rich` is imported by `terminal` alone, and `terminal` only when
stdout is a terminal.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text and what it means: `good`, `bad`, `warn`, `live`, `dim`, `strong` or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; the columns named in `right` are aligned to the right."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell | str, ...]] = field(default_factory=list)
    right: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels and values, one to a line."""

    pairs: list[tuple[str, Cell | str]]


Block = Table | Facts | Cell | str


def show(blocks: Sequence[Block], *, terminal: bool, colour: bool, stream: TextIO | None = None) -> None:
    """Print the blocks one after the other, in the manner of the place they go to."""
    target = stream or sys.stdout
    if terminal:
        from jobrun.cli.render.terminal import draw

        draw(blocks, colour=colour, stream=target)
        return
    from jobrun.cli.render.plain import lines

    for line in lines(blocks):
        target.write(line + "\n")
