"""Levels of precedence and what comes out of them.

[defaults] < [queues.Q.defaults] < [templates.T] < [jobs.J]. A key of a deeper
level replaces the same key of a shallower one. Four tables are joined key by
key: `env`, `limits`, `kwargs`, `checkpoint`. Three groups are replaced as a
whole, because their keys exclude each other: what to run, how often to try,
when. `args` and `kwargs` go with what is run; `data` does not: like `env` it is
the job's, whatever it runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobrun.conf.document import Document
from jobrun.conf.problems import Fault, Key, Problem, dotted

KINDS = ("cron", "every", "after", "at")
WHEN = (*KINDS, "schedules")
TRIES = ("attempts", "retries")
BODY = ("command", "python")
_WITH_BODY = (*BODY, "args", "kwargs")
JOINED = ("env", "limits", "kwargs", "checkpoint")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One level: the values of one table, and the keys it has but got wrong (`bad`)."""

    document: Document
    path: Key
    values: Mapping[str, Any]
    bad: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The table's header, `[jobs.backup]`."""
        return f"[{dotted(self.path)}]"

    def says(self, key: str) -> bool:
        """Whether the table has the key, rightly or wrongly."""
        return key in self.values or key in self.bad

    def keys(self) -> Iterator[str]:
        """The keys it has, rightly or wrongly."""
        yield from self.values
        yield from self.bad

    def problem(self, fault: Fault) -> Problem:
        """The fault as a problem of this table."""
        return self.document.problem(self.path, fault)

    def place(self, *key: str) -> str:
        """`jobs.toml:12` of a key, or of the table."""
        line = self.document.line((*self.path, *key))
        return f"{self.document.file}:{line}" if line else ""


class Merged:
    """The levels of one job, shallow ones first, seen as one table."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self._chosen: dict[str, Layer] = {}
        self._floor: dict[str, int] = {}
        for number, layer in enumerate(layers):
            self._lay(number, layer)

    def _lay(self, number: int, layer: Layer) -> None:
        if any(layer.says(key) for key in BODY):
            self._forget(_WITH_BODY)
            self._floor["kwargs"] = number
        if layer.values.get("checkpoint") is False:
            self._floor["checkpoint"] = number + 1
        if any(layer.says(key) for key in TRIES):
            self._forget(TRIES)
        if any(layer.says(key) for key in WHEN):
            self._forget(WHEN)
        for key in layer.keys():  # noqa: SIM118 - not a mapping
            self._chosen[key] = layer

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._chosen.pop(key, None)

    def says(self, key: str) -> bool:
        """Whether any level decides the key, rightly or wrongly."""
        return key in self._chosen

    def get(self, key: str, default: Any = None) -> Any:
        """The value that holds. A key that was got wrong counts as absent."""
        layer = self._chosen.get(key)
        return default if layer is None else layer.values.get(key, default)

    def layer_of(self, key: str) -> Layer | None:
        """The level whose word holds for this key."""
        return self._chosen.get(key)

    def deepest_of(self, *keys: str) -> Layer:
        """The deepest level that decides one of the keys; the job itself if none does."""
        deciding = [self._chosen[key] for key in keys if key in self._chosen]
        return next((layer for layer in reversed(self.layers) if layer in deciding), self.layers[-1])

    def joined(self, key: str) -> dict[str, Any]:
        """A table that is joined over the levels."""
        return {name: value for name, (value, _) in self.joined_with_layers(key).items()}

    def joined_with_layers(self, key: str) -> dict[str, tuple[Any, Layer]]:
        """The same, each value with the level it comes from."""
        found: dict[str, tuple[Any, Layer]] = {}
        for layer in self.layers[self._floor.get(key, 0) :]:
            table = layer.values.get(key)
            if isinstance(table, Mapping):
                found |= {name: (value, layer) for name, value in table.items()}
        return found
