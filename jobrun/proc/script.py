"""The few lines of POSIX sh around every command, and the argument list that runs them.

What it is for: the exit status survives a daemon that does not. The sh is the
leader of the attempt's session, runs the command in one forked subshell, and
writes the status into the file it was given as stdin.

- `began` tells an attempt that was cut off before its first step (nothing ran)
  from one that was cut off later. Where it cannot be written (the disk fails),
  the command is not run: an attempt without it can safely be given back.
- `trap :` keeps it alive when its group is signalled. Caught signals, unlike
  ignored ones, are back at their default in the subshell.
- Its own stderr goes to /dev/null, because a shell announces "Terminated" in
  the output of its command; the command has the real one.
- The command's stdin is /dev/null, which takes the place of the status file.
- Shell text runs by `eval` in that subshell: one fork more than `sh -c`, no
  exec more. Text that asks for its own pid, and text for another shell, gets a
  shell of its own by exec, so that `$$` and `kill $$` mean what they should.
- It is one line, because bash counts the lines of its errors from ours on.
- Limits are set in the subshell: the sh itself must not run into them.
"""

import re
import signal
from collections.abc import Sequence

from jobrun.domain.instants import SECOND
from jobrun.domain.job import Limits

SH = "/bin/sh"
UNMARKED = 126
_CPU_MARGIN = 2
_SIGNALS = "HUP INT QUIT USR1 USR2 PIPE ALRM TERM VTALRM PROF XCPU XFSZ IO PWR"
_CANNOT_BE_CAUGHT = (signal.SIGKILL, signal.SIGSTOP)
_ASKS_FOR_ITSELF = re.compile(r"\$\$|\$\{\$|\bPPID\b")


def surround(
    run: str, limits: Sequence[str] = (), soft_signal: int | None = None, gate: int | None = None
) -> str:
    """The script text. `run` is the line that runs the command, `limits` the ulimit lines before it.

    `gate` is the descriptor through which the sh enters its control group first.
    """
    catch_soft = soft_signal is not None and soft_signal not in _CANNOT_BE_CAUGHT
    signals = f"{_SIGNALS} {soft_signal}" if catch_soft else _SIGNALS
    enter = f"echo 0 >&{gate}; exec {gate}>&-; " if gate is not None else ""
    inner = "; ".join([*limits, run])
    return (
        f"{enter}trap : {signals}; exec 3>&2 2>/dev/null; echo began >&0 || exit {UNMARKED}; "
        f"( {inner} ) </dev/null 2>&3 3>&-; "
        "set -- $?; { echo exit $1; times; echo end; } >&0; exit $1"
    )


RUN_TEXT = 'eval "set --;$1"'
RUN_ARGV = 'exec "$@"'


def shell_words(text: str, shell: str) -> tuple[str, list[str]]:
    """The line that runs shell text, and the positional parameters it takes."""
    if shell == SH and not _ASKS_FOR_ITSELF.search(text):
        return RUN_TEXT, [text]
    return RUN_ARGV, [shell, "-c", text]


def sh_argv(script: str, words: Sequence[str]) -> list[str]:
    """The argument list of the surrounding sh. `$0` is what a command under cron would see."""
    return [SH, "-c", script, SH, *words]


def limit_lines(limits: Limits, open_files: int | None, hard: tuple[int, int, int]) -> list[str]:
    """The `ulimit` lines for a job.

    `open_files` is the soft limit to give back where the daemon raised its own
    and the job sets none. `hard` holds the hard limits now in force for
    address space (bytes), CPU time (seconds) and open files, -1 for none: a
    limit above them is cut to them rather than refused by the shell.
    CPU time is rounded up to seconds; XCPU comes at the limit, KILL shortly after.
    """
    lines: list[str] = []
    if limits.memory is not None:
        lines.append(f"ulimit -v {_below(limits.memory, hard[0]) // 1024}")
    if limits.cpu_time is not None:
        soft = _below(-(-limits.cpu_time // SECOND), hard[1])
        lines.append(f"ulimit -S -t {soft}; ulimit -H -t {_below(soft + _CPU_MARGIN, hard[1])}")
    if limits.open_files is not None:
        lines.append(f"ulimit -n {_below(limits.open_files, hard[2])}")
    elif open_files is not None:
        lines.append(f"ulimit -S -n {open_files}")
    return lines


def _below(wanted: int, hard: int) -> int:
    return wanted if hard < 0 else min(wanted, hard)
