"""The layout of `--help`: short, grouped, with examples. Bold headings on a terminal, else plain."""

import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from jobrun.cli.manual import OptionDoc, describe, general_options
from jobrun.cli.output import has_colour
from jobrun.cli.registry import COMMANDS, GROUPS


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if has_colour() else text


def _width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, 100)


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Two columns; a left side that is too long gets a line of its own."""
    listed = list(pairs)
    left = min(max((len(name) for name, _ in listed), default=0), 26)
    out: list[str] = []
    for name, text in listed:
        body = textwrap.wrap(text, max(_width() - left - 5, 30)) or [""]
        if len(name) > left:
            out.append(f"  {name}")
        else:
            out.append(f"  {name:<{left}}   {body.pop(0)}".rstrip())
        out += [" " * (left + 5) + line for line in body]
    return out


def _option_pairs(options: Iterable[OptionDoc]) -> list[tuple[str, str]]:
    return [(o.spelling, o.help + (f" (default: {o.default})" if o.default else "")) for o in options]


def root_help(_command: Any, _context: Any) -> str:
    """The text of `jobrun --help`: every command in its group, from the registry alone."""
    out = [
        "Usage: jobrun COMMAND [options]",
        "",
        "A job runner and cron replacement for one host: jobs from a job file, started",
        "by one daemon, with a history that is true.",
    ]
    for group, title in GROUPS.items():
        out += ["", _bold(f"{title}:")]
        out += _pairs((e.name, e.summary) for e in COMMANDS.values() if e.group == group)
    out += ["", _bold("General options:")]
    out += _pairs(
        [
            *_option_pairs(general_options()),
            ("--version", "Print the version."),
            ("-h, --help", "Print help."),
        ]
    )
    out += ["", _bold("To begin:")]
    out += [
        "  jobrun init && jobrun check      write an example job file and check it",
        "  jobrun daemon                    start the daemon in this terminal",
        "  jobrun status                    see what is going on",
        "",
        "`jobrun COMMAND --help` says more about each; so does the manual, jobrun(1).",
    ]
    return "\n".join(out)


def command_help(command: Any, _context: Any) -> str:
    """The text of `jobrun COMMAND --help`."""
    doc = describe(command)
    out = [f"Usage: {doc.usage}", "", doc.summary]
    for paragraph in doc.paragraphs:
        out += ["", *textwrap.wrap(paragraph, _width())]
    if any(argument.help for argument in doc.arguments):
        out += ["", _bold("Arguments:"), *_pairs((a.name, a.help) for a in doc.arguments)]
    if doc.options:
        out += ["", _bold("Options:"), *_pairs(_option_pairs(doc.options))]
    if doc.examples:
        out += ["", _bold("Examples:")]
        for words, meaning in doc.examples:
            out += [f"  {words}", f"      {meaning}"]
    out += ["", "Also: --config, --state-dir, --utc (see `jobrun --help`)."]
    return "\n".join(out)
