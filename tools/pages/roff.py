"""Pieces of man pages in the man(7) language."""

import re
import textwrap

from jobrun import __version__

# The date of the release that the pages describe: it changes with a release, never by itself.
RELEASED = "2026-11-23"


def header(name: str, section: int, line: str) -> list[str]:
    """The head of a page and its NAME section."""
    title = name.upper()
    return [
        '.\\" Made by tools/generate.py; do not edit.',
        f'.TH {title} {section} {RELEASED} "jobrun {__version__}" "jobrun manual"',
        ".SH NAME",
        f"{escape(name)} \\- {escape(line)}",
    ]


def escape(text: str) -> str:
    """Text without any meaning to roff; a plain `-` stays a hyphen, that of an option becomes a minus."""
    text = text.replace("\\", "\\e")
    text = re.sub(
        r"(?<![A-Za-z0-9])-(?=-?[A-Za-z])|--(?=\s|$)|(?<=-)-", lambda m: m[0].replace("-", "\\-"), text
    )
    return text.replace("'", "\\(aq").replace("`", "").replace("…", "...").replace("→", "->")


def paragraph(text: str) -> list[str]:
    """Text folded to short lines, none of which is taken for a request."""
    lines = textwrap.wrap(escape(text), 76, break_long_words=False, break_on_hyphens=False)
    return ["\\&" + line if line.startswith((".", "'")) else line for line in lines]


def section(title: str) -> list[str]:
    """A section's heading."""
    return [f".SH {title.upper()}" if " " not in title else f'.SH "{title.upper()}"']


def subsection(title: str) -> list[str]:
    """A subsection's heading."""
    return [f'.SS "{escape(title)}"']


def item(label: str, text: str) -> list[str]:
    """A label in bold with its text indented below it."""
    return [".TP", f"\\fB{escape(label)}\\fR", *(paragraph(text) or ["\\&"])]


def example(words: str) -> list[str]:
    """A command line as typed."""
    return [".RS 4", ".nf", f"\\&{escape(words)}", ".fi", ".RE"]


def page_text(lines: list[str]) -> str:
    """The lines as a file."""
    return "\n".join(lines) + "\n"
