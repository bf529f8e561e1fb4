"""The few errors a user can meet. Each has an exit code, a sentence and a hint.

They are printed in one place (`cli`), and travel over the control socket as
their three fields. Exit codes are those of the command line: 1 failed, 2
usage, 3 daemon not reachable, 4 job file invalid, 5 not found or conflict.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process of a command returns."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INVALID_FILE = 4
    CONFLICT = 5
    BUG = 70


class JobrunError(Exception):
    """Something the user can understand: one sentence, one hint, one exit code."""

    code: ExitCode = ExitCode.FAILED

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class UsageError(JobrunError):
    """The command's words or values are wrong."""

    code = ExitCode.USAGE


class DaemonUnreachable(JobrunError):
    """No daemon answers on the control socket of this state directory."""

    code = ExitCode.UNREACHABLE


class JobFileInvalid(JobrunError):
    """The job file has problems; `problems` holds every one of them as text lines."""

    code = ExitCode.INVALID_FILE

    def __init__(self, sentence: str, hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(sentence, hint)
        self.problems = problems


class NotFound(JobrunError):
    """The named job, run or queue does not exist."""

    code = ExitCode.CONFLICT


class Conflict(JobrunError):
    """The request contradicts the present state."""

    code = ExitCode.CONFLICT


class Bug(JobrunError):
    """Something that should not happen; a log or a traceback has the details."""

    code = ExitCode.BUG


class StoreRefused(JobrunError):
    """The database cannot be opened: newer version, corrupt, network file system, no permission."""


class StoreMissing(StoreRefused):
    """There is no database yet: no daemon has ever run on this state directory."""


class StoreCorrupt(StoreRefused):
    """The database is damaged. Nothing was changed; going on without it is a person's decision."""


class StoreTrouble(JobrunError):
    """A write failed for a reason of the host (disk full, locked, I/O error); trying again may help."""
