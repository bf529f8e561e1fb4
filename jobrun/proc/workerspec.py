"""What a worker needs to be started, which calls it can take, and the messages to it.

A worker is started like an attempt: a session of its own under the surrounding
sh, so that how it ended is known whoever is left to see it. It takes the calls
of every job that would find the same process: interpreter, account, directory,
environment, search path, umask and nice value.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jobrun.domain.instants import Instant, seconds
from jobrun.domain.job import Job, Limits, OutputMode, Pool, PythonCall
from jobrun.domain.run import Fence, ProcessIdentity, Run
from jobrun.proc import inheritance
from jobrun.proc.account import Account, account
from jobrun.proc.cgroup import Delegated
from jobrun.proc.checkpoints import checkpoint_environment
from jobrun.proc.environment import (
    STORE_ID,
    WORKER,
    common_environment,
    data_of,
    job_environment,
    own_environment,
    run_environment,
)
from jobrun.proc.files import attempt_files
from jobrun.proc.script import RUN_ARGV, limit_lines, sh_argv, surround
from jobrun.proc.spec import (
    CALL_FD,
    CRON_UMASK,
    AttemptSpec,
    directory,
    hard_limits,
    niced,
    program,
    search_path,
    soft_limit,
    target_of,
)
from jobrun.proc.spool import prepare_spool, write_private

_WORKER_FILE = Path(__file__).parent.parent / "task" / "worker.py"
# What a datagram between daemon and worker may hold; the kernel's default buffer is 208 KiB.
LARGEST_DATAGRAM = 64 << 10
# A call of which more is to be said goes by a file, so that many fit into a datagram.
_LARGEST_ENTRY = 16 << 10
# Made once: `json.dumps` makes an encoder for each call that wants short separators.
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKind:
    """What makes workers interchangeable. `key` is equal for two kinds that are."""

    key: str
    pool: str
    interpreter: str
    who: Account
    env: Mapping[str, str]
    cwd: str
    umask: int
    nice: int | None
    python_path: tuple[str, ...]


class CallFiles(NamedTuple):
    """Where the files of a call lie, as text: thousands of them are made in a second."""

    name: str
    prefix: str
    state_dir: Path

    @property
    def status(self) -> str:
        """The status file, which the worker makes."""
        return f"{self.prefix}.status"


def worker_kind(job: Job, base_environ: Mapping[str, str]) -> WorkerKind:
    """The kind of worker that can take this job's calls. Raises SpawnRefused."""
    body = job.body
    assert isinstance(body, PythonCall)
    who = account(job.user, job.group)
    env = job_environment(job, base=base_environ, account=who)
    cwd = directory(job, env, base_environ, who)
    interpreter = program(body.interpreter or sys.executable, env, cwd, who)
    path = tuple(search_path(body, env))
    umask = CRON_UMASK if job.umask is None else job.umask
    parts = (body.pool, interpreter, who.switch, sorted(env.items()), cwd, umask, job.nice, path)
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return WorkerKind(
        key=key,
        pool=body.pool,
        interpreter=interpreter,
        who=who,
        env=env,
        cwd=cwd,
        umask=umask,
        nice=job.nice,
        python_path=path,
    )


def env_file_marks(job: Job) -> tuple[tuple[str, int, int], ...] | None:
    """What tells whether the job's environment files were changed; cheap to compare.

    None where a path names variables: which file that is comes out with the environment only.
    """
    if any("$" in path for path in job.env_file):
        return None
    marks = []
    for path in job.env_file:
        try:
            about = Path(path).stat()
        except OSError:
            marks.append((path, 0, 0))
        else:
            marks.append((path, about.st_mtime_ns, about.st_size))
    return tuple(marks)


def worker_spec(
    kind: WorkerKind,
    number: int,
    channel: int,
    *,
    store_id: str,
    attempts_dir: Path,
    logs_dir: Path,
    opened_at: Instant,
    cgroups: Delegated | None,
) -> AttemptSpec:
    """The specification of one worker; `channel` is its end of the socket. Raises SpawnRefused.

    Its own files bear the fence (0, number): no run has the id 0.
    """
    fence = Fence(0, number)
    files = attempt_files(
        fence,
        attempts_dir=attempts_dir,
        logs_dir=logs_dir,
        opened_at=opened_at,
        split=False,
        owner=kind.who.owner,
        warm=True,
    )
    prepare_spool(files, kind.who)
    group = cgroups.attempt(fence) if cgroups is not None else None
    lines = limit_lines(Limits(), inheritance.soft_open_files(), hard_limits())
    words = [kind.interpreter, str(_WORKER_FILE), CALL_FD]
    script = surround(RUN_ARGV, lines, None, group.gate if group is not None else None)
    argv, nice = niced(sh_argv(script, words), kind.nice, kind.who)
    return AttemptSpec(
        fence=fence,
        store_id=store_id,
        argv=tuple(argv),
        env={**kind.env, STORE_ID: store_id, WORKER: str(number)},
        cwd=kind.cwd,
        umask=kind.umask,
        files=files,
        switch=kind.who.switch,
        nice=nice,
        channel=channel,
        cgroup=group,
    )


def hello(kind: WorkerKind, pool: Pool, number: int, leader: ProcessIdentity, *, spool: str) -> bytes:
    """The first message to a worker. `spool` is the folder in which the files of its calls lie."""
    return _text(
        {
            "op": "hello",
            "worker": number,
            "leader": [leader.pid, leader.start_ticks, leader.boot_id],
            "python_path": list(kind.python_path),
            "cwd": kind.cwd,
            "spool": spool,
            "on_start": pool.on_start,
            "on_stop": pool.on_stop,
        }
    )


def retire() -> bytes:
    """The message after which a worker ends, once it has made the calls that it has."""
    return _text({"op": "retire"})


def job_text(number: int, job: Job, kind: WorkerKind, *, store_id: str, spool: str, worker: int) -> bytes:
    """The message that says what all calls under this number share: said once. Raises SpawnRefused."""
    body = job.body
    assert isinstance(body, PythonCall)
    limits = job.limits
    text = _text(
        {
            "op": "job",
            "job": number,
            "target": target_of(body, kind.env),
            "args": list(body.args),
            "kwargs": dict(body.kwargs),
            "soft": soft_limit(job),
            "cpu": seconds(limits.cpu_time) if limits.cpu_time is not None else None,
            "memory": limits.memory,
            "open_files": limits.open_files,
            "env": common_environment(job, store_id),
            "split": job.output is OutputMode.SPLIT,
        }
    )
    if len(text) <= LARGEST_DATAGRAM:
        return text
    path = f"{spool}/{Fence(0, worker)}.job{number}"
    write_private(path, text, kind.who, "write the job")
    return _text({"op": "job", "job": number, "file": path})


def function_text(number: int, target: str, args: Sequence[object]) -> bytes:
    """The same for a function that belongs to no job: nothing is limited, and nothing said of a run."""
    words = {"target": target, "args": args, "kwargs": {}, "env": {}, "split": False}
    return _text({"op": "job", "job": number, **words})


def call_entry(
    job: Job,
    run: Run,
    files: CallFiles,
    kind: WorkerKind,
    *,
    store_id: str,
    base_environ: Mapping[str, str],
) -> str:
    """What a worker is told of the run's current attempt, as JSON. Raises SpawnRefused.

    Its fence says everything that the job's message has not said, unless the
    run has variables or data of its own.
    """
    env = own_environment(job, run)
    if job.checkpoint is not None or run.resume_from is not None:
        told = {**kind.env, **run_environment(job, run, files.prefix, store_id)}
        where = files.state_dir
        env |= checkpoint_environment(job, run, where, env=told, base=base_environ, who=kind.who)
    data = data_of(job, run)
    if not env and data is None:
        return f'"{files.name}"'
    entry = _encode([files.name, env or None, data])
    return entry if len(entry) <= _LARGEST_ENTRY else _by_file(entry, files, kind.who)


def calls_text(number: int, entries: Sequence[str]) -> bytes:
    """The message that makes a worker take these calls of a job, one after the other."""
    return f'{{"op":"calls","job":{number},"calls":[{",".join(entries)}]}}'.encode()


def _by_file(entry: str, files: CallFiles, who: Account) -> str:
    """A call too large for a message lies in a file of the spool; the worker removes it."""
    path = f"{files.prefix}.call"
    write_private(path, entry.encode(), who, "write the call")
    return _encode([files.name, None, None, path])


def _text(message: Mapping[str, object]) -> bytes:
    return _encode(message).encode()


__all__ = [
    "LARGEST_DATAGRAM",
    "WorkerKind",
    "call_entry",
    "calls_text",
    "env_file_marks",
    "function_text",
    "hello",
    "job_text",
    "retire",
    "worker_kind",
    "worker_spec",
]
