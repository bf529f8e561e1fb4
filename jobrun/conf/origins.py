"""Where each value of a job comes from, for `jobrun show JOB --resolved`."""

from collections.abc import Mapping
from typing import Any

from jobrun.conf.merge import JOINED, TRIES, WHEN, Layer, Merged
from jobrun.conf.model.options import CheckpointTable, JobTable
from jobrun.conf.texts import builtin, value_text

Origin = tuple[str, str]
BUILT_IN = "built-in"
_NOT_VALUES = ("extends", "retries", *JOINED, *WHEN, "command", "python", "args")


def trace_origins(merged: Merged, settings: Layer | None, timezone: str) -> Mapping[str, Origin]:
    """For each key, its value as TOML text and the table that decided it, with file and line.

    Values without a text (no timeout) are left out. `timezone` is the one that
    holds where the job names none.
    """
    found: dict[str, Origin] = {}
    for key in JobTable.model_fields:
        if key in JOINED:
            for name, (value, layer) in sorted(merged.joined_with_layers(key).items()):
                found[f"{key}.{name}"] = value_text(f"{key}.{name}", value), _origin(layer, key, name)
            if key == "checkpoint":
                _trace_checkpoint(merged, found)
            continue
        decided = merged.layer_of(key)
        if decided is not None:
            found[key] = value_text(key, merged.get(key)), _origin(decided, key)
        elif key == "timezone":
            found[key] = value_text(key, timezone), _zone_origin(settings)
        elif key not in _NOT_VALUES and not (key in TRIES and any(merged.says(k) for k in TRIES)):
            default: Any = builtin(key)
            if default is not None:
                found[key] = value_text(key, default), BUILT_IN
    return found


def _trace_checkpoint(merged: Merged, found: dict[str, Origin]) -> None:
    """Where it was switched on or off, and the values that nobody set of one that is on."""
    decided, wish = merged.layer_of("checkpoint"), merged.get("checkpoint")
    if decided is None:
        return
    if isinstance(wish, bool):
        found["checkpoint"] = value_text("checkpoint", wish), _origin(decided, "checkpoint")
    if wish is not False:
        for name in CheckpointTable.model_fields:
            default = builtin(f"checkpoint.{name}")
            if default is not None:
                found.setdefault(f"checkpoint.{name}", (value_text(name, default), BUILT_IN))


def _origin(layer: Layer, *key: str) -> str:
    place = layer.place(*key)
    return f"{layer.label} ({place})" if place else layer.label


def _zone_origin(settings: Layer | None) -> str:
    if settings is not None and "timezone" in settings.values:
        return _origin(settings, "timezone")
    return "the host's"
