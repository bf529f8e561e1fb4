"""jobs.toml(5), from the job file's model."""

from itertools import groupby

from jobrun.conf.schema import Option, options
from tools.pages.exits import FILES
from tools.pages.job_file_facts import CRON, DURATIONS, EXAMPLE, FILE_RULES, PRECEDENCE, key_of, title_of
from tools.pages.roff import escape, header, item, page_text, paragraph, section, subsection


def page() -> str:
    """The page's source."""
    lines = header("jobs.toml", 5, "the job file of jobrun")
    lines += section("Description")
    for number, text in enumerate((*FILE_RULES, PRECEDENCE, DURATIONS)):
        lines += ([".PP"] if number else []) + paragraph(text)
    for title, group in groupby(options(), key=title_of):
        lines += section(title) if title.startswith("[") else subsection(title)
        for option in group:
            lines += _option(option)
    lines += section("Cron text")
    for number, text in enumerate(CRON):
        lines += ([".PP"] if number else []) + paragraph(text)
    lines += [*section("Example"), ".nf", *(f"\\&{escape(line)}" for line in EXAMPLE.splitlines()), ".fi"]
    lines += section("Files")
    for name, meaning in FILES:
        lines += item(name, meaning)
    lines += [*section("See also"), "\\fBjobrun\\fR(1), \\fBjobrun\\-daemon\\fR(8), \\fBcrontab\\fR(5)"]
    return page_text(lines)


def _option(option: Option) -> list[str]:
    told = option.description + f" ({option.type}"
    told += f"; default {option.default})" if option.default else ")"
    lines = item(key_of(option), told)
    if option.example:
        lines += [".RS", ".nf", f"\\&{escape(f'{key_of(option)} = {option.example}')}", ".fi", ".RE"]
    return lines
