"""What one call of many in a process has used."""

from __future__ import annotations

import resource

_SMALL = 1024


class Usage:
    """Processor time and memory of one call."""

    def __init__(self) -> None:
        self._own = resource.getrusage(resource.RUSAGE_SELF)
        self._floor = 0
        self.note_children()

    def note_children(self) -> None:
        """A child may have been waited for that was no call's."""
        self._children = resource.getrusage(resource.RUSAGE_CHILDREN)

    def begin(self) -> None:
        """From here on it is the call's. What children use is counted when they are waited for: between
        calls there is none, unless `note_children` says so."""
        self._own = resource.getrusage(resource.RUSAGE_SELF)

    def end(self) -> tuple[tuple[float, float, float, float], str]:
        """User and system time, of the process and of its children; the largest resident size, or "null"."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        before, self._children = self._children, resource.getrusage(resource.RUSAGE_CHILDREN)
        times = (
            own.ru_utime - self._own.ru_utime,
            own.ru_stime - self._own.ru_stime,
            self._children.ru_utime - before.ru_utime,
            self._children.ru_stime - before.ru_stime,
        )
        return times, self._peak(own.ru_maxrss)

    def _peak(self, largest: int) -> str:
        """The kernel keeps one maximum for a process's life; it is set back when a call has raised it."""
        if largest - self._floor > _SMALL:
            try:
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")
                self._floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            except OSError:
                if largest <= self._floor:
                    return "null"
                self._floor = largest
        return str(largest * 1024)
