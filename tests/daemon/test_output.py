"""What jobs print, through the daemon and out of the command line again.

Nobody reads along while a job prints: its file is cut to size on the disk,
and the daemon's memory does not know how much was said.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from live import LiveDaemon, until

from jobrun.domain.run import Outcome

MIB = 1 << 20
IS_LONG = os.environ.get("JOBRUN_TORTURE") == "long"
MARKER = re.compile(rb"\n\[jobrun: (\d+) bytes dropped here\]\n")


def rss(live: LiveDaemon) -> int:
    """The daemon's resident memory in bytes."""
    assert live.process is not None
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10


def on_disk(folder: Path) -> int:
    """The bytes that the files of a folder take on the disk; holes take none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            pass
    return total


def supports_holes(folder: Path) -> bool:
    from jobrun.proc.output import trim_running

    probe = folder / "probe"
    probe.write_bytes(bytes(4 * MIB))
    return trim_running(probe, MIB)


def kept(live: LiveDaemon, run_id: int) -> bytes:
    (output,) = live.history.outputs(run_id)
    return output.body if output.body is not None else (live.state / output.path).read_bytes()


def test_a_gigabyte_in_one_run(daemon):
    """TRAPS, Output: 13 GiB of memory for buffered output (ofelia #107); a run failed for printing more
    than 1 MB, a step that hung at 64 KB (dagu); only the tail kept silently (dkron)."""
    size = 1 << 30
    live = daemon(f'[jobs.loud]\ncommand = "head -c {size} /dev/zero"\nlog_max = "4M"\n').start()
    if not supports_holes(live.directory):
        pytest.skip("this file system has no holes: the file would grow to its full gigabyte until the end")
    live.done(live.run("loud"))  # warms what is loaded once
    before, peak_disk, peak_rss = rss(live), 0, 0
    run_id = live.run("loud")
    while not (run := live.see(run_id)) or run.is_live:
        peak_disk, peak_rss = max(peak_disk, on_disk(live.places.logs)), max(peak_rss, rss(live))
        time.sleep(0.02)
    assert run.status.outcome is Outcome.SUCCEEDED
    (output,) = live.history.outputs(run_id)
    assert (output.size, output.dropped) == (size, size - 4 * MIB)
    body = kept(live, run_id)
    assert len(body) - 4 * MIB == len(b"\n[jobrun: %d bytes dropped here]\n" % output.dropped)
    # What a fast writer adds between two looks is on the disk for a moment, never the whole.
    assert peak_disk < size // 2
    assert on_disk(live.places.logs) < 10 * MIB  # two runs of 4 MiB
    assert peak_rss - before < 8 * MIB


def test_a_steady_writer_stays_near_its_maximum_on_the_disk(daemon, tmp_path):
    """At 20 MB/s and log_max 1 MiB; what is kept counts to the byte."""
    script = tmp_path / "steady.py"
    script.write_text(
        "import sys, time\n"
        "for n in range(60):\n"
        "    sys.stdout.buffer.write(b'%07d\\n' % n * 125000)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.05)\n"
    )
    live = daemon(f'[jobs.steady]\ncommand = ["{sys.executable}", "{script}"]\nlog_max = "1M"\n').start()
    if not supports_holes(live.directory):
        pytest.skip("this file system has no holes")
    run_id = live.run("steady")
    peak = 0
    while not (run := live.see(run_id)) or run.is_live:
        peak = max(peak, on_disk(live.places.logs))
        time.sleep(0.01)
    assert run.status.outcome is Outcome.SUCCEEDED
    assert peak < 20 * MIB
    (output,) = live.history.outputs(run_id)
    assert (output.size, output.dropped) == (60_000_000, 60_000_000 - MIB)
    body = kept(live, run_id)
    whole = b"".join(b"%07d\n" % n * 125000 for n in range(60))
    half = MIB // 2
    assert body == whole[:half] + b"\n[jobrun: %d bytes dropped here]\n" % output.dropped + whole[-half:]


@pytest.mark.parametrize("over", [-1, 0, 1, 4096])
def test_log_max_is_exact(daemon, over):
    """Head and tail are halves of log_max; up to log_max nothing is dropped; every dropped byte counts."""
    log_max, size = 64 << 10, (64 << 10) + over
    text = f"import sys; sys.stdout.write((''.join(f'{{n:07d}}\\n' for n in range(10000)))[:{size}])"
    live = daemon(f'[jobs.cut]\ncommand = ["{sys.executable}", "-c", {json.dumps(text)}]\nlog_max = "64K"\n')
    live.start()
    run_id = live.run("cut")
    assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    whole = "".join(f"{n:07d}\n" for n in range(10000))[:size].encode()
    (output,) = live.history.outputs(run_id)
    assert (output.size, output.dropped) == (size, max(0, over))
    printed = subprocess.run(live.command("logs", str(run_id)), capture_output=True, check=True).stdout
    if over <= 0:
        assert printed == whole
    else:
        head, dropped, tail = MARKER.split(printed)
        assert (head, int(dropped), tail) == (whole[: log_max // 2], over, whole[-log_max // 2 :])


def test_a_hundred_megabyte_line(daemon):
    """TRAPS, Output: a long line that crashed the reader (yacron #56)."""
    size = 100 * MIB
    live = daemon(
        f'[jobs.long]\ncommand = "head -c {size} /dev/zero | tr \'\\\\0\' x"\nlog_max = "2M"\n'
    ).start()
    live.cli("status")
    before = rss(live)
    run_id = live.run("long")
    assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    assert rss(live) - before < 8 * MIB
    printed = subprocess.run(live.command("logs", str(run_id)), capture_output=True, check=True).stdout
    head, dropped, tail = MARKER.split(printed)
    assert (len(head), int(dropped), len(tail)) == (MIB, size - 2 * MIB, MIB)
    assert set(head + tail) == {ord("x")}
    last = subprocess.run(live.command("logs", "-n", "1", str(run_id)), capture_output=True, check=True)
    assert last.stdout == tail
    shape = json.loads(live.cli("logs", "--json", str(run_id)).stdout)
    assert (shape["outputs"][0]["size"], shape["outputs"][0]["dropped"]) == (size, size - 2 * MIB)


def test_any_bytes_through_every_reader(daemon):
    """TRAPS, Output: bytes are bytes. Invalid UTF-8, NUL and escapes must not break --json."""
    raw = bytes(range(256)) + b"\n\x1b]0;title\x07\xff\xfe\x00end"
    live = daemon(
        f'[jobs.raw]\ncommand = ["{sys.executable}", "-c", '
        f"\"import os; os.write(1, bytes.fromhex('{raw.hex()}')); os._exit(3)\"]\n"
    ).start()
    run_id = live.run("raw")
    live.done(run_id)
    assert subprocess.run(live.command("logs", "raw"), capture_output=True, check=True).stdout == raw
    (output,) = json.loads(live.cli("logs", "--json", "raw").stdout)["outputs"]
    assert base64.b64decode(output["base64"]) == raw
    for words in (("show", str(run_id)), ("show", "raw"), ("history",), ("history", "raw"), ("status",)):
        assert json.loads(live.cli(*words, "--json").stdout), words
    for words in (("show", str(run_id)), ("history", "raw"), ("status",)):
        printed = live.cli(*words).stdout
        assert not any(ch in printed for ch in "\x00\x1b\x07"), words


@pytest.mark.torture
def test_ten_thousand_lines_a_second(daemon, tmp_path):
    """TRAPS, Output: nothing blocks a job that prints; every line is there or counted as dropped.

    The long form goes on for a minute.
    """
    ticks = 600 if IS_LONG else 20
    script = tmp_path / "lines.py"
    script.write_text(
        "import sys, time\n"
        "begun = time.monotonic()\n"
        f"for tick in range({ticks}):\n"
        "    for n in range(1000):\n"
        "        sys.stdout.write(f'line {tick * 1000 + n:07d}\\n')\n"
        "        sys.stdout.flush()\n"
        "    ahead = begun + (tick + 1) / 10 - time.monotonic()\n"
        "    if ahead > 0: time.sleep(ahead)\n"
        "late = time.monotonic() - begun\n"
        f"sys.exit(0 if late < {ticks} / 10 * 1.5 + 2 else 9)\n"
    )
    live = daemon(
        f'[jobs.lines]\ncommand = ["{sys.executable}", "{script}"]\nlog_max = "64K"\n'
        '[jobs.beside]\nevery = "1s"\ncommand = "true"\n'
    ).start()
    until(lambda: live.runs("beside"), "the daemon's first tick")
    before = rss(live)
    run_id = live.run("lines")
    run = live.done(run_id, patience=120)
    assert run.status.outcome is Outcome.SUCCEEDED, "the job could not print at its own pace"
    assert rss(live) - before < 4 * MIB
    (output,) = live.history.outputs(run_id)
    whole = 13 * 1000 * ticks
    assert (output.size, output.dropped) == (whole, whole - (64 << 10))
    body = kept(live, run_id)
    assert body.startswith(b"line 0000000\nline 0000001\n")
    assert body.endswith(b"line %07d\n" % (ticks * 1000 - 1))
    assert all(row.status.outcome is Outcome.SUCCEEDED for row in live.runs("beside") if not row.is_live)


def test_output_after_the_leaders_end(daemon, tmp_path):
    """What a child left on purpose prints later neither changes the record nor troubles the daemon."""
    gate = tmp_path / "gate"
    child = f"while [ ! -e {gate} ]; do sleep 0.02; done; seq 1 50000; touch {gate}.done"
    live = daemon(
        f"[jobs.small]\ncommand = \"echo first; setsid sh -c '{child}' &\"\nleave_children = true\n"
        f"[jobs.large]\ncommand = \"seq 1 9000; setsid sh -c '{child}' &\"\nleave_children = true\n"
    ).start()
    small, large = live.run("small"), live.run("large")
    for run_id in (small, large):
        assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    expected = "".join(f"{n}\n" for n in range(1, 9001)).encode()
    assert kept(live, small) == b"first\n"
    assert kept(live, large) == expected
    gate.touch()
    until(lambda: Path(f"{gate}.done").exists(), "the child to have printed")
    assert kept(live, small) == b"first\n"
    assert kept(live, large).startswith(expected)
    assert live.client.call("ping")["store"] == "ok"
    printed = subprocess.run(live.command("logs", str(large)), capture_output=True, check=True).stdout
    assert printed.startswith(expected)


def test_logs_follow_over_attempts_and_a_killed_daemon(daemon, tmp_path):
    """TRAPS, Output: a restart that overwrote the earlier log (pueue)."""
    gate = tmp_path / "gate"
    text = (
        f"echo begin $JOBRUN_ATTEMPT; until [ -e {gate}.$JOBRUN_ATTEMPT ]; do sleep 0.02; done; "
        "echo end $JOBRUN_ATTEMPT; [ $JOBRUN_ATTEMPT = 3 ]"
    )
    live = daemon(
        f"[jobs.tries]\ncommand = '''{text}'''\nattempts = 3\nbackoff = \"fixed\"\ndelay = \"50ms\"\n"
    ).start()
    run_id = live.run("tries")
    live.in_state(run_id, "running")
    said = tmp_path / "said"
    with said.open("wb") as out, (tmp_path / "remarks").open("wb") as remarks:
        follower = subprocess.Popen(
            live.command("logs", "-f", str(run_id)), stdout=out, stderr=remarks, env=live.environ
        )
    try:
        until(lambda: b"begin 1" in said.read_bytes(), "the first line")
        live.kill()
        Path(f"{gate}.1").touch()  # the first attempt ends while no daemon lives
        until(lambda: b"end 1" in said.read_bytes(), "what was printed meanwhile")
        live.start()
        until(lambda: b"begin 2" in said.read_bytes(), "the second attempt")
        live.kill()
        live.start()  # the second is adopted
        Path(f"{gate}.2").touch()
        Path(f"{gate}.3").touch()
        assert follower.wait(30) == 0
    finally:
        follower.kill()
        follower.wait()
    expected = b"".join(b"begin %d\nend %d\n" % (n, n) for n in (1, 2, 3))
    assert said.read_bytes() == expected
    assert "succeeded" in (tmp_path / "remarks").read_text()
    assert live.done(run_id).status.outcome is Outcome.SUCCEEDED
    assert [out.body for out in live.history.outputs(run_id)] == [
        b"begin %d\nend %d\n" % (n, n) for n in (1, 2, 3)
    ]
