"""Typer's usage errors in our words: one sentence, one hint, exit code 2."""

import re
from difflib import SequenceMatcher
from typing import Any

from typer.exceptions import TyperException

from jobrun.domain.errors import UsageError


def usage_error(error: TyperException) -> UsageError:
    """The same complaint as a sentence with a hint that helps."""
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "jobrun"
    option = getattr(error, "option_name", None)
    possibilities = getattr(error, "possibilities", None)
    see = f"See `{command} --help`."
    if type(error).__name__ == "NoSuchOption":
        return UsageError(f"There is no option {option}.", _options_hint(option, possibilities, context, see))
    sentence = _tidy(error.format_message())
    if type(error).__name__ == "MissingParameter" and context is not None:
        from jobrun.cli.manual import describe

        return UsageError(sentence, f"Write: {describe(context.command).usage}")
    return UsageError(sentence, see)


def _options_hint(option: str | None, possibilities: list[str] | None, context: Any, see: str) -> str:
    if option and possibilities:
        closest = max(possibilities, key=lambda known: SequenceMatcher(None, option, known).ratio())
        return f"Did you mean {closest}?"
    takes_command = context is not None and any(
        getattr(param, "metavar", "") == "CMD" for param in context.command.params
    )
    if takes_command:
        return f"If {option} belongs to the command to run, put `--` before that command."
    return see


def _tidy(message: str) -> str:
    """The message as one line that ends with a full stop, names in double quotes."""
    line = " ".join(message.split())
    line = re.sub(r"'([^']*)'", r'"\1"', line)
    return line if line.endswith((".", "?", "!")) else f"{line}."
