"""Where things are: the job file, the state directory, the control socket.

Standard library only, and little of it: `jobrun status` loads this file.
Root's places are those of a system service, everybody else's follow the XDG
base directories. An explicit state directory holds the control socket too, so
that several daemons of one user never meet. Whoever asks goes by the state
directory alone: a daemon whose socket is elsewhere leaves a link to it there,
so that `su`, cron and a job find it without the session's $XDG_RUNTIME_DIR.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobrun.domain.errors import JobrunError, UsageError

SOCKET_NAME = "control.sock"
# sizeof(sockaddr_un.sun_path) is 108 on Linux, one of it for the closing NUL (unix(7)).
SOCKET_PATH_LIMIT = 107


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one installation. All paths are absolute; none needs to exist yet.

    `runtime_dir` is where a daemon makes its control socket; None: in the state directory.
    """

    config: Path
    jobs_dir: Path
    state_dir: Path
    runtime_dir: Path | None = None

    @property
    def socket(self) -> Path:
        """The control socket a daemon makes. Raises JobrunError if its path is too long for the kernel."""
        path = (self.runtime_dir or self.state_dir) / SOCKET_NAME
        length = len(os.fsencode(path))
        if length > SOCKET_PATH_LIMIT:
            raise JobrunError(
                f"The path of the control socket has {length} bytes, "
                f"more than the {SOCKET_PATH_LIMIT} a socket may have: {path}",
                "Choose a shorter state directory with --state-dir or JOBRUN_STATE_DIR.",
            )
        return path

    @property
    def socket_link(self) -> Path | None:
        """Where a daemon links to its socket, for those who know the state directory only."""
        return None if self.runtime_dir is None else self.state_dir / SOCKET_NAME

    @property
    def found_socket(self) -> Path:
        """The control socket of the daemon that was here last, else the one that would be made."""
        at_state = self.state_dir / SOCKET_NAME
        try:
            return self.state_dir / at_state.readlink()
        except FileNotFoundError:
            return (self.runtime_dir or self.state_dir) / SOCKET_NAME
        except OSError:
            # The socket itself, or not ours to look at.
            return at_state

    @property
    def database(self) -> Path:
        """The SQLite file with the history and the state."""
        return self.state_dir / "jobrun.db"

    @property
    def lock(self) -> Path:
        """The file a daemon holds locked while it serves the state directory."""
        return self.state_dir / "lock"

    @property
    def logs(self) -> Path:
        """The folder of the output files, one folder per day."""
        return self.state_dir / "logs"

    @property
    def attempts(self) -> Path:
        """The folder of the status files of attempts."""
        return self.state_dir / "attempts"


def find_places(config: str | None, state_dir: str | None, environ: Mapping[str, str], uid: int) -> Places:
    """The places for this user: the command line's, else the environment's, else the usual ones.

    `config` and `state_dir` are the values of --config and --state-dir. Relative
    paths count from the working directory. Raises UsageError for an empty path.
    """
    chosen_config = _chosen("--config", config, environ.get("JOBRUN_CONFIG"))
    chosen_state = _chosen("--state-dir", state_dir, environ.get("JOBRUN_STATE_DIR"))

    config_path = chosen_config or _default_config(environ, uid)
    state_path = chosen_state or _default_state(environ, uid)
    return Places(
        config=config_path,
        jobs_dir=jobs_dir_of(config_path),
        state_dir=state_path,
        runtime_dir=None if chosen_state else _default_runtime(environ, uid),
    )


def jobs_dir_of(config: Path) -> Path:
    """The folder of further job files that belongs to a job file: `jobs.d` beside it."""
    return config.parent / "jobs.d"


def _chosen(option: str, said: str | None, from_environment: str | None) -> Path | None:
    if said is not None:
        if not said or "\0" in said:
            raise UsageError(f"{option} needs a path.")
        return Path(os.path.abspath(said))  # noqa: PTH100 - resolve() would follow links
    return Path(os.path.abspath(from_environment)) if from_environment else None  # noqa: PTH100


def _default_config(environ: Mapping[str, str], uid: int) -> Path:
    if uid == 0:
        return Path("/etc/jobrun/jobs.toml")
    return _xdg(environ, "XDG_CONFIG_HOME", ".config", uid) / "jobrun" / "jobs.toml"


def _default_state(environ: Mapping[str, str], uid: int) -> Path:
    if uid == 0:
        return Path("/var/lib/jobrun")
    return _xdg(environ, "XDG_STATE_HOME", ".local/state", uid) / "jobrun"


def _default_runtime(environ: Mapping[str, str], uid: int) -> Path | None:
    if uid == 0:
        return Path("/run/jobrun")
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) / "jobrun" if runtime.startswith("/") else None


def _xdg(environ: Mapping[str, str], variable: str, below_home: str, uid: int) -> Path:
    """One XDG base directory; the specification says that a relative value is to be ignored."""
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else _home(environ, uid) / below_home


def _home(environ: Mapping[str, str], uid: int) -> Path:
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home)
    import pwd

    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        raise UsageError(
            "HOME is not set, so the usual places are unknown.", "Name them with --config and --state-dir."
        ) from None
