"""Sizes in bytes, as job files write them: `"512M"`, `"1G"`, or a number."""

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_size(value: str | int) -> int:
    """Read a size in bytes; K, M, G, T are powers of 1024.

    Raises ValueError with a sentence a user can act on.
    """
    if isinstance(value, bool):
        raise ValueError('expected a size such as "512M", not true or false')
    if isinstance(value, int):
        if value < 0:
            raise ValueError("a size cannot be negative")
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f'"{value}" is not a size; write "512M", "1G" or a number of bytes')
    return round(float(match[1]) * _UNITS[match[2].upper()])


def format_size(size: int) -> str:
    """A size for people: the largest unit that leaves at most one decimal."""
    amount, unit = float(size), ""
    for unit in ("", "K", "M", "G", "T"):
        if amount < 1024 or unit == "T":
            break
        amount /= 1024
    text = f"{amount:.0f}" if amount >= 10 or amount == int(amount) else f"{amount:.1f}"
    return f"{text}{unit}B" if unit else f"{text} B"
