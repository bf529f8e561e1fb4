"""docs/job-file.md, from the job file's model."""

from itertools import groupby

from jobrun.conf.schema import Option, options
from tools.pages.job_file_facts import CRON, DURATIONS, EXAMPLE, FILE_RULES, PRECEDENCE, key_of, title_of


def page() -> str:
    """The page's source."""
    out = ["<!-- Made by tools/generate.py; do not edit. -->", "# The job file", ""]
    out += ["```toml", EXAMPLE.rstrip("\n"), "```", ""]
    for text in (*FILE_RULES, PRECEDENCE, DURATIONS):
        out += [text, ""]
    out += [
        "For an editor, save `jobrun schema` beside the file and name it in its first line: "
        "`#:schema ./jobs.schema.json`.",
        "",
    ]
    for title, group in groupby(options(), key=title_of):
        out += [f"## {title}", "", "| key | meaning | type | default | example |", "|---|---|---|---|---|"]
        out += [_row(option) for option in group]
        out.append("")
    out += ["## Cron text", ""]
    for text in CRON:
        out += [text, ""]
    return "\n".join(out).rstrip("\n") + "\n"


def _row(option: Option) -> str:
    cells = (
        f"`{key_of(option)}`",
        option.description,
        option.type,
        f"`{option.default}`" if option.default else "",
        f"`{option.example}`" if option.example else "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
