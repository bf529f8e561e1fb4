"""What a call gives back: its exit code and its report, a JSON object with `result` and `error`.

The traceback in the report is the one on stderr: without the frames of this
package at its top, and clipped where it is very long.
"""

from __future__ import annotations

import json
import os
import sys

from jobrun.task.outcomes import LONGEST, BadCall, BadResult, Dead, Retry, SoftTimeout, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

RETURNED = 0
RAISED = 1
NOT_CALLABLE = 2
TRY_AGAIN = 75
_LONGEST_MESSAGE = 2_000
_LONGEST_TRACE = 64 << 10
_LONGEST_CHAIN = 20
# Raised by a signal at any moment. Whatever else an exception does when it is looked at does not end the run.
_BY_SIGNAL = (SoftTimeout, Stopped)
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_MACHINERY = ("<frozen importlib", "<frozen runpy")


def report_text(result: str | None, error: dict[str, Any] | None) -> str:
    """The report as JSON text. `result` is JSON text already."""
    if error is None:
        return "{}" if result is None else f'{{"result":{result}}}'
    text = json.dumps({"error": error})
    return text if result is None else f'{{"result":{result},{text[1:]}'


def exit_code(error: BaseException) -> int:
    """The exit code of a call that raised this."""
    if isinstance(error, SystemExit):
        return _system_exit(error.code)
    if isinstance(error, Retry):
        return TRY_AGAIN
    return NOT_CALLABLE if isinstance(error, BadCall) else RAISED


def _system_exit(code: object) -> int:
    """What the interpreter makes of the argument of sys.exit."""
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    # As wide as C's int, of which the kernel keeps one byte.
    return int(code) & 0xFF if -(1 << 31) <= code < 1 << 31 else 255


def error_facts(error: BaseException, trace: str) -> dict[str, Any]:
    """The `error` of a report: what was raised, its bases by short and full name, message, traceback."""
    kinds = _kinds(type(error))
    bases = [name for kind in kinds for name in _names(kind)]
    return {
        "type": _names(kinds[0])[0] if _module(kinds[0]) == "builtins" else _names(kinds[0])[1],
        "bases": list(dict.fromkeys(bases)),
        "message": message_of(error),
        "traceback": _clipped(trace),
        "retry_in": _wait(error) if isinstance(error, Retry) else None,
        "final": isinstance(error, Dead),
    }


def _wait(error: Retry) -> int | None:
    """The wait it asks for; a class of the job's may have made anything of that."""
    wait = getattr(error, "retry_in", None)
    return wait if type(wait) is int and 0 <= wait <= LONGEST else None


def traceback_text(error: BaseException) -> str:
    """The traceback as Python prints it, beginning with the first frame of the job's own.

    An error of ours that no line of the job's raised is one sentence; sys.exit has none.
    """
    if isinstance(error, SystemExit):
        return "" if error.code is None or isinstance(error.code, int) else f"{message_of(error)}\n"
    trace = _own_frames(error.__traceback__)
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if isinstance(link, (SoftTimeout, Stopped)):
            _cut_handler(link.__traceback__)
        link = None if link is None else link.__cause__ or link.__context__
    if trace is None and isinstance(error, (BadCall, BadResult)):
        return f"jobrun: {error}\n"
    try:
        import traceback

        return _clean("".join(traceback.format_exception(type(error), error, trace)))
    except _BY_SIGNAL:
        raise
    except BaseException:
        # An exception can break everything that looks at it.
        return f"{_names(_kinds(type(error))[0])[1]}: {message_of(error)}\n"


def say(text: str) -> None:
    """Print what went wrong on the job's stderr, after what it printed itself."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    except _BY_SIGNAL:
        raise
    except BaseException:
        # The job may have put anything in place of its streams.
        _write_all(text.encode("utf-8", "backslashreplace"))


def _write_all(raw: bytes) -> None:
    try:
        while raw:
            raw = raw[os.write(2, raw) :]
    except OSError:
        return


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _cut_handler(trace: TracebackType | None) -> None:
    """Let the traceback of a signal's exception end where the signal found the job."""
    while trace is not None:
        below = trace.tb_next
        if below is not None and below.tb_frame.f_code.co_filename.startswith(_HERE + "stopping."):
            trace.tb_next = None
        trace = trace.tb_next


def _is_machinery(filename: str) -> bool:
    if filename.startswith(_HERE) or filename.startswith(_MACHINERY):
        return True
    return filename in (_file_of("importlib"), _file_of("runpy"))


def _file_of(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def _kinds(kind: type[BaseException]) -> list[type]:
    """The classes an exception can be named by: all of its MRO that say anything about it."""
    kinds = list(type.__dict__["__mro__"].__get__(kind))
    silent = {object, BaseException} if Exception in kinds else {object}
    return [each for each in kinds if each not in silent] or [kind]


def _names(kind: type) -> tuple[str, str]:
    """The short and the full name of a class."""
    short = str(type.__dict__["__name__"].__get__(kind))
    full = str(type.__dict__["__qualname__"].__get__(kind))
    return _clean(short), _clean(f"{_module(kind)}.{full}")


def _module(kind: type) -> str:
    try:
        return str(kind.__module__)
    except _BY_SIGNAL:
        raise
    except BaseException:
        return "?"


def message_of(error: BaseException) -> str:
    """The text of an exception, whatever its class makes of it."""
    try:
        text = str(error)
    except _BY_SIGNAL:
        raise
    except BaseException:
        return "<its text cannot be had: str() of the exception fails>"
    if len(text) > _LONGEST_MESSAGE:
        text = text[: _LONGEST_MESSAGE - 1] + "…"
    return _clean(text)


def _clipped(text: str) -> str:
    """Head and tail of a very long text, and how much lies between."""
    raw = text.encode("utf-8")
    if len(raw) <= _LONGEST_TRACE:
        return text
    half = _LONGEST_TRACE // 2
    head, tail = raw[:half].decode("utf-8", "ignore"), raw[-half:].decode("utf-8", "ignore")
    return f"{head}\n… {len(raw) - 2 * half:,} bytes left out …\n{tail}"


def _clean(text: str) -> str:
    """Text that can be encoded: lone surrogates (undecodable file names) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
