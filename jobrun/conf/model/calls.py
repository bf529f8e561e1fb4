"""The checks of what a job is called with: what to call, its arguments, its data."""

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, time

from jobrun.conf.model.checks import check_filled, check_text, kind_of
from jobrun.conf.problems import Fault, Key, first_of, quoted
from jobrun.domain.job import names_script
from jobrun.domain.records import storable
from jobrun.domain.sizes import format_size

LARGEST_DATA = 1 << 20
_DEEPEST = 50
# RFC 7493 and the definition's digest both want numbers that every reader understands alike.
_LARGEST_WHOLE = 1 << 63


def check_target(value: object) -> str:
    """`module:function`, or the path of a script."""
    text = check_text(value)
    if names_script(text):
        return check_filled(text)
    module = text.partition(":")[0]
    if module.endswith(".py"):
        function = f"{module.removesuffix('.py').replace('/', '.').strip('.')}:{text.partition(':')[2]}"
        hint = f'Write "{function}" for the function, or "{module}" to run the file.'
        raise Fault(f"{quoted(text)} names a file, and a function is named by its module", hint)
    return check_function(text)


def check_function(value: object) -> str:
    """`module:function` with dotted names on both sides."""
    text = check_text(value)
    module, colon, function = text.partition(":")
    names = [*module.split("."), *function.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        hint = 'Write "package.module:function".'
        raise Fault(f"{quoted(text)} does not name a function", hint)
    return text


def check_args(value: object) -> tuple[object, ...]:
    """The arguments of a Python call: an array of what JSON can hold."""
    if not isinstance(value, list):
        raise Fault(f"expected an array, not {kind_of(value)}")
    _check_json(value)
    return tuple(value)


def check_kwargs(value: object) -> dict[str, object]:
    """The keyword arguments of a Python call: a table of what JSON can hold."""
    if not isinstance(value, dict):
        raise Fault(f"expected a table, not {kind_of(value)}")
    _check_json(value)
    return dict(value)


def check_data(value: object) -> str:
    """Anything JSON can hold, as JSON text: keys sorted, no blanks, so that equal data is equal text."""
    _check_json(value)
    text = storable(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    if len(text.encode()) > LARGEST_DATA:
        hint = "Keep it in a file, and let the data name the file."
        raise Fault(f"the data is larger than {format_size(LARGEST_DATA)}", hint)
    return text


def _check_json(value: object) -> None:
    faults = list(_json_faults(value, ()))
    if faults:
        raise first_of(faults)


def _json_faults(value: object, at: Key) -> Iterator[Fault]:
    if len(at) > _DEEPEST:
        yield Fault("the value is nested too deeply", at=at[:3])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _json_faults(item, (*at, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _json_faults(item, (*at, key))
    elif isinstance(value, datetime | date | time):
        yield Fault(f"{kind_of(value)} cannot be handed to a job", "Write it as text, in quotes.", at)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault("an infinite number or NaN cannot be handed to a job", at=at)
    elif isinstance(value, int) and abs(value) >= _LARGEST_WHOLE:
        yield Fault("the number does not fit into 64 bits", "Write it as text, in quotes.", at)
