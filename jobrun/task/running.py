"""Running to its end what a call returned: a coroutine, a generator that yields progress, or both."""

from __future__ import annotations

import sys
from types import AsyncGeneratorType, GeneratorType

from jobrun.task.notes import progress
from jobrun.task.outcomes import SoftTimeout, Stopped
from jobrun.task.stopping import STOPPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from typing import Any

PLAIN = frozenset({type(None), int, float, bool, str, list, dict, tuple})


def to_its_end(value: Any) -> Any:
    """The final value: what it awaits, returns, or simply is."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, GeneratorType):
        return _exhaust(value)
    if isinstance(value, AsyncGeneratorType):
        return _run(_exhaust_async(value))
    if hasattr(value, "__await__"):
        return _run(value)
    return value


def _exhaust(steps: Any) -> Any:
    """What the generator returns; what it yields is progress."""
    thrown: BaseException | None = None
    told = _Told()
    while True:
        try:
            if thrown is None:
                item = next(steps)
            else:
                error, thrown = thrown, None
                item = steps.throw(error)
            told.tell(item)
        except StopIteration as stop:
            return stop.value
        except (SoftTimeout, Stopped) as error:
            if steps.gi_frame is None:
                raise
            # It came while the generator stood at a yield: its own code is to see it.
            thrown = error


async def _exhaust_async(steps: Any) -> None:
    told = _Told()
    try:
        async for item in steps:
            told.tell(item)
    finally:
        await steps.aclose()


class _Told:
    """Turns yielded values into progress, and remarks upon the first that is none."""

    def __init__(self) -> None:
        self._complained = False

    def tell(self, item: Any) -> None:
        """A number is a percentage, (i, n) is i of n, a text the state, a dict the keywords."""
        if item is None:
            return
        if isinstance(item, (tuple, list)) and len(item) == 2:
            progress(item[0], item[1])
        elif isinstance(item, str):
            progress(state=item)
        elif isinstance(item, dict) and all(isinstance(name, str) for name in item):
            rest = dict(item)
            progress(rest.pop("percent", None), rest.pop("total", None), **rest)
        elif hasattr(item, "__float__"):
            progress(item)
        elif not self._complained:
            self._complained = True
            kind = type(item).__name__
            sys.stderr.write(
                f"jobrun: a yielded {kind} is not progress (a number, (i, n), a text or a dict is)\n"
            )


def _run(awaitable: Awaitable[Any]) -> Any:
    """Await it in an event loop of its own."""
    import asyncio

    async def main() -> Any:
        STOPPING.loop, STOPPING.task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            return await _Steered(awaitable)
        finally:
            STOPPING.loop = STOPPING.task = None

    return asyncio.run(main())


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class _Steered:
    """An awaitable that gets SoftTimeout or Stopped where the loop's cancellation would come."""

    def __init__(self, inner: Awaitable[Any]) -> None:
        self._inner = inner

    def __await__(self) -> Generator[Any, Any, Any]:
        import asyncio

        inner = _awaited(self._inner)
        step: Any = inner.send
        value: Any = None
        while True:
            try:
                awaited = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                value = yield awaited
                step = inner.send
            except asyncio.CancelledError as cancelled:
                value = STOPPING.take_thrown() or cancelled
                if (
                    value is not cancelled
                    and STOPPING.task is not None
                    and hasattr(STOPPING.task, "uncancel")
                ):
                    STOPPING.task.uncancel()
                step = inner.throw
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:
                value, step = error, inner.throw
