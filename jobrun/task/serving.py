"""The warm worker: takes calls from the daemon one at a time, and makes each as a fresh process would.

What every call leaves on disk is complete before the daemon is told, so that
nothing is lost if either of them dies. A call that was received and not begun
is left to others as soon as the daemon is gone; one that has begun is finished.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import platform
import time

from jobrun.task import leftovers
from jobrun.task.channel import LARGEST_SENT, Channel
from jobrun.task.codewatch import CodeWatch
from jobrun.task.importing import set_path
from jobrun.task.making import make_call
from jobrun.task.notes import forget_notes
from jobrun.task.report import error_facts, say, traceback_text
from jobrun.task.results import write_whole
from jobrun.task.running import to_its_end
from jobrun.task.statusfile import StatusFile
from jobrun.task.stopping import STOPPING, should_stop
from jobrun.task.streams import Streams
from jobrun.task.surroundings import Surroundings
from jobrun.task.target import find, is_script
from jobrun.task.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Worker:
    """One warm worker, for as long as it lives."""

    def __init__(self, fd: int) -> None:
        self._channel = Channel(fd)
        self._streams = Streams()
        self._watch = CodeWatch()
        self._before = leftovers.Bystanders()
        self._usage = Usage()
        self._functions: dict[str, Callable[..., Any]] = {}
        self._is_stale = False
        self._is_importing = False
        self._on_stop: str | None = None
        self._is_reaper = leftovers.become_reaper()
        faulthandler.enable()
        STOPPING.install(self._channel.close_reading)
        self._surroundings = Surroundings()
        self._status = StatusFile("{}")

    def serve(self) -> int:
        """Take messages until there are no more. Returns the exit code of the process."""
        try:
            return self._serve()
        except BaseException:
            # A fault of ours: it belongs into the worker's log, not into the run's.
            self._streams.restore()
            raise

    def _serve(self) -> int:
        while True:
            message = self._channel.receive()
            if message is None or message["op"] == "retire":
                break
            if message["op"] == "hello":
                if not self._start(message):
                    return 1
            elif self._take(message):
                break
        self._stop()
        return 0

    def _start(self, hello: dict[str, Any]) -> bool:
        """Get ready for calls. Returns whether the start hook, if there is one, has succeeded."""
        set_path(hello["python_path"])
        facts = {"worker": hello["worker"], "pid": os.getpid(), "leader": hello["leader"]}
        self._status = StatusFile(json.dumps(facts), hello["worker"])
        self._watch.begin([*hello["python_path"], *([hello["cwd"]] if hello.get("cwd") else [])])
        try:
            if hello.get("on_start"):
                to_its_end(find(hello["on_start"])())
        except BaseException as error:  # the gate: the pool is told, whatever it was
            trace = traceback_text(error)
            say(trace)
            self._channel.send(json.dumps({"op": "failed", "error": error_facts(error, trace)}))
            return False
        self._on_stop = hello.get("on_stop")
        self._settle()
        self._flush()
        ready = {"pid": os.getpid(), "python": platform.python_version(), "reaper": self._is_reaper}
        self._channel.send(json.dumps({"op": "ready", **ready}))
        return True

    def _stop(self) -> None:
        self._channel.flush()
        self._surroundings.leave()
        self._streams.discard()
        self._status.discard()
        if self._on_stop is not None:
            try:
                to_its_end(find(self._on_stop)())
            except BaseException as error:  # the gate: a worker ends, whatever its hook thinks of it
                say(traceback_text(error))
        self._flush()
        STOPPING.finish()

    def _settle(self) -> None:
        """What importing code has done to this process belongs to it."""
        self._watch.note()
        self._surroundings.note()
        self._before.note()

    def _flush(self) -> None:
        self._streams.flush()
        self._streams.restore()

    def _take(self, message: dict[str, Any]) -> bool:
        """Make one call, or say why not. Returns whether the worker is to end now."""
        fence = message.get("fence")
        if self._is_stale:
            self._channel.send(f'{{"op":"stale","fence":{json.dumps(fence)}}}')
            return False
        if self._channel.is_closed():
            return True
        if "file" in message:
            try:
                message = _read_away(message["file"])
            except (OSError, ValueError) as error:
                self._refuse(fence, error, "read the call")
                return False
            fence = message["fence"]
        if self._watch.is_changed():
            self._end_after_this()
            return self._take(message)
        if not self._claim(message):
            return False
        self._make(message)
        return self._channel.is_lost

    def _end_after_this(self) -> None:
        """Make no further call: say `stale` of what was received, and end."""
        self._is_stale = True
        self._channel.close_reading()

    def _claim(self, call: dict[str, Any]) -> bool:
        """Make the files of the call. Returns whether it is ours to make."""
        fence = call["fence"]
        try:
            self._status.claim(call["status"])
        except FileExistsError:
            self._channel.send(f'{{"op":"dropped","fence":"{fence}"}}')
            return False
        except OSError as error:
            self._refuse(fence, error, f"create the status file {call['status']}")
            return False
        doing = f"write the data file {call.get('data_file')}"
        try:
            if call.get("data") is not None and call.get("data_file"):
                write_whole(call["data_file"], call["data"])
            doing = f"open the log file {call['out']}"
            self._streams.begin(call["out"], call["err"])
        except OSError as error:
            self._status.drop()
            self._refuse(fence, error, doing)
            return False
        return True

    def _refuse(self, fence: str | None, error: Exception, doing: str) -> None:
        number = getattr(error, "errno", None) or errno.EIO
        sentence = f"cannot {doing}: {os.strerror(number)}"
        message = {"op": "refused", "fence": fence, "errno": number, "sentence": sentence}
        self._channel.send(json.dumps(message))
        if number in _OUT_OF:
            # Perhaps earlier calls have used it all up, in which case only another process helps.
            self._end_after_this()

    def _make(self, call: dict[str, Any]) -> None:
        fence, target = call["fence"], call["target"]
        self._surroundings.enter(call["env"], [target])
        soft = call.get("soft") or {}
        changed = STOPPING.expect(soft.get("signal"), soft.get("after"), call.get("stop_file"))
        if changed:
            self._surroundings.expect_handlers(changed)
        self._is_importing = False
        STOPPING.arm()
        self._channel.send(f'{{"op":"begun","fence":"{fence}","at":{time.time_ns() // 1000}}}')
        self._watch.begin_call()
        self._usage.begin()
        self._surroundings.limit(call.get("cpu"), call.get("memory"), call.get("open_files"))
        code, report = make_call(
            self._find,
            target,
            call["args"],
            call["kwargs"],
            before=self._before,
            lift_limits=self._surroundings.lift_limits,
        )
        self._streams.flush()
        at = time.time_ns() // 1000
        times, rss = self._usage.end()
        retire = self._surroundings.put_back()
        if self._is_importing and should_stop():
            # An import was torn in two: nobody knows what of it is half done.
            retire = retire or "import"
        if leftovers.left_threads(self._before):
            retire = retire or "threads"
        children = leftovers.left_children(self._before)
        if children:
            # They live in this worker's session: the next call's could not be told from them.
            retire = retire or "children"
        out, err = self._streams.end(may_keep=not children)
        is_kept = self._status.complete(code, times, report)
        has_said = exists(call["env"].get("JOBRUN_NOTES")) or exists(call["env"].get("JOBRUN_RESULT"))
        forget_notes()
        self._watch.note()
        user, system = round((times[0] + times[2]) * 1e6), round((times[1] + times[3]) * 1e6)
        if len(report) > LARGEST_SENT:
            report = "true" if is_kept else "{}"
        if not self._channel.is_intact():
            retire = "descriptors"
        if retire is not None:
            self._end_after_this()
        self._channel.send_soon(
            f'{{"op":"ended","fence":"{fence}","exit":{code},"at":{at},"user":{user},"system":{system},'
            f'"rss":{rss},"out":{out},"err":{err},"children":{"true" if children else "false"},'
            f'"said":{"true" if has_said else "false"},'
            f'"retire":{"null" if retire is None else json.dumps(retire)},"report":{report}}}'
        )

    def _find(self, target: str) -> Callable[..., Any]:
        """What the target names, remembered."""
        function = self._functions.get(target)
        if function is None:
            self._is_importing = True
            function = find(target)
            self._is_importing = False
            if is_script(target):
                self._watch.add_root(os.path.dirname(target))
            self._settle()
            self._functions[target] = function
        return function


def exists(path: str | None) -> bool:
    """Whether there is a file of that name."""
    try:
        return path is not None and bool(os.stat(path))
    except OSError:
        return False


def _read_away(path: str) -> dict[str, Any]:
    """A call that was too large for a message, from its file, which is removed."""
    with open(path, "rb") as file:
        raw = file.read()
    os.unlink(path)
    return json.loads(raw.decode("utf-8"))  # type: ignore[no-any-return]


def main(argv: list[str]) -> int:
    """Serve the daemon behind this descriptor."""
    return Worker(int(argv[1])).serve()
