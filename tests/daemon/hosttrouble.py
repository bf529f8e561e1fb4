"""Ways to take something away from a running daemon, and to give it back."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live import LiveDaemon


def pid_of(live: LiveDaemon) -> int:
    assert live.process is not None
    return live.process.pid


def fill(volume: Path) -> Path:
    """A file that takes every byte that is left on the volume."""
    ballast = volume / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


@contextmanager
def no_more_files(live: LiveDaemon) -> Iterator[None]:
    """The daemon's limit of open files lies just above what it has open."""
    pid = pid_of(live)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    newest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (newest + 12, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def no_more_processes(live: LiveDaemon) -> Iterator[None]:
    """fork fails with EAGAIN in the daemon: by a pids control group for root, by RLIMIT_NPROC for others."""
    pid = pid_of(live)
    if os.geteuid() != 0:
        before = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (0, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        return
    parent = next((path for path in _pids_groups() if os.access(path, os.W_OK)), None)
    if parent is None:
        pytest.skip("root is not held by RLIMIT_NPROC, and there is no pids control group to use")
    group = parent / f"jobrun-test-{pid}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("max")
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        group.rmdir()
        pytest.skip(f"no pids control group can be made here: {error}")
    try:
        (group / "pids.max").write_text("1")
        yield
    finally:
        (group / "pids.max").write_text("max")
        for line in (group / "cgroup.procs").read_text().split():
            (parent / "cgroup.procs").write_text(line)
        group.rmdir()


def _pids_groups() -> Iterator[Path]:
    """Where a group with the pids controller can be made: its own hierarchy, or the unified one's root."""
    own = Path("/sys/fs/cgroup/pids")
    if (own / "cgroup.procs").exists():
        yield own
    control = Path("/sys/fs/cgroup/cgroup.subtree_control")
    if control.exists() and "pids" in control.read_text().split():
        yield control.parent


@contextmanager
def a_disk(directory: Path, size: int = 24 << 20) -> Iterator[Path]:
    """An ext4 file system of its own, which can be made to fail as a whole. Needs root and loop devices."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    image, point = directory / "image", directory / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    point.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", image, point], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no loop mount here: {mounted.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=False)


def fail_read_only(point: Path) -> None:
    """What ext4 does at an error with errors=remount-ro; there is no way back but to mount it anew."""
    subprocess.run(["mount", "-o", "remount,abort", point], check=True, capture_output=True)


def own_mounts() -> list[str]:
    """The words before a command that give it its own table of mounts; skips where that cannot be had."""
    words = ["unshare", "--mount", "--propagation", "private"]
    if shutil.which("nsenter") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("needs root and a mount namespace (unshare, nsenter)")
    return words


@contextmanager
def in_place_of_sh(live: LiveDaemon, other: Path) -> Iterator[None]:
    """In the daemon's own table of mounts, /bin/sh is another file."""
    enter = ["nsenter", "--mount", f"--target={pid_of(live)}"]
    subprocess.run([*enter, "mount", "--bind", other, "/bin/sh"], check=True)
    try:
        yield
    finally:
        subprocess.run([*enter, "umount", "/bin/sh"], check=True)
