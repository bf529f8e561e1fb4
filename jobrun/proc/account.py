"""Whose process a job is: user, group, supplementary groups, home.

The rule: a job of another user gets that user's complete group list, as
initgroups(3) gives it, and nothing of the daemon's.
"""

import errno
import grp
import os
import pwd
from dataclasses import dataclass

from jobrun.proc.refusal import SpawnRefused


@dataclass(frozen=True, slots=True)
class Account:
    """The account a job runs under. `switch` is None when it is simply the daemon's own."""

    name: str
    home: str
    shell: str
    switch: tuple[int, int, tuple[int, ...]] | None

    @property
    def owner(self) -> int | None:
        """The uid of another account, whose spool is a folder of its own; None for the daemon's own."""
        return self.switch[0] if self.switch is not None else None


def account(user: str | None, group: str | None) -> Account:
    """The account for a job's `user` and `group`; both None is the daemon's own.

    Raises SpawnRefused for an unknown name, or where only root could switch.
    """
    entry = _user(user) if user is not None else _own_entry()
    if user is None and group is None:
        return Account(entry.pw_name, entry.pw_dir, entry.pw_shell, None)
    gid = _group(group) if group is not None else entry.pw_gid
    if os.geteuid() != 0:
        if entry.pw_uid == os.geteuid() and (group is None or gid == os.getegid()):
            return Account(entry.pw_name, entry.pw_dir, entry.pw_shell, None)
        wanted = f"user {user}" if user is not None else f"group {group}"
        raise SpawnRefused(errno.EPERM, f"cannot run as {wanted}: only a daemon run by root can (EPERM)")
    groups = tuple(os.getgrouplist(entry.pw_name, gid))
    return Account(entry.pw_name, entry.pw_dir, entry.pw_shell, (entry.pw_uid, gid, groups))


def owner_of(user: str | None, group: str | None) -> int | None:
    """The uid of a job of another account; None for the daemon's own, and for one that does not exist."""
    if user is None and group is None:
        return None
    try:
        return account(user, group).owner
    except SpawnRefused:
        return None


def _own_entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        # A container may run us under a uid that no passwd file knows.
        name = str(os.geteuid())
        return pwd.struct_passwd((name, "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise SpawnRefused(errno.ENOENT, f"user {name} does not exist on this host") from None


def _group(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise SpawnRefused(errno.ENOENT, f"group {name} does not exist on this host") from None
