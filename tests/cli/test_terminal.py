"""On a terminal: tables, relative times, safe output, and a screen that is given back."""

import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from filled import NOON, Filling, say_progress
from hypothesis import given
from hypothesis import strategies as st
from live import until

from jobrun.cli.render.columns import FLOOR, GAP, INDENT, place_columns

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, state: Path, *words: str, **environment: str) -> None:
        self.text = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            values = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", "TZ": "UTC", **environment}
            argv = [sys.executable, "-m", "jobrun", "--state-dir", str(state), *words]
            os.execve(sys.executable, argv, {**os.environ, **values})

    def read(self, within: float = 0.05) -> bytes:
        while select.select([self._fd], [], [], within)[0]:
            try:
                piece = os.read(self._fd, 65536)
            except OSError:
                break
            if not piece:
                break
            self.text += piece
        return self.text

    def end(self) -> tuple[int, bytes]:
        status: list[int] = []

        def ended() -> bool:
            self.read()
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                status.append(os.waitstatus_to_exitcode(code))
            return bool(pid)

        until(ended)
        self.read()
        os.close(self._fd)
        return status[0], self.text


def on_terminal(state: Path, *words: str, **environment: str) -> str:
    code, text = Terminal(state, *words, **environment).end()
    assert code == 0
    return text.decode()


def test_tables_are_coloured_and_times_relative(state: Path) -> None:
    text = on_terminal(state, "status")
    assert "\x1b[" in text
    assert " ago" in text


def test_progress_has_its_columns_only_where_something_is_said(state: Path) -> None:
    assert "PROGRESS" not in on_terminal(state, "status")
    say_progress(state)
    text = on_terminal(state, "status", NO_COLOR="1")
    assert re.search(r"ATTEMPT.*PROGRESS.*STAGE.*WHY", text)
    assert re.search(r"running .*1/1 .*37\.5 % .*fetch file=3 .*pid 4242", text)


def test_no_color_is_honoured(state: Path) -> None:
    text = on_terminal(state, "status", NO_COLOR="1")
    assert "backup" in text
    assert "\x1b[3" not in text
    assert "\x1b[9" not in text


def test_a_dumb_terminal_gets_plain_text(state: Path) -> None:
    assert "\x1b" not in on_terminal(state, "status", TERM="dumb")


def test_help_has_bold_headings(state: Path) -> None:
    assert "\x1b[1mJobs:\x1b[0m" in on_terminal(state, "--help")


def test_output_cannot_drive_the_terminal(tmp_path: Path) -> None:
    """TRAPS, Output: terminal escapes in output must not drive the reader's terminal."""
    (tmp_path / "state").mkdir()
    it = Filling(tmp_path / "state")
    it.plan()
    run = it.start(it.create(it.run("manual", NOON, slot=False)), NOON)
    it.printed(run, b"\x1b]0;owned\x07\x1b[32mgreen\x1b[0m\xff\n")
    it.finish(run, NOON + 1)
    it.close()
    safe = on_terminal(tmp_path / "state", "logs", "1")
    assert "\x1b]0" not in safe
    assert "\\x1b]0;owned\\x07\x1b[32mgreen" in safe
    assert "\x1b]0;owned\x07" in Terminal(tmp_path / "state", "logs", "1", "--raw").end()[1].decode(
        errors="replace"
    )


def test_watch_refreshes_in_place_and_gives_the_screen_back(state: Path) -> None:
    terminal = Terminal(state, "status", "--watch")
    until(lambda: terminal.read().count(b"\x1b[H") >= 2)
    os.kill(terminal.pid, signal.SIGINT)
    code, text = terminal.end()
    assert code == 130
    assert text.startswith(ENTER)
    assert text.rstrip().endswith(LEAVE)
    assert b"Traceback" not in text


def test_watch_in_a_pipe_prints_a_frame_per_change(state: Path, tmp_path: Path) -> None:
    import subprocess

    child = subprocess.Popen(
        [sys.executable, "-m", "jobrun", "--state-dir", str(state), "status", "--watch", "--json"],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    it = Filling(state)
    it._id = 9
    it.create(it.run("manual", time.time_ns() // 1000, slot=False))
    it.close()
    second = child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert b'"run": 10' not in first
    assert b'"run": 10' in second


@pytest.mark.parametrize("columns", ["80", "50", "30"])
def test_a_narrow_terminal_cuts_nothing_off(columns: str, tmp_path: Path) -> None:
    """Names stay whole, and what a line has no room for stands below it."""
    name, command = "export-accounting-of-all-shops", "/srv/app/bin/export --format datev --out /srv/export"
    config = tmp_path / "jobs.toml"
    config.write_text(
        f'[jobs.{name}]\ncommand = "{command}"\ncron = "*/15 8-18 * * mon-fri"\n'
        '[jobs.once]\ncommand = "true"\nat = 2035-01-01T20:05:18.893984+02:00\n'
    )
    environment = {"COLUMNS": columns, "NO_COLOR": "1", "JOBRUN_CONFIG": str(config)}
    text = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(tmp_path / "state", "list", **environment))
    lines = [line.rstrip() for line in text.splitlines()]
    assert all(len(line) <= int(columns) for line in lines)
    assert "…" not in text
    shown = " ".join(text.split())
    assert name in shown
    assert "*/15 8-18 * * mon-fri" in shown
    assert command.replace(" ", "") in "".join(shown.split())
    assert "at 2035-01-01 18:05" in shown
    assert len(lines) < 16
    assert len(on_terminal(tmp_path / "state", "list", **{**environment, "COLUMNS": "160"}).splitlines()) == 3


@given(
    st.lists(st.tuples(st.integers(0, 90), st.booleans()), min_size=1, max_size=9),
    st.integers(1, 120),
)
def test_columns_find_their_place_on_any_screen(columns: list[tuple[int, bool]], screen: int) -> None:
    widths, whole = [width for width, _ in columns], [is_whole for _, is_whole in columns]
    bands = place_columns(widths, whole, screen)
    assert [column for band in bands for column, _ in band] == list(range(len(columns)))
    for number, band in enumerate(bands):
        indent = INDENT if number else 0
        room = max(screen - indent, 1)
        assert sum(width + GAP for _, width in band) - GAP <= room
        for column, width in band:
            assert width <= widths[column]
            least = widths[column] if whole[column] else min(widths[column], FLOOR)
            assert width >= min(least, room)
    if sum(width + GAP for width in widths) - GAP <= screen:
        assert bands == [list(enumerate(widths))]
