"""Shell text means what it means under `sh -c`, in every shell that may be /bin/sh."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobrun.domain.job import ShellCommand
from jobrun.domain.retry import signal_number
from jobrun.domain.run import Exit
from jobrun.proc.files import open_status, read_status
from jobrun.proc.script import RUN_ARGV, SH, shell_words, surround
from tests.proc.support import Rig, signal

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

TEXTS = {
    "exit": "echo a; exit 3",
    "exec": "echo a; exec sh -c 'echo b; exit 4'",
    "exec redirect": "exec 2>&1; echo to-err >&2; exit 5",
    "set -e": "set -e; echo a; false; echo never",
    "set -u": "set -u; echo ${nothing_here}; echo never",
    "no parameters": 'echo "$#:$*:$0"',
    "pipe": "printf 'a\\nb\\n' | grep -c b",
    "comment first": "# nothing\necho a",
    "newline first": "\n\necho a",
    "comment last": "echo a # b",
    "heredoc": "cat <<EOF\na $HOME\nEOF",
    "quotes": 'echo "it\'s" \'"$x"\' \\\\',
    "exit trap": "trap 'echo bye' EXIT; echo a; exit 6",
    "function": "f() { echo in; return 7; }; f",
    "subshell": "(exit 8)",
    "background": "true & wait; echo $?",
    "own kill": "kill -TERM $$; sleep 5; echo never",
    "own kill caught": "trap 'echo got; exit 9' USR1; kill -USR1 $$; echo never",
    "parent pid": 'sh -c "[ \\$PPID = $$ ] && echo same"',
    "not found": "no-such-command-anywhere",
    "stdin": "cat; echo $?",
    "empty": "",
    "many lines": "a=1\nif [ $a = 1 ]\nthen echo one\nfi\nexit 10",
    "last fails": "true\nfalse",
    "255": "exit 255",
    "options": "echo \"$-\" | tr -d 'ch' ",
    "own variables": "set | grep -c '^[a-z]=' ; true",
    "break": "for i in 1 2 3; do echo $i; break; done; exit 11",
    "command substitution": "x=$(echo a; exit 12); echo $x $?",
}


def surrounded(shell: list[str], run: str, words: list[str], tmp: Path) -> tuple[int, bytes, Exit | None]:
    """Run the surrounding script by hand under the given shell: code, output, status file."""
    status = open_status(tmp / "s.status")
    try:
        done = subprocess.run(
            [*shell, "-c", surround(run), SH, *words],
            stdin=status,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": "/", "LC_ALL": "C"},
            start_new_session=True,
            check=False,
        )
    finally:
        os.close(status)
    return done.returncode, done.stdout, read_status(tmp / "s.status")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", TEXTS)
def test_text_behaves_as_under_sh_c(name: str, shell: str, tmp_path: Path) -> None:
    """Exit status and output equal those of a plain `sh -c` with nothing on stdin, as cron runs it."""
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    argv = SHELLS[shell]
    run, words = shell_words(TEXTS[name], SH)
    if run == RUN_ARGV:
        words = [*argv, *words[1:]]
    code, output, written = surrounded(argv, run, words, tmp_path)

    plain = subprocess.run(
        [*argv, "-c", TEXTS[name], *([SH] if run != RUN_ARGV else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": "/", "LC_ALL": "C"},
        start_new_session=True,
        check=False,
    )
    expected = plain.returncode if plain.returncode >= 0 else 128 - plain.returncode
    assert output.replace(b"eval: ", b"") == plain.stdout
    if (shell, name) == ("bash", "set -u"):
        expected = 1  # bash alone makes this 127 when it is its own whole program, 1 in any subshell
    assert code == expected
    assert written is not None
    assert (written.exit_code if written.signal is None else 128 + written.signal) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_syntax_error_is_an_exit_status_of_the_command(shell: str, tmp_path: Path) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    run, words = shell_words("if then", SH)
    code, output, written = surrounded(SHELLS[shell], run, words, tmp_path)
    assert code != 0
    assert b"yntax error" in output
    assert written is not None and written.exit_code == code


@pytest.mark.parametrize("shell", SHELLS)
def test_survives_group_signals_and_writes_the_status(shell: str, tmp_path: Path) -> None:
    """TRAPS Processes: signals that reach only the shell. Here they reach all, and the sh outlives them."""
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    for name, number in (("TERM", 15), ("HUP", 1), ("INT", 2), ("USR1", 10), ("QUIT", 3), ("ALRM", 14)):
        # A program, not the shell, sends it: the whole group gets it in one call.
        run, words = RUN_ARGV, ["sh", "-c", f"kill -{name} 0; sleep 20"]
        code, output, written = surrounded(SHELLS[shell], run, words, tmp_path)
        assert (code, output) == (128 + number, b""), name
        assert written is not None and written.signal == number


@pytest.mark.parametrize("shell", SHELLS)
def test_cpu_times_are_in_the_status_file(shell: str, tmp_path: Path) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    run, words = shell_words(busy, SH)
    _, _, written = surrounded(SHELLS[shell], run, words, tmp_path)
    assert written is not None and written.user_time is not None
    assert written.user_time > 20_000


@pytest.mark.parametrize("name", ["KILL", "STOP", "CONT", "CHLD", "WINCH", "SEGV", "30", "TERM"])
@pytest.mark.parametrize("shell", SHELLS)
def test_any_soft_signal_may_be_named(name: str, shell: str, tmp_path: Path) -> None:
    """A shell that refuses to trap one must not end before the command."""
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    script = surround(RUN_ARGV, soft_signal=signal_number(name))
    with (tmp_path / "s").open("w+") as status:
        argv = [*SHELLS[shell], "-c", script, SH, "sh", "-c", "exit 3"]
        assert subprocess.run(argv, stdin=status, check=False, start_new_session=True).returncode == 3


def test_another_shell_is_executed(rig: Rig) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    exit, output = rig.finish(rig.job(ShellCommand("a=(1 2 3); echo ${#a[@]} $0; exit 3", shell=bash)))
    assert (exit.exit_code, output) == (3, f"3 {bash}\n".encode())


def test_the_sh_announces_nothing_in_the_output(rig: Rig) -> None:
    """A shell writes "Killed" or "Segmentation fault" about its command; that is not the job's output."""
    exit, output = rig.finish(rig.job(["sh", "-c", "kill -SEGV $$"]))
    assert (exit.signal, output) == (signal.SIGSEGV, b"")


def test_array_commands_use_no_builtin(rig: Rig) -> None:
    marker = rig.path("echo")
    marker.write_text("#!/bin/sh\nprintf mine\n")
    marker.chmod(0o755)
    exit, output = rig.finish(rig.job(["echo", "x"], env={"PATH": f"{rig.home}:/usr/bin:/bin"}))
    assert (exit.exit_code, output) == (0, b"mine")


def test_array_arguments_arrive_byte_for_byte(rig: Rig) -> None:
    words = ["", " ", "a b", "$HOME", "`x`", "'", '"', "\\", "\n", "*", "-n", "ü", os.fsdecode(b"\xff\xfe")]
    exit, output = rig.finish(rig.job(["printf", "%s\\0", *words]))
    assert exit.exit_code == 0
    assert output.split(b"\0")[:-1] == [os.fsencode(word) for word in words]


def test_a_program_whose_name_starts_with_a_dash(rig: Rig) -> None:
    program = rig.path("-x")
    program.write_text("#!/bin/sh\necho dash $1\n")
    program.chmod(0o755)
    _, output = rig.finish(rig.job(["-x", "1"], env={"PATH": f"{rig.home}:/usr/bin:/bin"}))
    assert output == b"dash 1\n"
