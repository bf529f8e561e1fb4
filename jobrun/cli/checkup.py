"""What `doctor` looks at in jobrun's own house: daemon, state directory, database, job file.

Each check tells what is there, and judges: `ok`, `note` (works, but worth
knowing) or `problem` (something does not work, or soon will not). A check
never changes anything, and never fails: what cannot be found out is a finding.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jobrun import __version__
from jobrun.cli.moments import iso_seconds, span_words
from jobrun.cli.reach import Reach
from jobrun.domain.errors import JobrunError
from jobrun.domain.instants import Instant, format_duration
from jobrun.domain.sizes import format_size

OK, NOTE, PROBLEM = "ok", "note", "problem"
_LOW_SPACE = 64 << 20
_LITTLE_SPACE = 1 << 30


class Finding:
    """The result of one check."""

    __slots__ = ("hint", "level", "name", "text")

    def __init__(self, name: str, level: str, text: str, hint: str = "") -> None:
        self.name = name
        self.level = level
        self.text = text
        self.hint = hint


class Scene:
    """What several checks need to know: the places, the daemon's word, whether one was ever here."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.trouble: JobrunError | None = None
        self.daemon: dict[str, Any] | None = None
        try:
            self.daemon = reach.ping()
            # Where the next one would be; at too long a path it would be refused.
            self.next_socket = reach.places.socket if self.daemon is None else None
        except JobrunError as error:
            self.trouble = error

    @property
    def pid(self) -> int | None:
        """The daemon's process, if it answers."""
        return self.daemon.get("pid") if self.daemon is not None else None


def own_house(scene: Scene, *, deep: bool) -> list[Finding]:
    """The checks of this file."""
    return [
        *readable("daemon", lambda: _daemon(scene)),
        *readable("state", lambda: _state_directory(scene)),
        *readable("database", lambda: _database(scene, deep=deep)),
        *readable("job file", lambda: _job_file(scene)),
    ]


def readable(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of a check; that something may not be looked at is one, too."""
    try:
        return list(check())
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return [Finding(name, PROBLEM, f"{place}{(error.strerror or str(error)).lower()}")]


def findings_shape(findings: list[Finding]) -> dict[str, Any]:
    """The JSON of `doctor`."""
    return {
        "ok": all(finding.level != PROBLEM for finding in findings),
        "checks": [
            {"check": item.name, "state": item.level, "what": item.text, "hint": item.hint}
            for item in findings
        ],
    }


def _daemon(scene: Scene) -> Iterator[Finding]:
    from jobrun.proc.host import holder_of_lock

    places = scene.reach.places
    if scene.trouble is not None:
        yield Finding("daemon", PROBLEM, scene.trouble.sentence, scene.trouble.hint)
        return
    if scene.daemon is None:
        holder = holder_of_lock(places.lock)
        if holder is not None:
            hint = "It is starting or stopping, or its socket was deleted; a running daemon makes it anew."
            yield Finding("daemon", PROBLEM, f"pid {holder} holds the lock, but does not answer", hint)
            return
        socket = places.found_socket
        stale = f"; {socket} is left from one that was killed" if socket.exists() else ""
        level = PROBLEM if scene.reach.has_store else NOTE
        hint = "Start it with `jobrun daemon`, or enable the systemd unit."
        yield Finding("daemon", level, f"not running, no job is started{stale}", hint)
        return
    yield from _running_daemon(scene, scene.daemon)


def _running_daemon(scene: Scene, daemon: dict[str, Any]) -> Iterator[Finding]:
    word = "stopping" if daemon.get("stopping") else "running"
    numbers = f"{daemon.get('jobs', 0)} jobs, {daemon.get('running', 0)} running"
    version = daemon.get("version")
    told = f"{word}, pid {daemon.get('pid')}, version {version}, {numbers}"
    if version != __version__:
        hint = "Restart the daemon; running jobs are taken over (`jobrun stop --mode leave`, then start it)."
        yield Finding("daemon", PROBLEM, f"{told}; this command is {__version__}", hint)
    else:
        yield Finding("daemon", NOTE if daemon.get("stopping") else OK, told)
    for what, name in (("store", "writing"), ("spawn", "starting")):
        said = daemon.get(what)
        if said in (None, "ok"):
            yield Finding(name, OK, "no trouble")
        else:
            yield Finding(name, PROBLEM, str(said).rstrip("."), "It goes on by itself once this is over.")


def _state_directory(scene: Scene) -> Iterator[Finding]:
    from jobrun.store.place import MOUNTS, file_system, refuse_network

    directory = scene.reach.places.state_dir
    try:
        about = directory.stat()
    except FileNotFoundError:
        yield Finding(
            "state", NOTE, f"{directory} is not there yet", "The daemon makes it at its first start."
        )
        return
    except OSError as error:
        yield Finding("state", PROBLEM, f"{directory}: {(error.strerror or '').lower()}")
        return
    mode = stat.S_IMODE(about.st_mode)
    told = f"{directory}, mode {mode:04o}, owner {_user(about.st_uid)}"
    if about.st_uid != os.getuid():
        hint = f"Ask as {_user(about.st_uid)}, or name another directory with --state-dir."
        yield Finding("state", PROBLEM if os.getuid() else NOTE, told, hint)
    elif mode & 0o077:
        yield Finding("state", NOTE, told, f"Others can look into it; to end that: chmod 700 {directory}")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield Finding("state", PROBLEM, f"{told}, not writable", "Is it mounted read-only?")
    else:
        yield Finding("state", OK, told)
    try:
        refuse_network(directory)
        kind = file_system(os.fsencode(directory.resolve()), MOUNTS.read_bytes())
        yield _space(directory, kind or "unknown file system")
    except JobrunError as error:
        yield Finding("disk", PROBLEM, error.sentence, error.hint)
    except OSError as error:
        yield Finding("disk", NOTE, f"cannot be looked at ({(error.strerror or '').lower()})")


def _space(directory: "os.PathLike[str]", kind: str) -> Finding:
    about = os.statvfs(directory)
    free, total = about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize
    told = f"{kind}, {format_size(free)} of {format_size(total)} free"
    if about.f_flag & os.ST_RDONLY:
        return Finding("disk", PROBLEM, f"{told}, mounted read-only", "Mount it for writing.")
    if about.f_files and not about.f_favail:
        return Finding("disk", PROBLEM, f"{told}, but no file can be made (no inodes)", "Delete some files.")
    if free < _LOW_SPACE:
        hint = "No run is started when the history cannot be written: make space."
        return Finding("disk", PROBLEM, told, hint)
    return Finding(
        "disk", NOTE if free < _LITTLE_SPACE else OK, told, "Make space." if free < _LITTLE_SPACE else ""
    )


def _database(scene: Scene, *, deep: bool) -> Iterator[Finding]:
    from jobrun.store.health import look_at

    path = scene.reach.places.database
    if not scene.reach.has_store:
        yield Finding("database", NOTE, f"{path} is not there yet", "The daemon makes it at its first start.")
        return
    try:
        health = look_at(path, deep=deep)
    except JobrunError as error:
        yield Finding("database", PROBLEM, error.sentence, error.hint)
        return
    size = format_size(health.size) + (
        f" and {format_size(health.log_size)} of log" if health.log_size else ""
    )
    ago = span_words(max(time.time_ns() // 1000 - health.written_at, 0))
    told = f"version {health.version}, {size}, about {health.runs} runs, last written {ago} ago"
    if health.problem is not None:
        hint = "Stop the daemon, and restore a backup or start it with --set-aside-corrupt."
        yield Finding("database", PROBLEM, f"damaged: {health.problem}", hint)
    else:
        checked = "; checked whole" if deep else ""
        yield Finding("database", OK, told + checked)
    if health.set_aside:
        hint = "Look at what is in them, then delete them."
        yield Finding("damaged", NOTE, f"set aside earlier: {', '.join(health.set_aside)}", hint)


def _job_file(scene: Scene) -> Iterator[Finding]:
    from jobrun.cli.escape import visible
    from jobrun.conf.read import check_job_file

    config = scene.reach.places.config
    if not config.exists():
        yield Finding("job file", PROBLEM, f"there is none at {config}", "Make one with `jobrun init`.")
        return
    job_file, problems = check_job_file(config)
    if problems or job_file is None:
        first = visible(str(problems[0]).split("\n")[0]) if problems else "it cannot be read"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Finding("job file", PROBLEM, f"{first}{more}", "See all with `jobrun check`.")
        return
    plan = job_file.plan
    told = f"{config}, {len(plan.jobs)} jobs, no problem"
    changed = _is_newer(scene, plan.files)
    if changed is not None:
        when = iso_seconds(changed, scene.reach.zone)
        yield Finding("job file", NOTE, f"{told}, changed at {when}", "Apply it with `jobrun reload`.")
    else:
        yield Finding("job file", OK, told)
    longest = max((job.grace for job in plan.jobs.values()), default=0)
    yield Finding(
        "stopping",
        OK,
        f"on_stop {plan.settings.on_stop.value}, shutdown_timeout "
        f"{format_duration(plan.settings.shutdown_timeout)}, longest grace {format_duration(longest)}",
    )


def _is_newer(scene: Scene, files: tuple[str, ...]) -> Instant | None:
    """When the job files changed, if that was after the running daemon last read them."""
    if scene.daemon is None or not scene.reach.has_store:
        return None
    changed = max((os.stat(file).st_mtime_ns // 1000 for file in files), default=0)  # noqa: PTH116 - names
    try:
        events = scene.reach.history.host_events(kinds=("daemon_started", "reloaded"), limit=1)
    except JobrunError:
        return None
    return changed if events and changed > events[0].at else None


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
