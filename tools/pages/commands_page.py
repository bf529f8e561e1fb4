"""docs/cli.md, from the command tree."""

from jobrun.cli.manual import CommandDoc, everything, general_options
from jobrun.cli.registry import GROUPS
from tools.pages.exits import ENVIRONMENT, EXIT_CODES

_INTRO = """\
<!-- Made by tools/generate.py; do not edit. -->
# The command line

Data goes to standard output, remarks to standard error. On a terminal there are tables and colours
(`NO_COLOR` is honoured); in a pipe there is plain aligned text: columns two spaces apart, `-` for nothing,
one line a row, times in ISO 8601. Every command that reads takes `--json` (see [json.md](json.md)) and works
with the daemon down. An error is one sentence and one hint.
"""


def page() -> str:
    """The page's source."""
    out = [_INTRO, "## General options\n", "Every command accepts these, before or after its name.\n"]
    out += [f"- `{option.spelling}`: {option.help}" for option in general_options()]
    out += ["- `--version`: Print the version.", "- `-h`, `--help`: Print help.", "", "## Exit codes\n"]
    out += ["| code | meaning |", "|---|---|", *(f"| {code} | {text} |" for code, text in EXIT_CODES)]
    out += ["", "## Environment\n", *(f"- `{name}`: {text}" for name, text in ENVIRONMENT), ""]
    docs = everything()
    for group, title in GROUPS.items():
        out.append(f"## {title}\n")
        for doc in docs:
            if doc.group == group:
                out += _command(doc)
    return "\n".join(out).rstrip("\n") + "\n"


def _command(doc: CommandDoc) -> list[str]:
    out = [f"### jobrun {doc.name}\n", f"    {doc.usage}\n", doc.summary + "\n"]
    out += [text + "\n" for text in doc.paragraphs]
    rows = [(f"`{argument.name}`", argument.help) for argument in doc.arguments if argument.help]
    rows += [
        (f"`{option.spelling}`", option.help + (f" Default: `{option.default}`." if option.default else ""))
        for option in doc.options
    ]
    if rows:
        out += ["| | |", "|---|---|"]
        out += [
            f"| {name.replace('|', chr(92) + '|')} | {text.replace('|', chr(92) + '|')} |"
            for name, text in rows
        ]
        out.append("")
    if doc.examples:
        out.append("```sh")
        for words, meaning in doc.examples:
            out += [f"# {meaning}", words]
        out += ["```", ""]
    return out


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
