"""Where the database file lies: its file system, its identity, the files beside it.

The rule: a file is known by its inode, never by its name alone (TRAPS, State:
writes into an unlinked file succeed in silence).
"""

import os
from pathlib import Path
from typing import NamedTuple

from jobrun.domain.errors import StoreRefused

MOUNTS = Path("/proc/self/mountinfo")

# SQLite's WAL needs locks and shared memory that hold between all processes using the file
# (sqlite.org/wal.html: "does not work over a network filesystem").
_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
    }
)


def wal_path(path: Path) -> Path:
    """SQLite's write-ahead log of this database."""
    return path.with_name(path.name + "-wal")


def shm_path(path: Path) -> Path:
    """SQLite's shared index of the write-ahead log."""
    return path.with_name(path.name + "-shm")


class FileIdentity(NamedTuple):
    """A file, whatever it is called."""

    device: int
    inode: int


def identity(path: Path | str) -> FileIdentity | None:
    """The file at this path now; None if there is none, or none that we can see.

    Every commit asks four times: a path that is text already costs half as much.
    """
    try:
        stat = os.stat(path)  # noqa: PTH116 - Path.stat costs twice as much again
    except OSError:
        return None
    return FileIdentity(stat.st_dev, stat.st_ino)


class Fingerprint(NamedTuple):
    """The database's files as they lie: changes whenever somebody writes to them."""

    database: tuple[int, int, int, int] | None
    wal: tuple[int, int, int, int] | None
    shm: tuple[int, int, int, int] | None

    @property
    def wal_size(self) -> int:
        """Bytes in the write-ahead log; 0 without one."""
        return self.wal[2] if self.wal else 0

    @property
    def is_in_use(self) -> bool:
        """Whether a writer has it open, or left it in the middle of its work."""
        return self.wal is not None and self.shm is not None


def fingerprint(path: Path) -> Fingerprint:
    """How the database's files lie now."""
    return Fingerprint(_trace(path), _trace(wal_path(path)), _trace(shm_path(path)))


def _trace(path: Path) -> tuple[int, int, int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def refuse_network(directory: Path, mounts: Path = MOUNTS) -> None:
    """Raise StoreRefused if the directory lies on a network file system.

    Where the table of mounts cannot be read (not Linux, no /proc), nothing is refused.
    """
    try:
        table = mounts.read_bytes()
    except OSError:
        return
    kind = file_system(os.fsencode(directory.resolve()), table)
    if kind in _NETWORK:
        raise StoreRefused(
            f"{directory} is on a network file system ({kind}); the history would be damaged there.",
            "Choose a local directory with --state-dir or JOBRUN_STATE_DIR.",
        )


def file_system(directory: bytes, table: bytes) -> str | None:
    """The file system type of a resolved directory, from the text of /proc/self/mountinfo (proc(5)).

    A root file system of type 9p is that of a sandbox, shared with nobody, and has no name here.
    """
    best, kind = b"", None
    for line in table.splitlines():
        head, _, tail = line.partition(b" - ")
        fields = head.split(b" ")
        if len(fields) < 5 or not tail:
            continue
        point = _unescape(fields[4])
        inside = directory == point or directory.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(best):  # a later mount on the same point hides the earlier
            best, kind = point, tail.split(b" ")[0].decode(errors="replace")
    return None if best == b"/" and kind == "9p" else kind


def _unescape(text: bytes) -> bytes:
    r"""The mount point with the kernel's octal escapes for space, tab, newline and backslash undone."""
    for code in (b"040", b"011", b"012", b"134"):
        text = text.replace(b"\\" + code, bytes([int(code, 8)]))
    return text
