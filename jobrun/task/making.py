"""Making one call: find it, run it to its end, wait for its threads, say what came of it.

Whatever the job raises ends here, signals that arrive at any moment included.
"""

from __future__ import annotations

import os
import sys

from jobrun.task import leftovers
from jobrun.task.report import error_facts, exit_code, report_text, say, traceback_text
from jobrun.task.results import begin_result, end_result, kept_result, left_result, to_json
from jobrun.task.running import PLAIN, to_its_end
from jobrun.task.stopping import STOPPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def make_call(
    find: Callable[[str], Callable[..., Any]],
    target: str,
    args: list[Any],
    kwargs: dict[str, Any],
    *,
    before: leftovers.Bystanders,
    lift_limits: Callable[[], object] | None = None,
) -> tuple[int, str]:
    """The exit code and the report of one call. Its traceback is on stderr by then.

    A child that the job forked and that comes back out of the call does not
    come back from here: it ends with the exit code the call would have had.
    """
    owner = os.getpid()
    code, text, facts = 0, None, None
    try:
        begin_result(owner)
        try:
            STOPPING.begin()
            try:
                value = find(target)(*args, **kwargs)
                if type(value) not in PLAIN:
                    value = to_its_end(value)
                if value is not None:
                    text = to_json(value)
                del value
            except BaseException as error:  # the gate: whatever the job raised ends here
                if os.getpid() != owner:
                    _leave(error)
                # Memory may be what is short; what is said about it is not the job's any more.
                if lift_limits is not None:
                    lift_limits()
                code, facts = _failure(error)
            if os.getpid() != owner:
                _leave(None)
            leftovers.finish(before)
        finally:
            STOPPING.end()
    except BaseException as late:  # a signal's exception that came while we were busy ourselves
        STOPPING.end()
        if os.getpid() != owner:
            _leave(late)
        if facts is None:
            code, facts = _failure(late)
    if text is None or facts is not None:
        text = kept_result()
        if text is None and facts is None and code == 0:
            text = left_result()
    end_result()
    return code, report_text(text, facts)


def _failure(error: BaseException) -> tuple[int, dict[str, Any] | None]:
    """The exit code of an exception, and its facts unless it is a plain sys.exit(0)."""
    code = exit_code(error)
    trace = traceback_text(error)
    if trace:
        say(trace)
    return code, None if code == 0 else error_facts(error, trace)


def _leave(error: BaseException | None) -> None:
    """End a forked child as the end of a script would, without the clean-up that is the parent's."""
    code = 0
    try:
        if error is not None:
            code, _ = _failure(error)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)
