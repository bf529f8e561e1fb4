"""A job's environment, built from an explicit list.

Order, later wins: a few variables of the daemon, the account's, the job's
`env_file`s, its `env`, and last the `JOBRUN_*` variables, which are ours.
`${NAME}` is expanded in values of `env`, in `cwd` and in `env_file` paths, and
nowhere else; an unknown name is an error, because an empty string in a path
has deleted the wrong directory before.
"""

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from jobrun.domain.instants import to_iso
from jobrun.domain.job import Job
from jobrun.domain.run import Run
from jobrun.proc.account import Account
from jobrun.proc.refusal import SpawnRefused, refused

RUN_ID = "JOBRUN_RUN_ID"
STORE_ID = "JOBRUN_STORE_ID"
ATTEMPT = "JOBRUN_ATTEMPT"
WORKER = "JOBRUN_WORKER"
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_PLACES = ("JOBRUN_CONFIG", "JOBRUN_STATE_DIR")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_MAX_FILE = 1 << 20
_REFERENCE = re.compile(r"\$(\$(?=\{)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$", re.DOTALL)
_DOUBLE = re.compile(r"\\(.)", re.DOTALL)


def base_environment(base: Mapping[str, str], account: Account) -> dict[str, str]:
    """The variables every job starts from; a job of another account gets that account's home and names."""
    env = {name: base[name] for name in _INHERITED if name in base}
    env.update({name: value for name, value in base.items() if name.startswith("LC_")})
    own = {"HOME": account.home, "USER": account.name, "LOGNAME": account.name, "SHELL": "/bin/sh"}
    for name, value in own.items():
        if account.switch is not None or name not in env:
            env[name] = value
    env.setdefault("PATH", _DEFAULT_PATH)
    env.update({name: base[name] for name in _PLACES if base.get(name)})
    return env


def job_environment(job: Job, *, base: Mapping[str, str], account: Account) -> dict[str, str]:
    """What every run of a job has in its environment. Raises SpawnRefused if an env_file or a value
    cannot be read."""
    env = base_environment(base, account)
    for path in job.env_file:
        env.update(read_env_file(expand(path, env, base, "env_file"), env["HOME"]))
    for name, value in job.env.items():
        env[name] = expand(value, env, base, f"env.{name}")
    return env


def run_environment(job: Job, run: Run, prefix: str, store_id: str) -> dict[str, str]:
    """The variables that tell a run who it is, and where it can say something.

    `prefix` is what the paths of the attempt's files in its spool begin with. A
    warm worker derives those of the fence and the prefix itself (`task/orders`).
    """
    env = {
        **common_environment(job, store_id),
        RUN_ID: str(run.id),
        ATTEMPT: str(run.charged),
        "JOBRUN_RESULT": f"{prefix}.result",
        "JOBRUN_NOTES": f"{prefix}.notes",
        **own_environment(job, run),
    }
    if data_of(job, run) is not None:
        env["JOBRUN_DATA"] = f"{prefix}.data"
    return env


def common_environment(job: Job, store_id: str) -> dict[str, str]:
    """What all runs of a job are told alike, unless `own_environment` says otherwise."""
    return {
        STORE_ID: store_id,
        "JOBRUN_JOB": job.name,
        "JOBRUN_MAX_ATTEMPTS": str(job.retry.attempts),
        "JOBRUN_QUEUE": job.queue,
    }


def own_environment(job: Job, run: Run) -> dict[str, str]:
    """What this run is told otherwise or besides; nothing for most runs that no schedule asked for."""
    env: dict[str, str] = {}
    if run.charged != run.attempt:
        # Its fence counts tries that do not count; whether this is the last one depends on those that do.
        env[ATTEMPT] = str(run.charged)
    if run.queue != job.queue:
        env["JOBRUN_QUEUE"] = run.queue
    if run.max_attempts != job.retry.attempts:
        env["JOBRUN_MAX_ATTEMPTS"] = str(run.max_attempts)
    if run.slot is not None:
        env["JOBRUN_SCHEDULED_AT"] = to_iso(run.slot.scheduled_at)
    return env


def data_of(job: Job, run: Run) -> str | None:
    """The run's data as JSON text: its own, else the job's."""
    return run.data if run.data is not None else job.data


def expand(text: str, env: Mapping[str, str], base: Mapping[str, str], where: str) -> str:
    """`text` with `${NAME}` replaced from `env`, else from the daemon's environment; `$${` is a literal `${`.

    Raises SpawnRefused naming `where` if a name is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[2]
        if name is None:
            return "$"
        if name in env:
            return env[name]
        if name in base:
            return base[name]
        raise SpawnRefused(errno.EINVAL, f"{where} uses ${{{name}}}, which is not set")

    return _REFERENCE.sub(value, text)


def read_env_file(path: str, home: str) -> dict[str, str]:
    """The variables of a `NAME=value` file.

    Blank lines and lines starting with `#` are skipped, `export ` is allowed;
    in single quotes everything is literal, in double quotes a backslash
    protects the next character (`\\n` is a line feed). A relative path is
    relative to the home directory. Raises SpawnRefused.
    """
    full = Path(home, path)
    values: dict[str, str] = {}
    for number, line in enumerate(_read_regular(full).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise SpawnRefused(errno.EINVAL, f"env_file {full}, line {number}: expected NAME=value")
        values[match[1]] = _unquote(match[2], f"env_file {full}, line {number}")
    return values


def _read_regular(path: Path) -> str:
    try:
        # Not blocking: a pipe in place of the file must not stop the daemon.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise refused(error, f"read env_file {path}") from error
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise SpawnRefused(errno.EINVAL, f"env_file {path} is not a regular file")
        if about.st_size > _MAX_FILE:
            raise SpawnRefused(errno.EFBIG, f"env_file {path} is larger than 1 MiB")
        with os.fdopen(os.dup(fd), "rb") as file:
            raw = file.read(_MAX_FILE)
    except OSError as error:
        raise refused(error, f"read env_file {path}") from error
    finally:
        os.close(fd)
    return raw.decode("utf-8-sig", "surrogateescape")


def _unquote(text: str, where: str) -> str:
    quote = text[:1]
    if quote not in ("'", '"'):
        return text
    if len(text) < 2 or text[-1] != quote:
        raise SpawnRefused(errno.EINVAL, f"{where}: the quote is not closed")
    inner = text[1:-1]
    if quote == "'":
        return inner
    return _DOUBLE.sub(lambda match: "\n" if match[1] == "n" else match[1], inner)
