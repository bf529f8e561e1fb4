"""Where the columns of a table go on a screen that is too narrow for them.

Nothing is cut off. Long text folds, down to `FLOOR`; what still does not fit
goes on, column for column, in an indented line below the row. The name of a
job is what people look for and copy, so it never folds while the screen has
room for it.
"""

from collections.abc import Sequence

GAP = 2
INDENT = 4
# Below this, folded text is a ladder of words.
FLOOR = 24

# The columns of one line, each with its width.
Band = list[tuple[int, int]]


def place_columns(widths: Sequence[int], whole: Sequence[bool], screen: int) -> list[Band]:
    """The lines of a row: which columns stand in each, and how wide. `whole` ones do not fold."""
    needs = [width if whole[i] else min(width, FLOOR) for i, width in enumerate(widths)]
    bands: list[Band] = []
    room = 0
    for column, need in enumerate(needs):
        if not bands or need + GAP > room:
            _widen(bands, widths, room)
            bands.append([])
            room = max(screen - (INDENT if column else 0), 1) + GAP
        given = min(need, room - GAP)
        bands[-1].append((column, given))
        room -= given + GAP
    _widen(bands, widths, room)
    return bands


def _widen(bands: list[Band], widths: Sequence[int], room: int) -> None:
    """Hand out what a finished line has left, first to the columns that lack the least."""
    if not bands:
        return
    band = bands[-1]
    lacking = sorted(range(len(band)), key=lambda i: widths[band[i][0]] - band[i][1])
    for done, i in enumerate(lacking):
        column, width = band[i]
        more = min(widths[column] - width, room // (len(lacking) - done))
        band[i] = (column, width + more)
        room -= more
