"""Exit codes, sentences and hints, stdout and stderr: the same for every command."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.cli.reach import Reach
from jobrun.cli.registry import COMMANDS
from jobrun.wire.client import Client


@pytest.mark.parametrize(
    ("words", "code", "sentence", "hint"),
    [
        (["statsu"], 2, 'There is no command "statsu".', "Did you mean `jobrun status`?"),
        (["status", "--jsn"], 2, "There is no option --jsn.", "Did you mean --json?"),
        (["wait"], 2, 'Missing argument "RUN".', "Write: jobrun wait [options] RUN..."),
        (["wait", "x"], 2, '"x" is not a valid int', "See `jobrun wait --help`."),
        (["history", "--outcome", "bad"], 2, "is not one of", "See `jobrun history --help`."),
        (["history", "--since", "whenever"], 2, '"whenever" is not a moment.', '"2h"'),
        (["status", "a", "b"], 2, "unexpected extra argument", "See `jobrun status --help`."),
        (["submit", "ls", "-l"], 2, "There is no option -l.", "put `--` before that command"),
        (["show", "99"], 5, "There is no run 99.", "jobrun history"),
        (["show", "bakcup"], 5, 'There is no job "bakcup".', 'Did you mean "backup"?'),
        (["history", "bakcup"], 5, 'There is no job "bakcup".', 'Did you mean "backup"?'),
        (["status", "bakcup"], 5, 'There is no job "bakcup".', 'Did you mean "backup"?'),
        (["logs", "bakcup"], 5, 'There is no job "bakcup".', 'Did you mean "backup"?'),
        (["logs", "2", "--attempt", "9"], 5, "Run 2 has no attempt 9.", "It has had 3."),
        (["logs", "old"], 5, "old has not run yet.", "jobrun run old"),
        (["wait", "99"], 5, "There is no run 99.", "jobrun history"),
        (["run", "backup"], 3, "No daemon answers", "jobrun daemon"),
        (["pause", "backup"], 3, "No daemon answers", "jobrun daemon"),
        (["stop"], 3, "No daemon answers", "jobrun daemon"),
        (["pause"], 2, "Name a job or --queue to pause.", "jobrun pause backup"),
        (["retry"], 2, "Name runs, or say --failed.", "jobrun retry 41"),
        (["add", "x", "--cron", "@daily"], 2, "The job has nothing to run.", "-- CMD"),
        (["add", "x", "--at", "yesterday", "--", "true"], 2, "--at yesterday has passed", "jobrun submit"),
        (["add", "x", "--at", "now", "--", "true"], 2, "--at now has passed", "jobrun submit"),
        (["add", "x", "--python", "a:b", "--", "true"], 2, "either --python or a command", "--arg"),
        (["explain", "0 25 * * *"], 2, "hour", "^^"),
        (["next", "--expr", "0 0 30 2 *"], 2, "30", ""),
        (["next", "--expr", "@daily", "--tz", "Europe/Berln"], 2, "Europe/Berln", "Europe/Berlin"),
        (["result", "99"], 5, "There is no run 99.", "jobrun history"),
        (["result", "4"], 5, "Run 4 of poll is unfinished (running) and has no result yet.", "jobrun wait 4"),
        (["result", "2"], 5, "Run 2 of report (failed) has no result.", "jobrun logs 2"),
        (["result", "bakcup"], 5, 'There is no job "bakcup".', 'Did you mean "backup"?'),
        (["result", "old"], 5, "old has not run yet.", "jobrun run old"),
        (["result", "poll"], 5, "No run of poll has ended yet.", "jobrun wait 4"),
        (["show", "2", "--traceback"], 5, "Run 2 of report has no traceback", "jobrun logs 2"),
        (["show", "backup", "--traceback"], 2, "--traceback is about a run.", "jobrun history backup"),
        (["workers"], 3, "No daemon answers", "jobrun daemon"),
        (["checkpoint", "list", "2"], 5, "Run 2 of report keeps no checkpoints.", "checkpoint = true"),
        (["run", "backup", "--data", "{", "--bulk", "-"], 2, "Give --data or --bulk, not both.", "Each line"),
        (["run", "backup", "--data", "hello"], 2, "--data is not JSON", "'\"hello\"'"),
        (["run", "backup", "--data", "@/nonexistent"], 1, "/nonexistent: No such file or directory.", ""),
        (["run", "backup", "--bulk", "/nonexistent"], 1, "/nonexistent: No such file or directory.", ""),
        (["run", "backup", "--bulk", "x", "--follow"], 2, "--follow is about one run.", "--wait"),
        (["run", "backup", "--resume-from", "no"], 2, "There is no checkpoint /", '"latest"'),
        (["submit"], 2, "There is nothing to run.", "-- CMD"),
        (["submit", "--python", "a:b", "--", "true"], 2, "either --python or a command", "--arg"),
        (["submit", "--arg", "1", "--", "true"], 2, "go with --python", ""),
        (["add", "x", "--pool", "p", "--", "true"], 2, "go with --python", ""),
        (["add", "x", "--data", '{"a": null}', "--", "true"], 2, "has null in it", ""),
        (["run", "backup", "-f", "--json"], 2, "--follow prints the output as it comes", "--wait --json"),
        (["submit", "-f", "--json", "--", "true"], 2, "--follow prints the output", "jobrun logs RUN --json"),
        (["logs", "1", "-f", "--json"], 2, "does not go with --follow", ""),
        (["logs", "1", "--raw", "--json"], 2, "--raw is about a terminal", "JSON has every byte"),
        (["show", "2", "--traceback", "--json"], 2, "--traceback prints text", "JSON of a run"),
        (["history", "--versions"], 2, "--versions is about one job.", "history JOB"),
        (
            ["history", "backup", "--versions", "-o", "failed", "--live"],
            2,
            "--versions lists definitions, not runs; it does not go with --outcome and --live.",
            "--since, --until and --limit",
        ),
        (["history", "backup", "--versions", "--cause", "overlap"], 2, "not go with --cause.", "--since"),
        (["history", "backup", "--versions", "--queue", "q"], 2, "not go with --queue.", "--since"),
        (["history", "backup", "--versions", "--before", "9"], 2, "not go with --before.", "--since"),
        (["add", "x", "--timezone", "UTC", "--", "true"], 2, "the zone of --cron and --at", ""),
        (["add", "x", "--every", "5m", "--timezone", "UTC", "--", "true"], 2, "zone of --cron and --at", ""),
        (["add", "x", "--spread", "5m", "--", "true"], 2, "--spread is about a schedule", "--cron"),
        (["add", "x", "--catch-up", "all", "--", "true"], 2, "--catch-up is about a schedule", "--cron"),
        (["check", "--timeout", "soon"], 2, '--timeout: "soon" is not a duration', "90s"),
        (["check"], 4, "", ""),
        (["reload"], 3, "No daemon answers", "jobrun daemon"),
    ],
)
def test_one_sentence_and_one_hint(
    words: list[str], code: int, sentence: str, hint: str, state: Path, jobrun: Callable[..., object]
) -> None:
    said = jobrun(*words)
    assert said.code == code
    assert sentence in said.err
    assert hint in said.err
    assert "Traceback" not in said.err
    if code != 4:
        assert said.err.startswith("jobrun: ")
        assert said.out == ""


def test_a_bug_is_one_sentence(
    jobrun: Callable[..., object], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("what")

    monkeypatch.setattr("jobrun.store.reader.History.runs", broken)
    said = jobrun("history")
    assert said.code == 70
    assert said.err.splitlines() == [
        "jobrun: This is a bug in jobrun: KeyError: 'what'",
        "  hint: Run the command again with JOBRUN_DEBUG=1 to see the traceback, and report it.",
    ]
    monkeypatch.setenv("JOBRUN_DEBUG", "1")
    with pytest.raises(KeyError):
        jobrun("history")


@pytest.mark.parametrize("words", [("status",), ("history",), ("list",), ("show", "2"), ("show", "backup")])
def test_general_options_stand_before_or_after(
    words: tuple[str, ...], state: Path, jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBRUN_STATE_DIR", "/nonexistent")
    before = jobrun("--state-dir", str(state), "--utc", *words)
    after = jobrun(*words, "--utc", f"--state-dir={state}")
    assert before == after
    assert before.code == 0
    assert "backup" in before.out or "report" in before.out


@pytest.mark.parametrize("words", [("status",), ("history",), ("list",), ("show", "2"), ("next",)])
def test_plain_text_has_no_tabs_colours_or_boxes(
    words: tuple[str, ...], state: Path, jobrun: Callable[..., object]
) -> None:
    said = jobrun(*words)
    assert said.out.isascii()
    assert "\t" not in said.out
    assert "\x1b" not in said.out
    assert all(line == line.rstrip() for line in said.out.splitlines())


def test_a_reader_that_leaves_is_no_error(state: Path) -> None:
    """`jobrun history | head -0`: no message, and the status a shell gives for a closed pipe."""
    environment = {**os.environ, "JOBRUN_STATE_DIR": str(state)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "jobrun", "history"],
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_behind_stdout_is_a_sentence(state: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "jobrun", "--state-dir", str(state), "history"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == b"jobrun: No space left on device."


def test_ctrl_c_is_quiet(state: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "jobrun", "--state-dir", str(state), "status", "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith(b"The daemon is not running.")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, b"")


def test_status_with_no_store_says_so_and_is_well(jobrun: Callable[..., object]) -> None:
    said = jobrun("status")
    assert (said.code, said.out) == (0, "The daemon is not running.\n")


def test_a_locale_that_is_not_utf8(state: Path, process: Callable[..., object]) -> None:
    said = process("status", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert said.code == 0
    assert said.out.startswith("{")


def test_every_command_is_one_file() -> None:
    folder = Path(__file__).parents[2] / "jobrun" / "cli" / "commands"
    names = {path.stem.replace("_", "-") for path in folder.glob("*.py") if path.stem != "__init__"}
    assert names == set(COMMANDS)


def test_a_daemon_that_does_not_answer_is_not_called_absent(
    state: Path, jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(self: Reach, timeout: float = 5.0) -> Client:
        return Client(self.places.socket, 0.1)

    monkeypatch.setattr(Reach, "client", hurried)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(state / "control.sock"))
        silent.listen()
        said = jobrun("status")
        assert said.code == 0
        assert said.out.startswith("The daemon did not answer within 0.1 s.")
        assert jobrun("list").code == 0
    assert jobrun("status").out.startswith("The daemon is not running.")
