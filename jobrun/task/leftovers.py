"""Threads and processes a call leaves behind: awaited as at the end of an interpreter, or told about.

At the end of a script Python waits for non-daemon threads, lets executors
finish what they were given, and ends multiprocessing's helpers. A call in a
warm worker gets the same, and what cannot be ended makes the worker retire.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_LAST_BREATH = 0.02
_ANY_END = os.WEXITED | os.WNOHANG | os.WNOWAIT


class Bystanders:
    """The threads, children and finalizers that were there before a call and are none of its business."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.nameless = 0
        self.children: set[int] = set()
        self.finalizers: set[Any] = set()
        self.left: set[int] = set()

    def note(self) -> None:
        """What is here now was here before."""
        threads = _threads() if _thread._count() else []
        self.threads = {thread.ident for thread in threads}
        self.nameless = max(0, _thread._count() - len(threads))
        self.children = set(_children()[0]) - self.left if has_children() else set()
        self.finalizers = set(_finalizers())


def become_reaper() -> bool:
    """Make this process the parent of orphaned descendants, so that none leaves unseen. Returns if it is."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def finish(before: Bystanders) -> None:
    """Wait for what the call started: part of the call, so its limits still hold."""
    if _thread._count():
        _finish_threads(before)
    if "multiprocessing.process" in sys.modules:
        _finish_multiprocessing(before)


def _finish_threads(before: Bystanders) -> None:
    while True:
        pools = _keys("concurrent.futures.thread", "_threads_queues")
        managers = _keys("concurrent.futures.process", "_threads_wakeups")
        mine = [thread for thread in _threads() if thread.ident not in before.threads]
        waited = [thread for thread in mine if not thread.daemon and thread not in pools | managers]
        for thread in waited:
            thread.join()
        _wait_until_idle([thread for thread in mine if thread in pools])
        if not managers.isdisjoint(mine):
            # Its processes end with it; the executor cannot be used again, and the worker retires.
            sys.modules["concurrent.futures.process"]._python_exit()
        if not waited:
            return


def _wait_until_idle(threads: list[Any]) -> None:
    """Until an executor's threads have done their work and wait for more: they may stay for the next call."""
    pause, quiet = 0.0005, 0
    # Twice: one that has just taken a piece of work looks idle for a moment.
    while threads and quiet < 2:
        quiet = quiet + 1 if all(map(_is_idle, threads)) else 0
        time.sleep(pause)
        pause = pause if quiet else min(0.05, pause * 2)


def _is_idle(thread: Any) -> bool:
    futures = sys.modules["concurrent.futures.thread"]
    queue = futures._threads_queues.get(thread)
    frame = sys._current_frames().get(thread.ident)
    if frame is None or queue is None:
        return True
    return bool(queue.empty()) and frame.f_code is futures._worker.__code__


def left_threads(before: Bystanders) -> bool:
    """Whether threads of the call go on that cannot be waited for. Idle ones of an executor may stay."""
    # An executor of processes that was ended does not work again.
    if getattr(sys.modules.get("concurrent.futures.process"), "_global_shutdown", False):
        return True
    if not _thread._count():
        return False
    until = time.monotonic() + _LAST_BREATH
    while _has_strangers(before):
        if time.monotonic() > until:
            return True
        time.sleep(0.001)
    return False


def _has_strangers(before: Bystanders) -> bool:
    pools = _keys("concurrent.futures.thread", "_threads_queues")
    threads = _threads()
    if any(thread.ident not in before.threads and thread not in pools for thread in threads):
        return True
    # Those that were started below `threading` are only counted.
    return _thread._count() > len(threads) + before.nameless


def _threads() -> list[Any]:
    """The threads other than the main one, as far as `threading` knows them."""
    threading = sys.modules.get("threading")
    if threading is None:
        return []
    main = threading.main_thread()
    return [thread for thread in threading.enumerate() if thread is not main]


def _keys(module: str, name: str) -> set[Any]:
    """The threads an executor module keeps a record of."""
    return set(getattr(sys.modules.get(module), name, None) or ())


def _finish_multiprocessing(before: Bystanders) -> None:
    """End what `multiprocessing` ends at exit: pools, managers, daemon children; wait for the others."""
    finalizers = _finalizers()
    mine = [key for key in finalizers if key not in before.finalizers and key[0] is not None and key[0] >= 0]
    for key in sorted(mine, reverse=True):
        finalizer = finalizers.get(key)
        if finalizer is not None:
            finalizer()
    process = sys.modules["multiprocessing.process"]
    children = [child for child in process.active_children() if child.pid not in before.children]
    for child in children:
        if child.daemon:
            child.terminate()
    for child in children:
        child.join()


def _finalizers() -> dict[Any, Any]:
    return getattr(sys.modules.get("multiprocessing.util"), "_finalizer_registry", None) or {}


def has_children() -> bool:
    """Whether this process has any child at all, a zombie included: one system call."""
    try:
        os.waitid(os.P_ALL, 0, _ANY_END)
    except ChildProcessError:
        return False
    return True


def left_children(before: Bystanders) -> bool:
    """Whether children go on that were not there before. Zombies are buried, helpers of Python's ended.

    Those it has told about once are known from then on. To be asked if `has_children`.
    """
    mine = _living_strangers(before)
    if mine:
        _stop_helpers(mine, before)
        mine = _living_strangers(before)
    before.left |= mine
    return bool(mine)


def _living_strangers(before: Bystanders) -> set[int]:
    """The children that run and were not there before. The dead ones among them are reaped."""
    living, dead = _children()
    for pid in dead:
        if pid not in before.children:
            before.left.discard(pid)
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
    return set(living) - before.children - before.left


def _children() -> tuple[list[int], list[int]]:
    """The pids of this process's children: those that run, and the zombies."""
    living: list[int] = []
    dead: list[int] = []
    me = os.getpid()
    for pid in _candidates():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == me:
            (dead if state in b"ZX" else living).append(int(pid))
    return living, dead


def _candidates() -> list[str]:
    """The pids that can be ours: as the kernel lists them, or all there are."""
    found: list[str] = []
    try:
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as file:
                found += file.read().split()
    except OSError:
        return [entry for entry in os.listdir("/proc") if entry.isdigit()]
    return found


def _stop_helpers(mine: set[int], before: Bystanders) -> None:
    """Stop multiprocessing's fork server and resource tracker, if nothing else is left that uses them."""
    server: Any = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    tracker: Any = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    server_pid = getattr(server, "_forkserver_pid", None)
    tracker_pid = getattr(tracker, "_pid", None)
    if not mine <= {server_pid, tracker_pid}:
        return
    try:
        if server_pid in mine:
            server._stop()
        # The tracker ends when the last process that could tell it something has ended.
        if tracker_pid in mine and _living_strangers(before) <= {tracker_pid}:
            tracker._stop()
    except Exception:  # they are Python's own and may be different in the next release
        return
