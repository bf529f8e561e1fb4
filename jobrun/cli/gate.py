"""The one place where errors become words and exit codes.

Whatever a command raises ends here as one sentence and one hint on stderr. A
traceback is printed only on request (`JOBRUN_DEBUG=1`).
"""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

import typer

from jobrun.cli.tree import invoke
from jobrun.domain.errors import Bug, JobFileInvalid, JobrunError

INTERRUPTED = 130
PIPE_CLOSED = 141


def run(arguments: list[str]) -> int:
    """Carry out one command line and return the exit code of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = invoke(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _close_quietly()
    except Exception as error:  # the gate: everything becomes a sentence here
        if os.environ.get("JOBRUN_DEBUG"):
            raise
        return _report(error)
    return code


def _close_quietly() -> int:
    """The reader of our output has left (`| head`): say nothing, and leave nothing to flush."""
    from jobrun.cli.streams import drop_output

    drop_output()
    return PIPE_CLOSED


def _report(error: Exception) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _close_quietly()
    known = as_jobrun_error(error)
    with suppress(OSError):
        print_error(known, sys.stderr)
    return int(known.code)


def print_error(error: JobrunError, stream: TextIO) -> None:
    """Write the error's sentence and hint, and a job file's problems line by line."""
    from jobrun.cli.escape import visible

    lines = [f"jobrun: {visible(error.sentence)}"]
    if isinstance(error, JobFileInvalid):
        lines += [f"  {visible(line)}" for problem in error.problems for line in problem.split("\n")]
    if error.hint:
        first, *more = error.hint.split("\n")
        lines.append(f"  hint: {visible(first)}")
        lines += [f"        {visible(line)}" for line in more]
    stream.write("\n".join(lines) + "\n")


def as_jobrun_error(error: Exception) -> JobrunError:
    """The error as one with a sentence, a hint and an exit code, whatever it was."""
    if isinstance(error, JobrunError):
        return error
    if isinstance(error, typer.exceptions.TyperException):
        from jobrun.cli.usage import usage_error

        return usage_error(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        is_closed = error.errno == errno.EBADF and not place
        hint = "The command was started with stdin or stdout closed, which it needs." if is_closed else ""
        return JobrunError(f"{place}{error.strerror}.", hint)
    return Bug(
        f"This is a bug in jobrun: {type(error).__name__}: {error}",
        "Run the command again with JOBRUN_DEBUG=1 to see the traceback, and report it.",
    )
