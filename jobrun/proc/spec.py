"""Everything about one attempt's process, worked out before anything is started.

`attempt_spec` is where a job meets the host: program, directory, account and
environment are looked up here, so that what is missing is said in words
instead of by a shell's exit code 127.
"""

import errno
import json
import os
import resource
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobrun.domain.instants import Instant, seconds
from jobrun.domain.job import ArgvCommand, Job, OutputMode, PythonCall, ShellCommand, soft_signal_of
from jobrun.domain.retry import signal_number
from jobrun.domain.run import Fence, Run
from jobrun.proc import inheritance
from jobrun.proc.account import Account, account
from jobrun.proc.cgroup import AttemptCgroup, Delegated
from jobrun.proc.checkpoints import checkpoint_environment
from jobrun.proc.environment import data_of, expand, job_environment, run_environment
from jobrun.proc.files import AttemptFiles, attempt_files
from jobrun.proc.refusal import SpawnRefused, errno_words
from jobrun.proc.script import RUN_ARGV, SH, limit_lines, sh_argv, shell_words, surround
from jobrun.proc.spool import prepare_spool, write_data

CRON_UMASK = 0o022
_CALL = Path(__file__).parent.parent / "task" / "call.py"
CALL_FD = "{call}"


@dataclass(frozen=True, slots=True)
class Marker:
    """What every process of a run carries in its environment, escapees included."""

    run_id: int
    store_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """What `start` needs. `argv` includes the surrounding sh; `switch` is (uid, gid, groups) or None.

    `call` is the JSON text of a Python call, `channel` a worker's end of its
    socket: handed over by descriptor, whose number replaces `CALL_FD` in `argv`.
    `nice` is added to the daemon's own.
    """

    fence: Fence
    store_id: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    umask: int
    files: AttemptFiles
    switch: tuple[int, int, tuple[int, ...]] | None = None
    nice: int | None = None
    call: bytes | None = None
    channel: int | None = None
    cgroup: AttemptCgroup | None = None

    @property
    def marker(self) -> Marker:
        """What the processes of this attempt's run carry."""
        return Marker(self.fence.run_id, self.store_id)


def attempt_spec(
    job: Job,
    run: Run,
    *,
    store_id: str,
    attempts_dir: Path,
    logs_dir: Path,
    opened_at: Instant,
    base_environ: Mapping[str, str],
    cgroups: Delegated | None = None,
) -> AttemptSpec:
    """The specification of the run's current attempt; with `cgroups` it gets a control group of its own.

    What the job is to find on disk (its data, a directory for its checkpoints)
    is made. Raises SpawnRefused, with a sentence, for a program, directory, user
    or env_file that is missing or may not be used.
    """
    who = account(job.user, job.group)
    files = attempt_files(
        run.fence,
        attempts_dir=attempts_dir,
        logs_dir=logs_dir,
        opened_at=opened_at,
        split=job.output is OutputMode.SPLIT,
        owner=who.owner,
    )
    env = job_environment(job, base=base_environ, account=who)
    env |= run_environment(job, run, files.prefix, store_id)
    env |= checkpoint_environment(job, run, files.state_dir, env=env, base=base_environ, who=who)
    cwd = directory(job, env, base_environ, who)
    run_line, words, call = _command(job, env, cwd, who, files)
    prepare_spool(files, who)
    text = data_of(job, run)
    if text is not None:
        write_data(files, text, who)
    group = None
    if cgroups is not None:
        group = cgroups.attempt(run.fence, job.limits.memory, job.limits.processes)
    limits = job.limits
    if group is not None and group.memory is not None:
        # The group counts what is in memory, which is what is meant; address space is only a stand-in.
        limits = replace(limits, memory=None)
    lines = limit_lines(limits, inheritance.soft_open_files(), hard_limits())
    gate = group.gate if group is not None else None
    argv = sh_argv(surround(run_line, lines, signal_number(soft_signal_of(job)), gate), words)
    argv, nice = niced(argv, job.nice, who)
    return AttemptSpec(
        fence=run.fence,
        store_id=store_id,
        argv=tuple(argv),
        env=env,
        cwd=cwd,
        umask=CRON_UMASK if job.umask is None else job.umask,
        files=files,
        switch=who.switch,
        nice=nice,
        call=call,
        cgroup=group,
    )


def niced(argv: list[str], nice: int | None, who: Account) -> tuple[list[str], int | None]:
    """The argument list, and what is left to be done about the nice value around the start."""
    if nice is None or os.geteuid() == 0:
        return argv, nice
    # Lowering one's own priority cannot be undone without privilege, so the
    # daemon cannot do it around the start; the program of that name does.
    return [program("nice", {"PATH": "/usr/bin:/bin"}, "/", who), "-n", str(nice), *argv], None


def _command(
    job: Job, env: Mapping[str, str], cwd: str, who: Account, files: AttemptFiles
) -> tuple[str, list[str], bytes | None]:
    """The sh's last line, its parameters, and the call text of a Python body."""
    match job.body:
        case ShellCommand(text, shell):
            # /bin/sh is the host's, and is found missing or broken by the start itself.
            line, words = shell_words(text, shell if shell == SH else program(shell, env, cwd, who))
            call = None
        case ArgvCommand(argv):
            found = program(argv[0], env, cwd, who)
            # dash's exec knows no "--": a name it would take for an option goes by its path.
            first = found if argv[0].startswith("-") else argv[0]
            line, words, call = RUN_ARGV, [first, *argv[1:]], None
        case PythonCall() as body:
            found = program(body.interpreter or sys.executable, env, cwd, who)
            line, words = RUN_ARGV, [found, str(_CALL), CALL_FD]
            call = json.dumps(
                {
                    "target": target_of(body, env),
                    "args": list(body.args),
                    "kwargs": dict(body.kwargs),
                    "python_path": search_path(body, env),
                    "report": str(files.report),
                    "soft": soft_limit(job),
                }
            ).encode()
    odd = [f"{name}={value}" for name, value in env.items() if not _is_shell_name(name)]
    if odd and line == RUN_ARGV:
        # A shell may drop variables whose names it could not write; env(1) puts them back.
        words = [program("env", {"PATH": "/usr/bin:/bin"}, "/", who), *odd, *words]
    return line, words, call


def target_of(body: PythonCall, env: Mapping[str, str]) -> str:
    """What is to be called. The path of a script may name variables."""
    return expand(body.target, env, {}, "python") if body.is_script else body.target


def search_path(body: PythonCall, env: Mapping[str, str]) -> list[str]:
    """The folders in which the call's modules are looked for first."""
    return [expand(path, env, {}, "python_path") for path in body.python_path]


def soft_limit(job: Job) -> dict[str, float | None]:
    """The signal by which a Python job is told of its soft limit, and after how many seconds that comes."""
    after = seconds(job.soft_timeout) if job.soft_timeout is not None else None
    return {"signal": signal_number(soft_signal_of(job)), "after": after}


def _is_shell_name(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def directory(job: Job, env: Mapping[str, str], base: Mapping[str, str], who: Account) -> str:
    """Where the command starts: `cwd`, else the home directory as under cron, else /."""
    home = env["HOME"] or "/"
    if job.cwd is None:
        return home if _why_not_directory(home, who) is None else "/"
    path = str(Path(home, expand(job.cwd, env, base, "cwd")))
    problem = _why_not_directory(path, who)
    if problem is not None:
        raise SpawnRefused(problem, f"cwd {path}: {errno_words(problem)}")
    return path


def _why_not_directory(path: str, who: Account) -> int | None:
    try:
        about = Path(path).stat()
    except OSError as error:
        return error.errno or errno.EIO
    if not stat.S_ISDIR(about.st_mode):
        return errno.ENOTDIR
    return None if _may_execute(path, about, who) else errno.EACCES


def program(name: str, env: Mapping[str, str], cwd: str, who: Account) -> str:
    """The path of a program as the job will find it: by the job's PATH and from its directory.

    Raises SpawnRefused: not found, or found and not executable.
    """
    if not name:
        raise SpawnRefused(errno.ENOENT, "the command is empty")
    if "/" in name:
        candidates: Sequence[str] = [name]
    else:
        candidates = [f"{part or '.'}/{name}" for part in env.get("PATH", "").split(":")]
    found_but: str | None = None
    for candidate in candidates:
        full = Path(cwd, candidate)
        try:
            about = full.stat()
        except OSError as error:
            if error.errno == errno.EACCES:
                found_but = candidate
            continue
        if stat.S_ISREG(about.st_mode) and _may_execute(full, about, who):
            return str(full)
        found_but = candidate
    if found_but is not None:
        raise SpawnRefused(errno.EACCES, f"{found_but} cannot be executed: {errno_words(errno.EACCES)}")
    where = "" if "/" in name else " in the job's PATH"
    raise SpawnRefused(errno.ENOENT, f"command {name} not found{where}: {errno_words(errno.ENOENT)}")


def _may_execute(path: str | Path, about: os.stat_result, who: Account) -> bool:
    """Whether the job's account may execute a file, or enter a directory.

    For the daemon's own account the kernel is asked. For another one only the
    mode bits are looked at; what ACLs add, the start itself will tell.
    """
    if who.switch is None:
        return os.access(path, os.X_OK)
    uid, gid, groups = who.switch
    if uid == 0:
        return stat.S_ISDIR(about.st_mode) or bool(about.st_mode & 0o111)
    if about.st_uid == uid:
        return bool(about.st_mode & stat.S_IXUSR)
    if about.st_gid == gid or about.st_gid in groups:
        return bool(about.st_mode & stat.S_IXGRP)
    return bool(about.st_mode & stat.S_IXOTH)


def hard_limits() -> tuple[int, int, int]:
    """The hard limits in force here: address space, CPU time, open files; -1 for none."""
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)
    hard = tuple(resource.getrlimit(kind)[1] for kind in kinds)
    return hard[0], hard[1], hard[2]
