"""What is wrong with importing a target, as one sentence."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys

from jobrun.task.outcomes import BadCall
from jobrun.task.report import error_facts
from jobrun.task.target import find, is_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def try_target(target: str) -> str | None:
    """Import what a function's name needs, or look through a script. None, or what is wrong."""
    try:
        find(target)
        return _try_script(target) if is_script(target) else None
    except BadCall as error:
        return str(error)
    except SystemExit:
        return "its import ends the process (sys.exit)"
    except BaseException as error:  # the gate: an import may raise anything
        return _sentence(error)


def _try_script(path: str) -> str | None:
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    before = list(sys.path)
    sys.path.insert(0, os.path.dirname(path))
    try:
        for name, line in _always_imported(tree.body):
            if name not in sys.modules and importlib.util.find_spec(name) is None:
                return f'there is no module "{name}" ({path}, line {line}; {sys.executable})'
    finally:
        sys.path[:] = before
    return None


def _always_imported(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """The top names of the modules that every run imports: not those under `if` and `try`."""
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name.partition(".")[0], statement.lineno
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module.partition(".")[0], statement.lineno


def _sentence(error: BaseException) -> str:
    facts = error_facts(error, "")
    # The message of a syntax error names the file by its last part.
    message = error.msg if isinstance(error, SyntaxError) else facts["message"]
    text = f"{facts['type']}: {message}" if message else str(facts["type"])
    place = _place(error)
    first = text.split("\n", 1)[0]
    return f"{first} ({place})" if place else first


def _place(error: BaseException) -> str:
    """Where the last line of the job's own code is that had to do with it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((_HERE, "<frozen")):
            place = f"{file}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place
