"""Why an attempt's process could not be started, in words."""

import errno as codes
import os

_WORDS = {
    codes.EAGAIN: "the host refuses new processes (a limit on their number is reached)",
    codes.ENOMEM: "the host has no memory for a new process",
    codes.EMFILE: "the daemon has no free file descriptor",
    codes.ENFILE: "the host has no free file descriptor",
    codes.ENOSPC: "the disk is full",
    codes.EDQUOT: "the disk quota is used up",
    codes.EROFS: "the file system is read-only",
    codes.E2BIG: "the command and its environment are longer than the kernel takes "
    "(128 KiB for one argument); put the text into a file and run that",
}
_HOST_TROUBLE = frozenset(
    {
        codes.EAGAIN,
        codes.ENOMEM,
        codes.EMFILE,
        codes.ENFILE,
        codes.ENOSPC,
        codes.EDQUOT,
        codes.EROFS,
        codes.EIO,
    }
)


class SpawnRefused(Exception):
    """No process was started. `errno` is the system's number, `sentence` the reason in words.

    `ours` says that it was met on something of the daemon's own, which no job can be blamed for.
    """

    def __init__(self, errno: int, sentence: str, *, ours: bool = False) -> None:
        super().__init__(sentence)
        self.errno = errno
        self.sentence = sentence
        self.ours = ours

    @property
    def is_host_trouble(self) -> bool:
        """Whether the host, not the job, is at fault, so that the same start may work later."""
        return self.ours or self.errno in _HOST_TROUBLE


def refused(error: OSError, doing: str, *, ours: bool = False) -> SpawnRefused:
    """The refusal for a system error met while `doing` something ("create the log file …")."""
    number = error.errno or codes.EIO
    return SpawnRefused(number, f"cannot {doing}: {errno_words(number)}", ours=ours)


def errno_words(number: int) -> str:
    """The errno as a phrase with its name, such as `no such file or directory (ENOENT)`."""
    words = _WORDS.get(number) or os.strerror(number).lower()
    return f"{words} ({codes.errorcode.get(number, number)})"
