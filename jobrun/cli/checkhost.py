"""What `doctor` looks at in the host: supervision, shell, time, limits, the service manager."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from jobrun import __version__
from jobrun.cli.checkup import NOTE, OK, PROBLEM, Finding, Scene

_FEW_FILES = 1024
_FEW_PROCESSES = 512
_SYSTEMCTL_WAIT = 5.0


def host(scene: Scene) -> list[Finding]:
    """The checks of this file."""
    return [
        _release(),
        *_supervision(scene),
        _shell(),
        *_time(),
        *_limits(scene),
        *_systemd(),
    ]


def _release() -> Finding:
    from jobrun.proc.host import kernel
    from jobrun.proc.identity import boot_id

    python = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        "versions", OK, f"jobrun {__version__}, Python {python}, Linux {kernel()}, boot {boot_id()}"
    )


def _supervision(scene: Scene) -> Iterator[Finding]:
    from jobrun.proc.cgroup import controllers_on, look_for_delegated
    from jobrun.proc.host import has_pidfd, has_subreaper

    root = Path("/proc/self") if scene.pid is None else Path(f"/proc/{scene.pid}")
    found = look_for_delegated(root)
    whose = "of the daemon" if scene.pid is not None else "here"
    if found is not None:
        path, _ = found
        on = sorted(controllers_on(path))
        held = f"limits of {' and '.join(on)} held by the kernel" if on else "limits held by measuring"
        hint = (
            ""
            if on
            else "The kernel can hold them with systemd 254 or newer, and DelegateSubgroup= in the unit."
        )
        yield Finding("cgroup", OK, f"delegated {whose}: {path}, {held}", hint)
    else:
        told = f"none delegated {whose}: what escapes a job is found by its environment and parentage"
        hint = "Run the daemon as the systemd unit, which has Delegate=yes."
        yield Finding("cgroup", NOTE, told, hint)
    if has_subreaper():
        yield Finding("subreaper", OK, "processes that jobs leave behind come back to the daemon")
    else:
        yield Finding("subreaper", PROBLEM, "the kernel refuses it: what jobs leave behind may be missed")
    if has_pidfd():
        yield Finding("pidfd", OK, "processes are watched and signalled without mistaking them")
    else:
        yield Finding("pidfd", PROBLEM, "the kernel does not have it", "jobrun needs Linux 5.3 or newer.")


def _shell() -> Finding:
    shell = Path("/bin/sh")
    if not os.access(shell, os.X_OK):
        return Finding(
            "shell", PROBLEM, "/bin/sh cannot be executed: no job can start", "Install dash or bash."
        )
    try:
        done = subprocess.run(
            [str(shell), "-c", "exit 7"],
            check=False,
            timeout=_SYSTEMCTL_WAIT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("shell", PROBLEM, f"/bin/sh does not run: {error}", "No job can start without it.")
    if done.returncode != 7:
        return Finding("shell", PROBLEM, f"/bin/sh -c 'exit 7' ended with {done.returncode}")
    return Finding("shell", OK, f"/bin/sh is {shell.resolve()}")


def _time() -> Iterator[Finding]:
    from jobrun.conf.hosttime import host_timezone
    from jobrun.proc.host import is_clock_synchronised

    source = _zone_database()
    if source is None:
        hint = "Install your system's tzdata package, or `pip install tzdata`."
        yield Finding("time zones", PROBLEM, "there is no time zone database", hint)
    else:
        yield Finding("time zones", OK, f"{source}; this host's zone is {host_timezone(os.environ)}")
    match is_clock_synchronised():
        case True:
            yield Finding("clock", OK, "synchronised")
        case False:
            hint = "Run a time service (systemd-timesyncd, chrony): jobs start by this clock."
            yield Finding("clock", NOTE, "nobody keeps it synchronised", hint)
        case _:
            yield Finding("clock", NOTE, "the kernel does not say whether it is synchronised")


def _zone_database() -> str | None:
    """Where zones are read from, in the order in which `zoneinfo` looks: the system's, then the package."""
    import zoneinfo
    from importlib.metadata import PackageNotFoundError, version

    for place in zoneinfo.TZPATH:
        directory = Path(place)
        if (directory / "UTC").exists():
            return f"{place}, version {_zone_version(directory)}"
    try:
        return f"package tzdata {version('tzdata')}"
    except PackageNotFoundError:
        return None


def _zone_version(directory: Path) -> str:
    for name in ("tzdata.zi", "+VERSION"):
        try:
            with (directory / name).open(encoding="ascii", errors="replace") as file:
                line = file.readline().strip()
        except OSError:
            continue
        return line.removeprefix("# version ").strip() or "unknown"
    return "unknown"


def _limits(scene: Scene) -> Iterator[Finding]:
    from jobrun.proc.host import limits_of

    whose = "of the daemon" if scene.pid is not None else "of this shell"
    enough = {"open files": _FEW_FILES, "processes": _FEW_PROCESSES}
    for name, (_, hard) in limits_of(scene.pid).items():
        told = f"{'unlimited' if hard is None else hard} {whose}"
        if hard is not None and hard < enough[name]:
            hint = "Raise LimitNOFILE= or LimitNPROC= of the unit, or `ulimit -H`."
            yield Finding(name, NOTE, f"at most {told}; each running job needs some", hint)
        else:
            yield Finding(name, OK, told if hard is None else f"at most {told}")


def _systemd() -> Iterator[Finding]:
    if not Path("/run/systemd/system").is_dir():
        yield Finding(
            "systemd", NOTE, "not the service manager here", "Let yours start `jobrun daemon` at boot."
        )
        return
    user = [] if os.getuid() == 0 else ["--user"]
    enabled = _systemctl([*user, "is-enabled", "jobrun.service"])
    active = _systemctl([*user, "is-active", "jobrun.service"])
    if enabled in ("", "not-found"):
        hint = "Install systemd/jobrun.service (see its first lines), so that jobrun starts at boot."
        yield Finding("systemd", NOTE, "the unit is not installed", hint)
    elif active == "failed":
        hint = "Look at `journalctl -u jobrun`."
        yield Finding("systemd", PROBLEM, f"the unit is {enabled} and has failed", hint)
    else:
        level = OK if enabled == "enabled" and active == "active" else NOTE
        hint = "" if level == OK else "systemctl enable --now jobrun"
        yield Finding("systemd", level, f"the unit is {enabled} and {active or 'in an unknown state'}", hint)
    if user:
        yield _linger()


def _linger() -> Finding:
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    if Path("/var/lib/systemd/linger", name).exists():
        return Finding("linger", OK, "jobs run while you are logged out, too")
    hint = "loginctl enable-linger"
    return Finding("linger", NOTE, "off: a user unit stops when you log out", hint)


def _systemctl(words: list[str]) -> str:
    """The one word that systemctl answers; empty if it does not."""
    try:
        done = subprocess.run(
            ["systemctl", *words],
            check=False,
            timeout=_SYSTEMCTL_WAIT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
