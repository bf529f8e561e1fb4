"""jobrun(1), from the command tree."""

from jobrun.cli.manual import CommandDoc, everything, general_options
from jobrun.cli.registry import GROUPS
from tools.pages.exits import ENVIRONMENT, EXIT_CODES, FILES
from tools.pages.roff import example, header, item, page_text, paragraph, section, subsection

_DESCRIPTION = (
    "jobrun starts jobs from a job file at their times, supervises them, and keeps a true history of every "
    "due moment and every run. One daemon serves one host; this command asks it, and reads its store "
    "directly wherever reading is enough, so it answers with the daemon down too.",
    "Data goes to standard output, remarks to standard error. In a pipe the output is plain aligned text. "
    "Every command that reads takes --json; the shapes are described in docs/json.md.",
)


def page() -> str:
    """The page's source."""
    lines = header("jobrun", 1, "run jobs at their times and keep a true history")
    lines += [*section("Synopsis"), *paragraph("jobrun COMMAND [options]")]
    lines += section("Description")
    for number, text in enumerate(_DESCRIPTION):
        lines += ([".PP"] if number else []) + paragraph(text)
    lines += section("General options")
    lines += paragraph("Every command accepts these, before or after its name.")
    for option in general_options():
        lines += item(option.spelling, option.help)
    lines += item("--version", "Print the version.")
    lines += item("-h, --help", "Print help; after a command, the command's.")
    docs = everything()
    for group, title in GROUPS.items():
        lines += section(title)
        for doc in docs:
            if doc.group == group:
                lines += _command(doc)
    lines += section("Exit status")
    for code, meaning in EXIT_CODES:
        lines += item(code, meaning)
    lines += section("Environment")
    for name, meaning in ENVIRONMENT:
        lines += item(name, meaning)
    lines += section("Files")
    for name, meaning in FILES:
        lines += item(name, meaning)
    lines += [*section("See also"), "\\fBjobs.toml\\fR(5), \\fBjobrun\\-daemon\\fR(8), \\fBcrontab\\fR(5)"]
    return page_text(lines)


def _command(doc: CommandDoc) -> list[str]:
    lines = [*subsection(doc.usage), *paragraph(doc.summary)]
    for text in doc.paragraphs:
        lines += [".PP", *paragraph(text)]
    for argument in doc.arguments:
        if argument.help:
            lines += item(argument.name, argument.help)
    for option in doc.options:
        default = f" Default: {option.default}." if option.default else ""
        lines += item(option.spelling, option.help + default)
    for words, meaning in doc.examples:
        lines += [".PP", *paragraph(f"Example: {meaning}"), *example(words)]
    return lines
