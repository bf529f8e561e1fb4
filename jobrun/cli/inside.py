"""What a job says through commands: progress, the wish for another try, checkpoints.

Jobs call these in loops, so `at_once` carries out a plain line of one without
the command tree, which costs more than all the rest. Whatever it does not know
at first sight (help, a general option, a slip) it leaves to the tree, whose
commands do the same things by the functions below, and find the words for
what is wrong. Nothing is imported here that a plain line does not need.
"""

import os
import sys
from collections.abc import Callable, Sequence

from jobrun.domain.errors import JobrunError, UsageError

_Said = dict[str, list[str]]
_HINT = "It finds its run in its environment ($JOBRUN_NOTES), which a job hands on to what it starts."


def at_once(arguments: Sequence[str]) -> int | None:
    """Carry out a command line of this module's commands; None if it is not a plain one, or it fails."""
    name, *words = arguments
    known, do = _PLAIN[name]
    said = _read(words, known)
    if said is None:
        return None
    try:
        return do(said)
    except (JobrunError, OSError):
        return None


def tell_progress(percent: str | None, of: str | None, state: str | None, pairs: Sequence[str] = ()) -> None:
    """Say how far the run is. Raises UsageError for odd values, and outside a job."""
    _need("JOBRUN_NOTES", "progress")
    if percent is not None and of is not None:
        raise UsageError("Give a percentage or --of, not both.")
    if percent is None and of is None and state is None and not pairs:
        raise UsageError(
            "Say how far the run is.", "For example `jobrun progress 40`, or `jobrun progress --of 3/12`."
        )
    numbers: tuple[float, ...] = ()
    if percent is not None:
        numbers = (_number(percent.removesuffix("%"), f'"{percent}" is not a percentage.'),)
    elif of is not None:
        done, slash, whole = of.partition("/")
        wrong = f'--of "{of}" is not DONE/ALL.'
        numbers = (_number(done, wrong), _number(whole if slash else "", wrong))
    meta = meta_of(pairs, ("state",))
    from jobrun.task.notes import progress

    progress(*numbers, state=state, **meta)


def ask_for_retry(span: str) -> None:
    """Ask for the run's next try after a span. Raises UsageError, or OSError if that cannot be written."""
    _need("JOBRUN_NOTES", "retry-me")
    from jobrun.task.notes import wish_retry
    from jobrun.task.outcomes import Retry

    try:
        after = Retry(in_=span).retry_in
    except ValueError as error:
        raise UsageError(f"--in: {error}.", 'For example "90s", "1h30m" or "7d".') from None
    assert after is not None
    wish_retry(after)


def save_checkpoint(file: str, step: str, pairs: Sequence[str] = ()) -> str:
    """Register a file as the checkpoint of a step; the path it is kept under.

    Raises UsageError, or OSError if the file is missing or cannot be kept.
    """
    if "JOBRUN_CHECKPOINT_DIR" not in os.environ:
        _need("JOBRUN_RUN_ID", "checkpoint save")
        raise UsageError("This job keeps no checkpoints.", "Write checkpoint = true in the job file.")
    if not step.isdecimal():
        raise UsageError(f'--step "{step}" is not a whole number.', "For example --step 30.")
    meta = meta_of(pairs, ("path", "step"))
    from jobrun.task.checkpoint import save

    return str(save(file, int(step), **meta))


def latest_checkpoint() -> str | None:
    """The checkpoint this job is to go on from, if there is one. Raises UsageError outside a job."""
    _need("JOBRUN_RUN_ID", "checkpoint latest")
    from jobrun.task.checkpoint import latest

    found = latest()
    return None if found is None else str(found)


def meta_of(pairs: Sequence[str], reserved: tuple[str, ...]) -> dict[str, object]:
    """`K=V` pairs; a value that reads as JSON is that, any other is text. Raises UsageError."""
    meta: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f'--meta "{pair}" is not NAME=VALUE.', "For example --meta epoch=12.")
        if name in reserved:
            raise UsageError(f"--meta cannot be called {name}.", "It is said by an option of its own.")
        import json

        try:
            meta[name] = json.loads(value, parse_constant=_refuse)
        except ValueError:
            meta[name] = value
    return meta


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _need(variable: str, command: str) -> None:
    if not os.environ.get(variable):
        raise UsageError(f"`jobrun {command}` is for jobs: this is not inside a run.", _HINT)


def _number(text: str, wrong: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise UsageError(wrong, "For example `jobrun progress 40`, or `jobrun progress --of 3/12`.")
    return number


def _read(words: Sequence[str], known: tuple[str, ...]) -> _Said | None:
    """The values of the known options, and the other words under ""; None if there is any doubt."""
    said: _Said = {"": []}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            said[""].append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            return None
        if not equals:
            value = next(rest, "-")
        if value.startswith("-"):
            return None
        said.setdefault(name, []).append(value)
    return said


def _last(said: _Said, name: str) -> str | None:
    return said[name][-1] if name in said else None


def _progress(said: _Said) -> int | None:
    if len(said[""]) > 1:
        return None
    percent = said[""][0] if said[""] else None
    tell_progress(percent, _last(said, "--of"), _last(said, "--state"), said.get("--meta", ()))
    return 0


def _retry_me(said: _Said) -> int | None:
    span = _last(said, "--in")
    if said[""] or span is None:
        return None
    ask_for_retry(span)
    return 0


def _checkpoint(said: _Said) -> int | None:
    step = _last(said, "--step")
    match said[""]:
        case ["save", file] if step is not None:
            return _print(save_checkpoint(file, step, said.get("--meta", ())))
        case ["latest"] if len(said) == 1:
            found = latest_checkpoint()
            return 1 if found is None else _print(found)
        case _:
            return None


def _print(path: str) -> int:
    sys.stdout.write(path + "\n")
    sys.stdout.flush()
    return 0


_PLAIN: dict[str, tuple[tuple[str, ...], Callable[[_Said], int | None]]] = {
    "progress": (("--of", "--state", "--meta"), _progress),
    "retry-me": (("--in",), _retry_me),
    "checkpoint": (("--step", "--meta"), _checkpoint),
}
