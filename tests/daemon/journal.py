"""A daemon's log for tests: every event goes to a function."""

from collections.abc import Callable, Iterable


class Journal:
    def __init__(self, told: Callable[..., None]) -> None:
        self._told = told

    def __call__(self, event: str, **fields: object) -> None:
        self._told(event, **fields)

    def write_all(self, events: Iterable[tuple[str, dict[str, object]]]) -> None:
        for event, fields in events:
            self._told(event, **fields)
