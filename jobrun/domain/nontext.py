"""Strings that are no text: with half of a surrogate pair, so without a form in UTF-8.

Python makes them of bytes of a command line, an environment or a file name that
are not UTF-8 (U+DC80 to U+DCFF, PEP 383), and of `"\\ud800"` in JSON. What is
kept in the store, in a job file or sent to the daemon is text.
"""


def is_text(value: str) -> bool:
    """Whether the string has a form in UTF-8."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_nontext(value: object) -> str | None:
    """The first string in a value, however deep, that is no text; keys of objects count too."""
    if isinstance(value, str):
        return None if is_text(value) else value
    if isinstance(value, dict):
        parts = [part for pair in value.items() for part in pair]
    else:
        parts = list(value) if isinstance(value, list | tuple) else []
    return next((found for found in map(find_nontext, parts) if found is not None), None)
