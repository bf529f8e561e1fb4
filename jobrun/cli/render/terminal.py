"""Blocks drawn with rich, for a terminal. The only importer of rich."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from jobrun.cli.escape import visible
from jobrun.cli.render import Block, Cell, Facts, Table
from jobrun.cli.render.columns import GAP, INDENT, place_columns

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
            for line in _table(block, console):
                console.print(line, no_wrap=True, overflow="ignore", crop=False)
        elif isinstance(block, Facts):
            console.print(_facts(block))
        else:
            console.print(_text(block))
        first = False


def _text(cell: Cell | str) -> Text:
    if isinstance(cell, str):
        return Text(visible(cell))
    return Text(visible(cell.text), style=_TONES.get(cell.tone, ""))


def _table(table: Table, console: Console) -> Iterator[Text]:
    rows = [[Text(name.upper(), style="bold dim") for name in table.columns]]
    rows += [[_text(cell) for cell in row] for row in table.rows]
    widths = [max(row[i].cell_len for row in rows) for i in range(len(table.columns))]
    bands = place_columns(widths, [name == "job" for name in table.columns], console.width)
    right = [name in table.right for name in table.columns]
    for row in rows:
        for number, band in enumerate(bands):
            if number and all(row[column].plain in ("", "-") for column, _ in band):
                continue
            cells = [(_folded(row[column], width, console), width, right[column]) for column, width in band]
            yield from _lines(cells, INDENT if number else 0)


def _folded(text: Text, width: int, console: Console) -> list[Text]:
    return [text] if text.cell_len <= width else list(text.wrap(console, width, overflow="fold"))


def _lines(cells: list[tuple[list[Text], int, bool]], indent: int) -> Iterator[Text]:
    for number in range(max(len(parts) for parts, _, _ in cells)):
        line = Text(" " * indent)
        for parts, width, right in cells:
            part = parts[number] if number < len(parts) else Text()
            padding = " " * (width - part.cell_len)
            line.append(padding if right else "").append_text(part)
            line.append(("" if right else padding) + " " * GAP)
        line.rstrip()
        yield line


def _facts(facts: Facts) -> RichTable:
    drawn = RichTable.grid(padding=(0, 2, 0, 0))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for label, value in facts.pairs:
        drawn.add_row(label, _text(value))
    return drawn
