"""The daemon and whoever reads its log: it waits for nobody, and loses nothing to one who only lags."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from live import until

from jobrun.daemon import outlet
from jobrun.daemon.log import Log

PIPE = 1 << 16


class Pipe:
    """A pipe whose writing end is shared, as a shell shares it, and whose reader stands still."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        self.stream = os.fdopen(self.writes, "w")

    def empty(self) -> str:
        """All that lies in it."""
        os.set_blocking(self.reads, False)
        parts = []
        try:
            while part := os.read(self.reads, PIPE):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode()


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.stream.close()
    os.close(made.reads)


def numbers(text: str) -> list[int]:
    return [int(line.rsplit("n=", 1)[1].split()[0]) for line in text.splitlines() if " n=" in line]


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_reader_that_stands_still_holds_nobody(pipe, monkeypatch, is_ours):
    """Both ways: a pipe that can be opened once more, and one that cannot (another account's)."""
    if not is_ours:
        real = os.open
        refuse = lambda path, *more: real("/nowhere/at/all" if "/fd/" in str(path) else path, *more)  # noqa: E731
        monkeypatch.setattr(os, "open", refuse)
    log = Log("text", "info", pipe.stream)
    began = time.monotonic()
    for number in range(3_000):
        log("run.done", n=number, outcome="succeeded")
    assert time.monotonic() - began < 5
    seen = ""
    while part := pipe.empty():
        seen += part
        log.catch_up()
    assert numbers(seen) == list(range(3_000))
    assert "log.dropped" not in seen
    assert os.get_blocking(pipe.writes), "the shell's own stream is left as it was"


def test_what_is_over_the_bound_is_counted_and_said(pipe, monkeypatch):
    monkeypatch.setattr(outlet, "MOST_KEPT", 20_000)
    log = Log("text", "info", pipe.stream)
    for number in range(3_000):
        log("run.done", n=number, outcome="succeeded")
    seen = ""
    while part := pipe.empty():
        seen += part
        log.catch_up()
    log("run.done", n=9_999, outcome="succeeded")
    *lines, told, last = (seen + pipe.empty()).splitlines()
    there = numbers("\n".join(lines))
    assert there == list(range(len(there)))
    missing = 3_000 - len(there)
    assert missing > 0
    assert f"{missing} lines were dropped" in told
    assert told.endswith(f" lines={missing}")
    assert numbers(last) == [9_999]


def test_a_reader_that_only_lags_gets_every_line_at_once(pipe):
    log = Log("text", "info", pipe.stream)
    got: list[bytes] = []

    def read() -> None:
        while part := os.read(pipe.reads, 4096):
            got.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    log.write_all([("run.done", {"n": number, "outcome": "succeeded"}) for number in range(20_000)])
    log.close()
    for fd in range(3, 200):
        # Both writing ends: ours and the one that was opened once more.
        try:
            is_pipe = fd != pipe.reads and os.fstat(fd).st_ino == os.fstat(pipe.reads).st_ino
        except OSError:
            continue
        if is_pipe and fd != pipe.writes:
            os.close(fd)
    pipe.stream.close()
    reader.join(30)
    assert numbers(b"".join(got).decode()) == list(range(20_000))


def test_a_daemon_whose_stderr_nobody_reads_goes_on(daemon, tmp_path: Path):
    """Seen: everything stood in anon_pipe_write after 64 KB, and three TERMs did nothing."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo, 0o600)
    live = daemon('[jobs.a]\ncommand = "true"\noverlap = "allow"\n[queues.default]\nconcurrency = 4\n')
    live.prefix = ["sh", "-c", f'exec "$@" 2<>{fifo}', "sh"]
    live.start()
    runs = live.client.call("run", job="a", bulk=[None] * 400)["runs"]
    live.done(runs[-1], patience=60)
    assert live.client.call("ping")["store"] == "ok"
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    seen = b""

    def read() -> bool:
        nonlocal seen
        try:
            seen += os.read(reader, PIPE)
        except BlockingIOError:
            pass
        return b"daemon.stopped" in seen

    live.signal(signal.SIGTERM)
    until(read, "the last line")
    assert live.wait() == 0
    assert b"daemon.started" in seen
    os.close(reader)


def test_a_log_into_a_file_is_written_at_once(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as stream:
        Log("text", "info", stream)("run.done", n=1, outcome="succeeded")
        assert numbers(path.read_text()) == [1]
