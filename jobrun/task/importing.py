"""How `import jobrun.task` finds this package in an interpreter that does not have it, or another release.

This package is loaded from its own directory before anything is imported as
`jobrun`. What `jobrun` is in the job's environment stays what it is there; only
its `task` is ours. Where there is none, a stand-in in `foreign/` is found: its
directory is last on sys.path, so that processes which `multiprocessing`
starts find it too.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

FOREIGN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "foreign")
_NAME = "jobrun"


def set_path(python_path: Sequence[str]) -> None:
    """Begin sys.path as `python -m` would, with the current directory; then `python_path`.

    Entries of `python_path` are relative to the current directory.
    """
    directory = os.getcwd()
    sys.path[0:0] = [directory, *(os.path.join(directory, part) for part in python_path)]
    sys.path.append(FOREIGN)
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds `jobrun` where it would be found anyway, and sees to it that its `task` is this package."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The specification of `jobrun`, and of nothing else."""
        if name != _NAME:
            return None
        spec = None
        for finder in sys.meta_path:
            if finder is not self and spec is None:
                spec = finder.find_spec(name, None)
        spec = spec or PathFinder.find_spec(name, [FOREIGN])
        if spec is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads `jobrun` as its own loader does, and puts this package into it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> Any:
        """The inner loader's module, or None for an ordinary one."""
        return None if self._inner is None else self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code as if we were not there."""
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        # A directory without __init__.py has no loader before Python 3.11.
        if self._inner is not None:
            self._inner.exec_module(module)
        module.task = sys.modules[f"{_NAME}.task"]  # type: ignore[attr-defined]
