"""Starting an attempt's process, and watching it until it ends.

`Popen` gets arguments only, no `preexec_fn`: vfork stays possible and nothing
of ours runs between fork and exec. A `Child` is watched through its pidfd and
waited for by its pid alone, so nobody's exit code is taken.
"""

import errno
import os
import resource
import select
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from jobrun.domain.instants import Instant
from jobrun.domain.run import Exit, Fence, ProcessIdentity
from jobrun.proc import cgroup, kin
from jobrun.proc.cgroup import AttemptCgroup
from jobrun.proc.environment import RUN_ID, STORE_ID, WORKER
from jobrun.proc.files import (
    AttemptFiles,
    not_before,
    now,
    open_log,
    open_status,
    read_status,
    remove_unused,
    split_status,
)
from jobrun.proc.identity import boot_id, environments, identify, is_alive, pids, read_proc, read_stat
from jobrun.proc.refusal import SpawnRefused, errno_words, refused
from jobrun.proc.spec import CALL_FD, AttemptSpec
from jobrun.proc.spool import worker_exit

__all__ = ["Child", "SpawnRefused", "adopt", "find_started", "find_workers", "read_status", "start"]

# Descriptors kept for the store, the control socket and the reading of job files.
_SPARE_FILES = 16
# The kernel adds a thread's pages to the process's count now and then: 64 of them, with several threads.
_RSS_GRAIN = 1 << 20


class Child:
    """The leader of an attempt, ours or adopted. Close it when its end is recorded."""

    def __init__(
        self,
        identity: ProcessIdentity,
        pidfd: int,
        files: AttemptFiles,
        *,
        is_ours: bool,
        started_at: Instant = 0,
        own_rss: int = 0,
    ) -> None:
        self.identity = identity
        self.files = files
        self.is_ours = is_ours
        self._pidfd = pidfd
        self.started_at = started_at
        self._own_rss = own_rss
        self._exit: Exit | None = None

    def fileno(self) -> int:
        """The pidfd: readable once the process has ended."""
        return self._pidfd

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs. Reaps it, if it is ours; asked again, answers the same."""
        if self._exit is None:
            exit = self._reap() if self.is_ours else self._look()
            group = cgroup.group_of(self.identity)
            self._exit = group.account(exit) if exit is not None and group is not None else exit
        return self._exit

    def was_oom(self) -> bool:
        """Whether the kernel killed some of it for memory; known with a control group, before the sweep."""
        group = cgroup.group_of(self.identity)
        return group is not None and group.was_oom

    def close(self) -> None:
        """Give the pidfd back and stop watching. What was not swept by now is left alone."""
        kin.note_given_up(self.identity)
        cgroup.forget(self.identity)
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap(self) -> Exit | None:
        try:
            pid, status, usage = os.wait4(self.identity.pid, os.WNOHANG)
        except ChildProcessError:
            # Waited for by somebody else in this process; the status file still tells.
            kin.note_reaped(self.identity)
            self.is_ours = False
            return self._look()
        if pid == 0:
            return None
        kin.note_reaped(self.identity)
        written = read_status(self.files.status)
        if os.WIFSIGNALED(status):
            ended: tuple[int | None, int | None] = None, os.WTERMSIG(status)
        else:
            ended = split_status(os.WEXITSTATUS(status))
        max_rss = usage.ru_maxrss * 1024
        return Exit(
            ended_at=not_before(self.started_at, written.ended_at if written else now()),
            exit_code=ended[0],
            signal=ended[1],
            user_time=round(usage.ru_utime * 1_000_000),
            system_time=round(usage.ru_stime * 1_000_000),
            # The kernel counts our own size at the fork as the child's maximum. Below
            # that nothing is known, and a number would be ours, not the job's.
            max_rss=max_rss if max_rss > self._own_rss + _RSS_GRAIN else None,
        )

    def _look(self) -> Exit | None:
        ready = select.poll()
        ready.register(self._pidfd, select.POLLIN)
        if not ready.poll(0):
            return None
        # A worker that died in a call left no end of the call, but the sh around it told of its own.
        return read_status(self.files.status) or worker_exit(self.files) or Exit(ended_at=now())


def start(spec: AttemptSpec) -> Child:
    """Start the attempt's process. Raises SpawnRefused; then nothing was started and no file is left.

    To be called from one thread only: until it returns the new child is not known to be ours.
    """
    try:
        pid, started_at, own_rss = _launch(spec)
        child = _child(pid, spec.files, started_at, own_rss)
    except SpawnRefused:
        remove_unused(spec.files)
        if spec.cgroup is not None:
            spec.cgroup.remove()
        raise
    if spec.cgroup is not None:
        cgroup.note(child.identity, spec.cgroup)
    return child


def _launch(spec: AttemptSpec) -> tuple[int, Instant, int]:
    """The new process's pid, when it was started, and our own peak size then."""
    with ExitStack() as files:
        status = _keep(files, open_status(spec.files.status))
        _keep_spare(status)
        owner = spec.switch[:2] if spec.switch is not None else None
        out = _keep(files, open_log(spec.files.out, owner))
        err = _keep(files, open_log(spec.files.err, owner)) if spec.files.err is not None else out
        argv, passed = list(spec.argv), []
        if spec.call is not None:
            passed.append(_keep(files, _call_file(spec.call)))
        if spec.channel is not None:
            passed.append(spec.channel)
        if passed:
            argv = [str(passed[0]) if word == CALL_FD else word for word in argv]
        uid, gid, groups = spec.switch if spec.switch is not None else (None, None, None)
        started_at = now()
        try:
            with _niced(spec.nice), _gated(spec.cgroup, passed):
                process = subprocess.Popen(
                    argv,
                    stdin=status,
                    stdout=out,
                    stderr=err,
                    env=dict(spec.env),
                    cwd=spec.cwd,
                    umask=spec.umask,
                    user=uid,
                    group=gid,
                    extra_groups=groups,
                    start_new_session=True,
                    close_fds=True,
                    pass_fds=passed,
                    restore_signals=True,
                )
        except OSError as error:
            raise _refused_start(error, spec) from error
        except (ValueError, subprocess.SubprocessError) as error:
            raise SpawnRefused(22, f"cannot start {spec.argv[0]}: {error}") from error
        # Popen must never wait for it: it would take the exit status, and its
        # clean-up list is polled at every later Popen.
        process.returncode = 0
    # After the fork: a peak never falls, so this is no less than what the child was given.
    return process.pid, started_at, _peak_rss()


def _keep(stack: ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


def _keep_spare(newest: int) -> None:
    """Refuse before the last descriptors are gone: the kernel gives out the lowest free number."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and newest >= soft - _SPARE_FILES:
        raise SpawnRefused(errno.EMFILE, f"cannot start one more process: {errno_words(errno.EMFILE)}")


def _call_file(text: bytes) -> int:
    """The call's text behind a descriptor: no other user's permission is needed, nothing is left on disk."""
    try:
        fd = os.memfd_create("jobrun-call", os.MFD_CLOEXEC)
    except OSError as error:
        raise refused(error, "hand over the Python call") from error
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(text)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@contextmanager
def _gated(group: AttemptCgroup | None, passed: list[int]) -> Iterator[None]:
    """The attempt's control group made, and its gate among the descriptors passed on."""
    if group is None:
        yield
        return
    group.make()
    group.open_gate()
    passed.append(group.gate)
    try:
        yield
    finally:
        group.close_gate()


@contextmanager
def _niced(nice: int | None) -> Iterator[None]:
    """Our own thread's priority, which the child inherits, changed around the start (root can undo it)."""
    if nice is None:
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(-20, min(19, before + nice)))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _refused_start(error: OSError, spec: AttemptSpec) -> SpawnRefused:
    number = error.errno or 5
    if error.filename is not None and os.fsdecode(error.filename) == spec.cwd:
        return SpawnRefused(number, f"cwd {spec.cwd}: {errno_words(number)}")
    # The program is the surrounding sh or nice(1), never the job's own; only the length is the job's.
    return refused(error, f"start {spec.argv[0]}", ours=number != errno.E2BIG)


def _child(pid: int, files: AttemptFiles, started_at: Instant, own_rss: int) -> Child:
    identity = identify(pid)
    if identity is None:  # an unreaped child always has its /proc entry
        raise SpawnRefused(3, "the new process cannot be found under /proc; is it mounted?")
    kin.note_started(identity)
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        kin.note_reaped(identity)
        kin.note_swept(identity)
        raise refused(error, "watch the new process") from error
    return Child(identity, pidfd, files, is_ours=True, started_at=started_at, own_rss=own_rss)


def _peak_rss() -> int:
    """Our own largest resident size so far, in bytes."""
    _, _, rest = read_proc("/proc/self/status").partition(b"VmHWM:")
    return int(rest.split(None, 1)[0]) * 1024 if rest else 0


def adopt(identity: ProcessIdentity, files: AttemptFiles, group: AttemptCgroup | None = None) -> Child | None:
    """Watch a leader that an earlier daemon started; None if exactly that process no longer runs.

    Its control group is known from here on either way: what it left is still in there.
    """
    if group is not None and group.path.exists():
        cgroup.note(identity, group)
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    # After the pidfd: what it stands for cannot change any more. A zombie of our own is still to be reaped.
    ours = kin.is_ours(identity)
    if not ours and not is_alive(identity):
        os.close(pidfd)
        return None
    kin.note_adopted(identity)
    return Child(identity, pidfd, files, is_ours=ours, own_rss=_peak_rss())


def is_worker(leader: ProcessIdentity, store_id: str, uid: int) -> bool:
    """Whether a process that a file of that account's names is the leader of a worker of this store and of
    that account."""
    stat = read_stat(leader.pid)
    if stat is None or stat.session != leader.pid or not is_alive(leader):
        return False
    marks = environments([stat]).get(leader.pid, frozenset())
    with suppress(OSError):
        owner = Path(f"/proc/{leader.pid}").stat().st_uid
        is_marked = any(mark.startswith(f"{WORKER}=".encode()) for mark in marks)
        return owner == uid and is_marked and f"{STORE_ID}={store_id}".encode() in marks
    return False


def find_started(store_id: str, fence: Fence) -> ProcessIdentity | None:
    """The leader of an attempt whose start was intended and not recorded, if it exists and runs.

    It is the session leader with this run in its environment and the
    attempt's status file as stdin: an escapee is not mistaken for it.
    """
    return next(_leaders({f"{RUN_ID}={fence.run_id}", f"{STORE_ID}={store_id}"}, str(fence)), None)


def find_workers(store_id: str) -> list[ProcessIdentity]:
    """The leaders of all warm workers of this store, whichever daemon started them."""
    return list(_leaders({f"{STORE_ID}={store_id}"}, "0.*"))


def _leaders(marks: set[str], fence: str) -> Iterator[ProcessIdentity]:
    """The session leaders with these in their environment, and such an attempt's status file as stdin."""
    wanted = {mark.encode() for mark in marks}
    for stat in map(read_stat, pids()):
        if stat is None or stat.session != stat.pid or stat.is_dead:
            continue
        with suppress(OSError):
            stdin = Path(str(Path(f"/proc/{stat.pid}/fd/0").readlink()).removesuffix(" (deleted)"))
            if stdin.match(f"{fence}.status") and wanted <= environments([stat]).get(stat.pid, set()):
                yield ProcessIdentity(stat.pid, stat.start_ticks, boot_id())
