"""From the words of `add`, `submit` and `run` to the table a job file would hold.

Only what was said is written; everything else stays a default of the file.
Values are checked by the job file's own model, not here.
"""

import os
from collections.abc import Sequence
from typing import Any

from jobrun.domain.errors import UsageError


def command_value(words: Sequence[str]) -> str | list[str]:
    """One word is text for the shell, several are a program and its arguments."""
    return words[0] if len(words) == 1 else list(words)


def env_table(pairs: Sequence[str] | None) -> dict[str, str]:
    """`K=V` pairs; `K` alone takes the value of the caller's environment. Raises UsageError."""
    table: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not name:
            raise UsageError(f'--env "{pair}" has no name.', "Write --env NAME=VALUE.")
        if not equals:
            if name not in os.environ:
                raise UsageError(
                    f"--env {name}: there is no such variable here.", f"Write --env {name}=VALUE."
                )
            value = os.environ[name]
        table[name] = value
    return table


def json_value(text: str, option: str) -> Any:
    """A value for a Python job: JSON if it reads as JSON, else the text itself. Raises UsageError."""
    import json

    from jobrun.domain.nontext import find_nontext

    try:
        value = json.loads(text)
    except ValueError:
        return text
    if find_nontext(value) is not None:
        raise UsageError(f"{option} {text} has half of a surrogate pair, which is no character.")
    return value


def kwargs_table(pairs: Sequence[str] | None) -> dict[str, Any]:
    """`K=JSON` pairs for a Python job. Raises UsageError."""
    table: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f'--kwarg "{pair}" is not NAME=VALUE.', "For example --kwarg limit=100.")
        table[name] = json_value(value, f"--kwarg {name}")
    return table


def said(**values: Any) -> dict[str, Any]:
    """The values that were given: neither None nor empty."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}


def python_table(
    target: str | None,
    words: Sequence[str] | None,
    *,
    arg: Sequence[str] | None,
    kwarg: Sequence[str] | None,
    interpreter: str | None,
    isolation: str | None,
    pool: str | None,
) -> dict[str, Any]:
    """What to run: a Python target with its options, or the words of a command; empty if neither is given.

    Raises UsageError if both are, or an option of the one stands beside the other.
    """
    if target is None:
        if arg or kwarg or interpreter or isolation or pool:
            raise UsageError("--arg, --kwarg, --interpreter, --isolation and --pool go with --python.")
        return {"command": command_value(words)} if words else {}
    if words:
        raise UsageError("A job has either --python or a command.", "The function's arguments go into --arg.")
    return said(
        python=target,
        args=[json_value(value, "--arg") for value in arg or ()],
        kwargs=kwargs_table(kwarg),
        interpreter=interpreter,
        isolation=isolation,
        pool=pool,
    )


def conditions(words: Sequence[str] | None) -> list[int | str]:
    """The conditions of --retry-on: a number alone is an exit code."""
    return [int(word) if word.isdecimal() else word for word in words or ()]
