"""Blocks drawn with rich, for a terminal. The only importer of rich."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from jobrun.cli.escape import visible
from jobrun.cli.render import Block, Cell, Facts, Table

_TONES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "live": "cyan",
    "dim": "dim",
    "strong": "bold",
}


def draw(blocks: Sequence[Block], *, colour: bool, stream: TextIO) -> None:
    """Print the blocks in colour (if allowed) and folded to the terminal's width."""
    console = Console(
        file=stream, no_color=not colour, highlight=False, markup=False, emoji=False, soft_wrap=False
    )
    first = True
    for block in blocks:
        if isinstance(block, Table):
            if not first:
                console.print()
            console.print(_table(block))
        elif isinstance(block, Facts):
            console.print(_facts(block))
        else:
            console.print(_text(block))
        first = False


def _text(cell: Cell | str) -> Text:
    if isinstance(cell, str):
        return Text(visible(cell))
    return Text(visible(cell.text), style=_TONES.get(cell.tone, ""))


def _table(table: Table) -> RichTable:
    drawn = RichTable(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold dim",
    )
    for number, name in enumerate(table.columns):
        last = number == len(table.columns) - 1
        drawn.add_column(
            name.upper(),
            justify="right" if name in table.right else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in table.rows:
        drawn.add_row(*(_text(cell) for cell in row))
    return drawn


def _facts(facts: Facts) -> RichTable:
    drawn = RichTable.grid(padding=(0, 2, 0, 0))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for label, value in facts.pairs:
        drawn.add_row(label, _text(value))
    return drawn
