"""Blocks as plain aligned text: stable, without tabs, colours or lines drawn.

Columns stand two spaces apart, an empty cell is `-`, the last column is not
padded, and every row is one line, so `awk`, `grep` and `sort` can work on it.
"""

from collections.abc import Iterator, Sequence
from unicodedata import combining, east_asian_width

from jobrun.cli.escape import visible
from jobrun.cli.render import Block, Cell, Facts, Table


def lines(blocks: Sequence[Block]) -> Iterator[str]:
    """The blocks as lines; an empty line stands between a block and a table."""
    first = True
    for block in blocks:
        if isinstance(block, Table):
            if not first:
                yield ""
            yield from _table(block)
        elif isinstance(block, Facts):
            yield from _facts(block)
        else:
            yield _text(block)
        first = False


def _text(cell: Cell | str) -> str:
    return visible(cell.text if isinstance(cell, Cell) else cell)


def width(text: str) -> int:
    """How many columns a text takes on a screen."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _table(table: Table) -> Iterator[str]:
    rows = [tuple(name.upper() for name in table.columns)]
    rows += [tuple(_text(cell) or "-" for cell in row) for row in table.rows]
    widths = [max(width(row[i]) for row in rows) for i in range(len(table.columns))]
    right = [name in table.right for name in table.columns]
    for row in rows:
        cells = [
            " " * (widths[i] - width(text)) + text if right[i] else text + " " * (widths[i] - width(text))
            for i, text in enumerate(row)
        ]
        yield "  ".join(cells).rstrip()


def _facts(facts: Facts) -> Iterator[str]:
    indent = max((len(label) for label, _ in facts.pairs), default=0)
    for label, value in facts.pairs:
        yield f"{label:<{indent}}  {_text(value)}".rstrip()
