"""Whether the code that a warm worker has imported is still the code on disk.

Looked at are modules under the job's directory and its `python_path`; the
standard library and installed packages are not. A directory that is replaced
as a whole, such as a symbolic link to a release, counts too.
"""

from __future__ import annotations

import os
import sys
import time

_PAUSE = 0.2
_IDLE = 0.01
_INSTALLED = ("/site-packages/", "/dist-packages/")
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
# File times are as coarse as a timer tick, and a little in the past.
_GRAIN = 10_000_000


class CodeWatch:
    """The files of imported modules, and what they looked like."""

    def __init__(self) -> None:
        self._roots: tuple[str, ...] = ()
        self._places: dict[str, tuple[int, ...] | None] = {}
        self._files: dict[str, tuple[int, ...] | None] = {}
        self._count = 0
        self._looked = self._called = 0.0
        self._since = 0
        self._is_changed = False

    def begin(self, places: list[str]) -> None:
        """Watch what lies below these directories, and which directories they are."""
        self._roots = tuple({os.path.join(path, "") for path in [os.getcwd(), *places]})
        self._places = {path: _place(path) for path in places}
        self._since = time.time_ns()

    def add_root(self, directory: str) -> None:
        """Watch modules of one more directory."""
        root = os.path.join(directory, "")
        if root not in self._roots:
            self._roots = (*self._roots, root)
            self._count = 0

    def begin_call(self, now: int) -> None:
        """From here on modules may be read; nanoseconds of the wall clock."""
        self._since = now

    def note(self) -> None:
        """After a call: take note of modules that were imported since the last `begin_call` or `note`."""
        self._called = time.monotonic()
        if len(sys.modules) == self._count:
            return
        self._count = len(sys.modules)
        since, self._since = self._since, time.time_ns()
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or file in self._files or not self._is_watched(file):
                continue
            look = _look(file)
            self._files[file] = look
            # Written since then, perhaps after it was read: nobody knows what was imported.
            if look is not None and max(look[0], look[1]) >= since - _GRAIN:
                self._is_changed = True

    def is_changed(self) -> bool:
        """Whether a file is not what it was.

        Looked after any pause, so that a request that follows an edit finds it. Between calls that
        follow each other within 10 ms, looked every 0.2 seconds.
        """
        now = time.monotonic()
        if not self._is_changed and (now - self._called >= _IDLE or now - self._looked >= _PAUSE):
            self._looked = now
            self._is_changed = any(_look(file) != look for file, look in self._files.items()) or any(
                _place(path) != place for path, place in self._places.items()
            )
        return self._is_changed

    def _is_watched(self, file: str) -> bool:
        if not file.startswith(self._roots) or file.startswith(_STANDARD):
            return False
        return not any(part in file for part in _INSTALLED)


def _look(file: str) -> tuple[int, ...] | None:
    try:
        about = os.stat(file)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino, about.st_dev


def _place(path: str) -> tuple[int, ...] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_ino, about.st_dev
