"""The warm worker: takes sheaves of calls from the daemon, and makes each as a fresh process would.

What every call leaves on disk is complete before the daemon is told, so that
nothing is lost if either of them dies. A call that was received and not begun
is left to others as soon as the daemon is gone; one that has begun is finished.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import sys
import time

from jobrun.task import leftovers
from jobrun.task.channel import LARGEST_SENT, Channel
from jobrun.task.codewatch import CodeWatch
from jobrun.task.importing import set_path
from jobrun.task.making import make_call
from jobrun.task.notes import forget_notes
from jobrun.task.orders import Orders, fence_of
from jobrun.task.report import error_facts, say, traceback_text
from jobrun.task.results import is_there, write_whole
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

    from jobrun.task.orders import Call

_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Worker:
    """One warm worker, for as long as it lives."""

    def __init__(self, fd: int) -> None:
        self._channel = Channel(fd)
        self._streams = Streams()
        self._orders = Orders()
        self._watch = CodeWatch()
        self._before = leftovers.Bystanders()
        self._usage = Usage()
        self._functions: dict[str, Callable[..., Any]] = {}
        self._is_stale = False
        self._is_importing = False
        self._on_stop: str | None = None
        self._is_reaper = leftovers.become_reaper()
        # By its number: the job may close or replace the object.
        faulthandler.enable(2)
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
            elif message["op"] == "job":
                self._orders.note(message)
            elif self._take_all(message["job"], message["calls"]):
                break
        self._stop()
        return 0

    def _start(self, hello: dict[str, Any]) -> bool:
        """Get ready for calls. Returns whether the start hook, if there is one, has succeeded."""
        set_path(hello["python_path"])
        self._orders.spool = hello["spool"]
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
        ready = {"pid": os.getpid(), "python": sys.version.split()[0], "reaper": self._is_reaper}
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
        self._streams.note()
        self._before.note()

    def _flush(self) -> None:
        self._streams.flush()
        self._streams.restore()

    def _take_all(self, job: int, entries: list[Any]) -> bool:
        """Make a sheaf of calls, one after the other. Returns whether the worker is to end now."""
        self._usage.note_children()
        rest = len(entries)
        is_over = False
        for entry in entries:
            rest -= 1
            is_over = is_over or self._take(job, entry, is_followed=rest > 0)
        self._streams.come_back()
        return is_over

    def _take(self, job: int, entry: str | list[Any], *, is_followed: bool) -> bool:
        """Make one call, or say why not. Returns whether the worker is to end now."""
        fence = fence_of(entry)
        if not self._is_stale and self._channel.is_closed():
            return True
        if not self._is_stale and self._watch.is_changed():
            self._end_after_this()
        if self._is_stale:
            self._channel.send(f'{{"op":"stale","fence":"{fence}"}}')
            return False
        try:
            call = self._orders.call(job, entry)
        except (OSError, ValueError) as error:
            self._refuse(fence, error, "read the call")
            return False
        if not self._claim(call):
            return False
        self._make(call, is_followed=is_followed)
        return self._channel.is_lost

    def _end_after_this(self) -> None:
        """Make no further call: say `stale` of what was received, and end."""
        self._is_stale = True
        self._channel.close_reading()

    def _claim(self, call: Call) -> bool:
        """Make the files of the call. Returns whether it is ours to make."""
        prefix = call.prefix
        try:
            self._status.claim(f"{prefix}.status")
        except FileExistsError:
            self._channel.send(f'{{"op":"dropped","fence":"{call.fence}"}}')
            return False
        except OSError as error:
            self._refuse(call.fence, error, f"create the status file {prefix}.status")
            return False
        doing = f"write the data file {prefix}.data"
        try:
            if call.data is not None:
                write_whole(f"{prefix}.data", call.data)
            doing = f"open the log file {prefix}.out"
            self._streams.begin(f"{prefix}.out", f"{prefix}.err" if call.job.is_split else None)
        except OSError as error:
            self._status.drop()
            self._refuse(call.fence, error, doing)
            return False
        return True

    def _refuse(self, fence: str, error: Exception, doing: str) -> None:
        number = getattr(error, "errno", None) or errno.EIO
        sentence = f"cannot {doing}: {os.strerror(number)}"
        message = {"op": "refused", "fence": fence, "errno": number, "sentence": sentence}
        self._channel.send(json.dumps(message))
        if number in _OUT_OF:
            # Perhaps earlier calls have used it all up, in which case only another process helps.
            self._end_after_this()

    def _make(self, call: Call, *, is_followed: bool) -> None:
        job = call.job
        args, kwargs = job.arguments()
        self._surroundings.enter(call.variables(), [job.target])
        changed = STOPPING.expect(job.soft_signal, job.soft_after, f"{call.prefix}.stop")
        if changed:
            self._surroundings.expect_handlers(changed)
        self._is_importing = False
        STOPPING.arm()
        now = time.time_ns()
        begun = now // 1000
        self._channel.send(f'{{"op":"begun","fence":"{call.fence}","at":{begun}}}')
        self._watch.begin_call(now)
        self._usage.begin()
        self._surroundings.limit(job.cpu, job.memory, job.open_files)
        code, report = make_call(
            self._find,
            job.target,
            args,
            kwargs,
            before=self._before,
            lift_limits=self._surroundings.lift_limits,
        )
        self._surroundings.stop_tracing()
        streams = self._streams.flush()
        at = time.time_ns() // 1000
        times, rss = self._usage.end()
        retire = self._surroundings.put_back() or streams
        if self._is_importing and should_stop():
            # An import was torn in two: nobody knows what of it is half done.
            retire = retire or "import"
        if leftovers.left_threads(self._before):
            retire = retire or "threads"
        children = False
        if leftovers.has_children():
            children = leftovers.left_children(self._before)
            self._usage.note_children()
        if children:
            # They live in this worker's session: the next call's could not be told from them.
            retire = retire or "children"
        out, err = self._streams.end(may_keep=not children, is_followed=is_followed)
        is_kept = self._status.complete(code, times, report, begun)
        has_said = is_there(f"{call.prefix}.notes") or is_there(f"{call.prefix}.result")
        forget_notes()
        self._watch.note()
        if len(report) > LARGEST_SENT:
            report = "true" if is_kept else "{}"
        if not self._channel.is_intact():
            retire = "descriptors"
        if retire is not None:
            self._end_after_this()
        rest = {"out": out, "err": err, "children": children, "said": has_said, "retire": retire}
        text = _ended_text(call.fence, code, at, times, rss=rss, report=report, rest=rest)
        self._channel.send_soon(text, is_followed=is_followed)

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


def _ended_text(
    fence: str,
    code: int,
    at: int,
    times: tuple[float, float, float, float],
    *,
    rss: str,
    report: str,
    rest: dict[str, Any],
) -> str:
    """The message of a call's end. What is nothing, as most of the rest mostly is, is left out.

    The report is the last in it: if it cannot be read, all that is before it can.
    """
    user, system = round((times[0] + times[2]) * 1e6), round((times[1] + times[3]) * 1e6)
    text = f'"op":"ended","fence":"{fence}","exit":{code},"at":{at},"user":{user},"system":{system}'
    if rss != "null":
        text += f',"rss":{rss}'
    if any(rest.values()):
        text += "".join(f',"{name}":{json.dumps(value)}' for name, value in rest.items() if value)
    if report != "{}":
        text += f',"report":{report}'
    return f"{{{text}}}"


def main(argv: list[str]) -> int:
    """Serve the daemon behind this descriptor."""
    return Worker(int(argv[1])).serve()
