"""Which levels a job has: templates and queue found by name, unknown names (of pools too) reported."""

from collections.abc import Iterator, Sequence

from jobrun.conf.merge import Layer, Merged
from jobrun.conf.problems import Fault, Problem, did_you_mean, nearest, quoted
from jobrun.conf.sheets import Sheets

_TYPO = 0.8


class Levels:
    """Finds the levels of jobs among the tables of the files.

    `is_whole` is false if a file could not be parsed: what it defines is then
    unknown, and a name that is not found is not reported.
    """

    def __init__(self, sheets: Sheets, *, is_whole: bool = True) -> None:
        self.sheets = sheets
        self._is_whole = is_whole
        self._ring = {name for name in sheets.templates if self._leads_to_itself(name)}

    def merge(self, layer: Layer, without: Sequence[str] = ()) -> Merged:
        """The levels of a job or an ad-hoc table, merged, leaving out some keys."""
        named = [*self._templates(layer)][::-1]
        queue = self._queue_of([*named, layer])
        first = [self.sheets.defaults, self.sheets.queue_defaults.get(queue)]
        layers = [level for level in (*first, *named, layer) if level is not None]
        return Merged([_bare(level, without) for level in layers] if without else layers)

    def is_whole(self, layer: Layer) -> bool:
        """Whether all the levels the job names were found and read."""
        return self._is_whole and not any(
            "extends" in level.bad or self._extends_nothing(level)
            for level in (layer, *self._templates(layer))
        )

    def problems(self) -> list[Problem]:
        """Every `extends`, `queue` and `pool` that leads nowhere or in a circle."""
        found: list[Problem] = []
        for layer in (*self.sheets.templates.values(), *self.sheets.jobs.values()):
            found += [blamed.problem(fault) for blamed, fault in self.check_extends(layer)]
            found += [layer.problem(fault) for fault in self.check_places(layer)]
        shared = [*self.sheets.queue_defaults.values()]
        if self.sheets.defaults is not None:
            shared.insert(0, self.sheets.defaults)
        return [*found, *(layer.problem(fault) for layer in shared for fault in self.check_places(layer))]

    def check_extends(self, layer: Layer) -> Iterator[tuple[Layer, Fault]]:
        """What is wrong with the table's own `extends`."""
        name = layer.values.get("extends")
        if name is None:
            return
        if name not in self.sheets.templates:
            if self._is_whole:
                hint = did_you_mean(name, self.sheets.templates)
                yield layer, Fault(f"there is no template {quoted(name)}", hint, ("extends",))
        elif layer.path[0] == "templates" and layer.path[1] in self._ring:
            names = self._ring_from(str(layer.path[1]))
            if layer.path[1] != min(names):
                return  # the circle is reported once
            ring = " → ".join(names)
            yield layer, Fault(f"the templates extend each other in a circle: {ring}", at=("extends",))

    def check_places(self, layer: Layer) -> Iterator[Fault]:
        """A queue or a pool exists by being named; but a name one slip away from a declared one is a slip.

        Names that differ in digits alone (`gpu1`, `gpu2`) are not alike.
        """
        for key, declared in (("queue", self.sheets.queues), ("pool", self.sheets.pools)):
            name = layer.values.get(key)
            if name is None or name in declared or not self._is_whole:
                continue
            near = nearest(name, declared, _TYPO)
            if near is not None and _letters(near) != _letters(name):
                yield Fault(
                    f"there is no {key} {quoted(name)} in the file, but a very similar one",
                    f'Did you mean "{near}"? If not, declare [{key}s.{name}].',
                    (key,),
                )

    def _templates(self, layer: Layer) -> Iterator[Layer]:
        """The chain of templates, nearest first; cut where it repeats or leads nowhere."""
        seen: set[str] = set()
        name = layer.values.get("extends")
        while name is not None and name not in seen and name in self.sheets.templates:
            seen.add(name)
            yield self.sheets.templates[name]
            name = self.sheets.templates[name].values.get("extends")

    def _queue_of(self, named: Sequence[Layer]) -> str:
        levels = [*([self.sheets.defaults] if self.sheets.defaults else []), *named]
        queues = [level.values["queue"] for level in levels if "queue" in level.values]
        return str(queues[-1]) if queues else "default"

    def _extends_nothing(self, layer: Layer) -> bool:
        name = layer.values.get("extends")
        return name is not None and (name not in self.sheets.templates or name in self._ring)

    def _leads_to_itself(self, name: str) -> bool:
        return len(self._ring_from(name)) > 1

    def _ring_from(self, name: str) -> list[str]:
        """The names from `name` back to itself; empty if its chain does not come back to it."""
        ring, at = [name], self._next(name)
        while at is not None and at not in ring:
            ring.append(at)
            at = self._next(at)
        return [*ring, name] if at == name else []

    def _next(self, name: str) -> str | None:
        template = self.sheets.templates.get(name)
        return None if template is None else template.values.get("extends")


def _bare(layer: Layer, without: Sequence[str]) -> Layer:
    return Layer(
        layer.document,
        layer.path,
        {key: value for key, value in layer.values.items() if key not in without},
        layer.bad - set(without),
    )


def _letters(name: str) -> str:
    return "".join(c for c in name if not c.isdigit())
