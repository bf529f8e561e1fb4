"""What there is to call: a function named `module:function`, or a script."""

from __future__ import annotations

import importlib
import os
import sys

from jobrun.task.outcomes import BadCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def is_script(target: str) -> bool:
    """Whether the target is a file and not a function."""
    return target.startswith("/") or (target.endswith(".py") and ":" not in target)


def find(target: str) -> Callable[..., Any]:
    """What the target names: a function, or a stand-in that runs the script.

    Raises BadCall if there is nothing of that name. An error inside the
    module, a missing import of its own included, comes out as it is.
    """
    return script(target) if is_script(target) else function(target)


def function(target: str) -> Callable[..., Any]:
    """The function a `module:function` names; the part after the colon may have dots."""
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise BadCall(f'"{target}" does not name a function; write module:function')
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise BadCall(f'there is no module "{error.name}" ({sys.executable}, in {_directory()})') from None
    for name in path.split("."):
        if not hasattr(found, name):
            raise BadCall(f'module "{module_name}" has no "{path}"')
        found = getattr(found, name)
    if not callable(found):
        raise BadCall(f'"{target}" cannot be called')
    return found  # type: ignore[no-any-return]


def script(target: str) -> Callable[..., Any]:
    """A function that runs the script as `python script.py ARGS` would."""
    path = os.path.join(_directory(), target)
    if not os.path.isfile(path):
        raise BadCall(f"there is no script {path}")

    def run_script(*args: object, **kwargs: object) -> None:
        if kwargs:
            raise BadCall(f"{path} is a script: it takes args, and no kwargs")
        import runpy

        sys.argv = [path, *map(str, args)]
        sys.path.insert(0, os.path.dirname(path))
        runpy.run_path(path, run_name="__main__")

    return run_script


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "a directory that is gone"
