"""Call one function in a fresh interpreter: `call.py FD`, the call as JSON behind that descriptor.

    {"target": "module:function", "args": [], "kwargs": {}, "python_path": []}

Like `python -m`, the current directory comes first on sys.path. A coroutine
function is run to its end. Exit status: 0 if it returned, 1 if it raised (the
traceback is on stderr), its own if it raised SystemExit, 2 if there was
nothing to call. If $JOBRUN_RESULT names a file, a result that is JSON goes there.

Little is imported before the call: what a job does not use it does not pay for.
"""

import sys

if __name__ == "__main__":
    # Before any other import: the directory of this file must shadow no module.
    sys.path[0] = ""

import importlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

RAISED = 1
NOT_CALLABLE = 2


class BadCall(Exception):
    """There is nothing to call; the text is one line for the user."""


def main(argv: list[str]) -> int:
    """Read the call, make it, and return the exit status."""
    try:
        with os.fdopen(int(argv[1]), "rb") as file:
            call = json.loads(file.read().decode("utf-8"))
        directory = Path.cwd()
        sys.path[0:1] = [str(directory), *(str(directory / part) for part in call["python_path"])]
        sys.argv = [call["target"]]
        result = find(call["target"])(*call["args"], **call["kwargs"])
        if hasattr(result, "__await__"):
            import asyncio

            result = asyncio.run(finish(result))
    except BadCall as error:
        sys.stderr.write(f"jobrun: {error}\n")
        return NOT_CALLABLE
    except Exception:  # noqa: BLE001  the gate: whatever the job raised ends here
        print_traceback()
        return RAISED
    keep_result(result)
    return 0


def find(target: str) -> Callable[..., Any]:
    """The function a `module:function` names; the part after the colon may have dots.

    Raises BadCall if module or attribute is missing. An error inside the
    module, a missing import of its own included, comes out as it is.
    """
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise BadCall(f'"{target}" does not name a function; write module:function')
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise BadCall(f'there is no module "{error.name}" ({sys.executable}, in {Path.cwd()})') from None
    for name in path.split("."):
        if not hasattr(found, name):
            raise BadCall(f'module "{module_name}" has no "{path}"')
        found = getattr(found, name)
    if not callable(found):
        raise BadCall(f'"{target}" cannot be called')
    return found  # type: ignore[no-any-return]


async def finish(awaitable: Awaitable[Any]) -> Any:
    """Await it; asyncio.run takes coroutines only."""
    return await awaitable


def print_traceback() -> None:
    """The exception on stderr, without the frames of this file and of the import machinery at its top."""
    import traceback

    kind, error, trace = sys.exc_info()
    ours = {__file__, importlib.__file__}
    while trace is not None and (
        trace.tb_frame.f_code.co_filename in ours
        or trace.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        trace = trace.tb_next
    if not sys.stdout.closed:
        sys.stdout.flush()
    traceback.print_exception(kind, error, trace)


def keep_result(result: Any) -> None:
    """Write the result to the file $JOBRUN_RESULT names; one that is not JSON is only remarked upon."""
    if result is None:
        return
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError) as error:
        sys.stderr.write(f"jobrun: the result is not JSON and is not kept ({error})\n")
        return
    path = os.environ.get("JOBRUN_RESULT")
    if path:
        Path(path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
