"""Whether a job's user and group exist here, and whether this user may become them."""

import grp
import os
import pwd

from jobrun.conf.problems import Fault, did_you_mean, quoted


class Accounts:
    """Looks accounts up for one reading of the file; each name once, as a name service may be slow.

    `uid` is the user the daemon runs as.
    """

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self._users: dict[str, Fault | None] = {}
        self._groups: dict[str, Fault | None] = {}

    def user_fault(self, user: str) -> Fault | None:
        """What is wrong with a job's `user`."""
        if user not in self._users:
            self._users[user] = _user_fault(user, self.uid)
        return self._users[user]

    def group_fault(self, group: str) -> Fault | None:
        """What is wrong with a job's `group`."""
        if group not in self._groups:
            self._groups[group] = _group_fault(group, self.uid)
        return self._groups[group]


def _user_fault(user: str, uid: int) -> Fault | None:
    try:
        found = pwd.getpwnam(user)
    except (KeyError, ValueError):
        known = [entry.pw_name for entry in pwd.getpwall()]
        return Fault(f"there is no user {quoted(user)} on this host", did_you_mean(user, known), ("user",))
    if uid not in (0, found.pw_uid):
        return Fault(
            f"only root's daemon can run a job as another user ({user})",
            "Remove the key, or run the daemon as root.",
            ("user",),
        )
    return None


def _group_fault(group: str, uid: int) -> Fault | None:
    try:
        found = grp.getgrnam(group)
    except (KeyError, ValueError):
        known = [entry.gr_name for entry in grp.getgrall()]
        return Fault(
            f"there is no group {quoted(group)} on this host", did_you_mean(group, known), ("group",)
        )
    if uid != 0 and found.gr_gid != os.getgid():
        return Fault(
            f"only root's daemon can run a job as another group ({group})",
            "Remove the key, or run the daemon as root.",
            ("group",),
        )
    return None
