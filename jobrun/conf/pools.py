"""From a pool's table to the domain's Pool."""

from typing import Any

from jobrun.conf.merge import Layer
from jobrun.domain.job import Pool

# Where the file's word is longer than the domain's.
_FIELDS = {
    "max_runs_per_worker": "max_runs",
    "max_memory_per_worker": "max_memory",
    "hard_memory_per_worker": "hard_memory",
    "on_worker_start": "on_start",
    "on_worker_stop": "on_stop",
}


def build_pool(name: str, layer: Layer) -> Pool:
    """The pool of a table without faults."""
    said: dict[str, Any] = {_FIELDS.get(key, key): value for key, value in layer.values.items()}
    if said.get("max") == "cpus":
        said["max"] = None
    return Pool(name=name, **said)


def builtin_of_pool(key: str) -> Any:
    """The built-in default of a `[pools.NAME]` key; None if there is none."""
    return getattr(Pool(name=""), _FIELDS.get(key, key))
