"""Tables: what is in them here, how they look in `plain` (pipes) and `terminal` (rich).

The rule: `rich` is imported by `terminal` alone, and `terminal` only when
stdout is a terminal.
"""

import sys
from collections.abc import Sequence
from typing import TextIO


class Cell:
    """A piece of text and what it means: `good`, `bad`, `warn`, `live`, `dim`, `strong` or nothing."""

    __slots__ = ("text", "tone")

    def __init__(self, text: str, tone: str = "") -> None:
        self.text = text
        self.tone = tone


class Table:
    """Columns and rows; the columns named in `right` are aligned to the right."""

    __slots__ = ("columns", "right", "rows")

    def __init__(
        self,
        columns: tuple[str, ...],
        rows: list[tuple[Cell | str, ...]] | None = None,
        right: tuple[str, ...] = (),
    ) -> None:
        self.columns = columns
        self.rows = [] if rows is None else rows
        self.right = right


class Facts:
    """Labels and values, one to a line."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Cell | str]]) -> None:
        self.pairs = pairs


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
