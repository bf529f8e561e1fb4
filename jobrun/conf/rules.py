"""Which keys go together: in one table, and in what a job has after merging."""

from collections.abc import Iterator

from jobrun.conf.merge import BODY, KINDS, TRIES, Layer, Merged
from jobrun.conf.model.checks import kind_of
from jobrun.conf.model.terms import is_exception
from jobrun.conf.problems import Fault, quoted
from jobrun.domain.instants import format_duration
from jobrun.domain.job import Isolation, RetryPolicy, names_script
from jobrun.domain.sizes import format_size

_WITH_PYTHON = ("args", "kwargs", "interpreter", "python_path", "isolation", "pool")


def check_table(layer: Layer) -> Iterator[Fault]:
    """The faults of keys that exclude each other in one table."""
    if all(layer.says(key) for key in TRIES):
        yield Fault(
            "attempts and retries say the same thing twice",
            "retries = attempts - 1; keep one of them.",
            ("retries",),
        )
    if all(layer.says(key) for key in BODY):
        yield Fault("a job runs either a command or a python function", "Keep one of them.", ("python",))
    elif layer.says("command"):
        for key in _WITH_PYTHON:
            if layer.says(key):
                yield Fault(f"{key} goes with python, not with command", at=(key,))
        yield from _exceptions_of_commands(layer)
        if layer.says("shell") and isinstance(layer.values.get("command"), tuple):
            yield Fault("shell goes with a command that is text; this one is an array", at=("shell",))
    elif layer.says("python") and layer.says("shell"):
        yield Fault("shell goes with a command that is text, not with python", at=("shell",))
    if layer.values.get("isolation") is Isolation.FRESH and layer.says("pool"):
        yield Fault(
            'a pool has warm workers, and isolation = "fresh" uses none', "Keep one of them.", ("pool",)
        )
    yield from _check_when(layer)


def _exceptions_of_commands(layer: Layer) -> Iterator[Fault]:
    for key in ("retry_on", "no_retry_on"):
        for condition in layer.values.get(key) or ():
            if is_exception(condition):
                message = f"{quoted(condition)} is an exception, and a command has exit codes only"
                yield Fault(message, 'Write an exit code such as 75, or "exit:64-78".', (key,))


def check_pool(layer: Layer) -> Iterator[Fault]:
    """The faults of a pool's values taken together."""
    least, most = layer.values.get("min"), layer.values.get("max")
    if least is not None and isinstance(most, int) and least > most:
        yield Fault(f"min ({least}) is more than max ({most})", at=("min",))
    soft, hard = layer.values.get("max_memory_per_worker"), layer.values.get("hard_memory_per_worker")
    if soft is not None and hard is not None and soft > hard:
        yield Fault(
            f"max_memory_per_worker ({format_size(soft)}) is more than "
            f"hard_memory_per_worker ({format_size(hard)})",
            "Above the first a worker is replaced after its call, above the second it is killed.",
            ("max_memory_per_worker",),
        )


def _check_when(layer: Layer) -> Iterator[Fault]:
    kinds = [key for key in KINDS if layer.says(key)]
    several = "Write one [[jobs.NAME.schedules]] for each schedule."
    if len(kinds) > 1:
        yield Fault(f"{' and '.join(kinds)}: a job's own table takes one schedule", several, (kinds[1],))
    if kinds and layer.says("schedules"):
        yield Fault(f"{kinds[0]} stands beside schedules", several, (kinds[0],))
    for number, entry in enumerate(layer.values.get("schedules") or ()):
        said = [key for key in KINDS if key in entry]
        if len(said) != 1:
            found = " and ".join(said) or "none of them"
            yield Fault(
                f"a schedule has exactly one of cron, every, after and at; here is {found}",
                at=("schedules", number, *said[1:2]),
            )


def check_merged(merged: Merged) -> Iterator[tuple[Layer, Fault]]:
    """The faults of a job's values taken together, each with the level to blame."""
    soft, hard = merged.get("soft_timeout"), merged.get("timeout")
    if soft is not None and hard is not None and soft >= hard:
        yield _blame(
            merged,
            ("soft_timeout", "timeout"),
            f"soft_timeout ({format_duration(soft)}) must be shorter than timeout ({format_duration(hard)})",
        )
    yield from _check_script(merged)
    builtin = RetryPolicy()
    delay, longest = merged.get("delay", builtin.delay), merged.get("max_delay", builtin.max_delay)
    if delay > longest:
        origin = "" if merged.says("max_delay") else ", the built-in value"
        yield _blame(
            merged,
            ("delay", "max_delay"),
            f"delay ({format_duration(delay)}) is longer than max_delay ({format_duration(longest)}{origin})",
        )


def _check_script(merged: Merged) -> Iterator[tuple[Layer, Fault]]:
    """A script has the arguments of a command line."""
    target = merged.get("python")
    if target is None or not names_script(target):
        return
    named = merged.layer_of("kwargs")
    if named is not None:
        yield named, Fault("kwargs go with a function; a script takes args", at=("kwargs",))
    given = merged.layer_of("args")
    for number, value in enumerate(merged.get("args", ())):
        if given is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
            message = f"an argument of a script is text or a number, not {kind_of(value)}"
            yield given, Fault(message, at=("args", number))


def _blame(merged: Merged, keys: tuple[str, ...], message: str) -> tuple[Layer, Fault]:
    layer = merged.deepest_of(*keys)
    key = next((key for key in keys if merged.layer_of(key) is layer), keys[0])
    return layer, Fault(message, at=(key,))
