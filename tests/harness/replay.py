#!/usr/bin/env python3
"""Run the real daemon on a crontab for some minutes, and compare its history with what cron would have done.

    python tests/harness/replay.py --minutes 10
    python tests/harness/replay.py --minutes 12 --start 2026-03-01T02:54 --zone Europe/Berlin

Every line becomes a job that notes its start, its end and its exit status in
one witness file (one write each, O_APPEND). `--start` lets the daemon live at
another moment, through libfaketime. Exits 1 on any discrepancy.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.compare import (
    Verdict,
    Witnessed,
    compare,
    expected_slots,
    minutes_between,
    read_witness,
    table,
)
from harness.crontab import Line, read_crontab

HERE = Path(__file__).resolve().parent
FAKETIME = "faketime/libfaketime.so.1"

# The job's own account of itself. `date` is the witness's clock, not the daemon's.
WRAPPED = """\
printf '%s\\n' "start $JOBRUN_JOB $JOBRUN_RUN_ID $(date +%s.%N)" >>"$WITNESS"
(
{command}
)
status=$?
printf '%s\\n' "end $JOBRUN_JOB $JOBRUN_RUN_ID $(date +%s.%N) $status" >>"$WITNESS"
exit $status
"""


def job_file(lines: list[Line], zone: str, witness: Path) -> str:
    """The crontab as a job file: nothing set that cron does not have. JSON strings are TOML strings."""
    settings = f"[jobrun]\ntimezone = {json.dumps(zone)}\n"
    text = [settings, f"[defaults]\nenv = {{ WITNESS = {json.dumps(str(witness))} }}\n"]
    for line in lines:
        command = WRAPPED.replace("{command}", line.command)
        text.append(f"[jobs.{line.name}]\ncron = {json.dumps(line.when)}\ncommand = {json.dumps(command)}\n")
    return "\n".join(text)


@dataclass
class Scene:
    """One daemon in a temporary directory, and the clock it lives by."""

    root: Path
    shift: timedelta = timedelta()
    process: subprocess.Popen[bytes] | None = None
    words: list[str] = field(default_factory=lambda: [sys.executable, "-m", "jobrun"])

    @property
    def witness(self) -> Path:
        return self.root / "witness"

    def now(self) -> datetime:
        """The time it is for the daemon."""
        return datetime.now(UTC) + self.shift

    def command(self, *words: str) -> list[str]:
        places = ["--config", str(self.root / "jobs.toml"), "--state-dir", str(self.root / "state")]
        return [*self.words, *places, *words]

    def ask(self, *words: str) -> Any:
        """What a command prints with --json."""
        done = subprocess.run(
            self.command(*words, "--json"), capture_output=True, text=True, check=False, env=self._environ()
        )
        if done.returncode:
            raise RuntimeError(f"jobrun {' '.join(words)} failed ({done.returncode}): {done.stderr.strip()}")
        return json.loads(done.stdout)

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        log = (self.root / "daemon.log").open("wb")
        with log:
            self.process = subprocess.Popen(
                self.command("daemon"), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environ()
            )
        self.until(lambda: bool(self.ask("status")["daemon"]["running"]), "the daemon to answer", 30)

    def until(self, holds: Any, what: str, seconds: float) -> None:
        """Wait for a condition. Raises RuntimeError if it does not come or the daemon died."""
        limit = time.monotonic() + seconds
        while not holds():
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended ({self.process.returncode}):\n{self.log()}")
            if time.monotonic() > limit:
                raise RuntimeError(f"waited {seconds:.0f} s in vain for {what}\n{self.log()}")
            time.sleep(0.2)

    def idle(self) -> bool:
        """Whether no run is unfinished."""
        return not self.ask("history", "--live", "--limit", "1")["runs"]

    def stop(self) -> None:
        """End the daemon, and make sure of it."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the daemon did not stop within 60 s\n{self.log()}") from None

    def log(self) -> str:
        """The end of the daemon's log."""
        return "\n".join((self.root / "daemon.log").read_text("utf-8", "replace").splitlines()[-20:])

    def _environ(self) -> dict[str, str]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("JOBRUN_")}
        if self.shift:
            environ["LD_PRELOAD"] = str(find_faketime())
            environ["FAKETIME"] = f"{self.shift.total_seconds():+.6f}s"
            # Waiting goes by the monotonic clock, and only the date is another one.
            environ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
        return environ


def find_faketime() -> Path:
    """libfaketime's library. Raises RuntimeError if it is not installed."""
    for folder in (Path("/usr/lib"), Path("/usr/local/lib"), Path("/usr/lib64")):
        for path in (*folder.glob(FAKETIME), *folder.glob(f"*/{FAKETIME}")):
            return path
    raise RuntimeError("--start needs libfaketime (package faketime)")


def watch(scene: Scene, minutes: int) -> None:
    """Let the daemon work until `minutes` full minutes have begun, saying something at each."""
    begin = scene.now()
    for minute in minutes_between(begin, begin + timedelta(minutes=minutes + 1))[:minutes]:
        goal = minute + timedelta(seconds=5)
        scene.until(lambda goal=goal: scene.now() >= goal, "the next minute", 120)
        print(f"{minute:%H:%M} UTC: {scene.witness.read_text().count('start ')} starts so far", flush=True)


@dataclass(frozen=True)
class Record:
    """What came of a replay: the watched minutes, the history, and the witness."""

    root: Path
    window: list[datetime]
    runs: list[dict[str, Any]]
    witness: dict[int, Witnessed]


def replay(lines: list[Line], zone: ZoneInfo, minutes: int, start: datetime | None = None) -> Record:
    """Run the daemon on the crontab for so many full minutes, at this moment or at another one."""
    root = Path(tempfile.mkdtemp(prefix="jobrun-replay-"))
    scene = Scene(root)
    if start is not None:
        scene.shift = start - datetime.now(UTC)
    scene.witness.touch()
    (root / "jobs.toml").write_text(job_file(lines, zone.key, scene.witness), "utf-8")
    try:
        scene.until(lambda: scene.now().second <= 40, "a moment well before a full minute", 30)
        scene.start()
        begin = scene.now()
        print(f"{len(lines)} jobs, {minutes} minutes from {begin.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}")
        watch(scene, minutes)
        # Away from a full minute, so that no slot falls between the window's end and the daemon's.
        scene.until(lambda: 8 <= scene.now().second <= 50 and scene.idle(), "the last runs to end", 90)
        window = minutes_between(begin, scene.now())
        scene.stop()
        runs = scene.ask("history", "--limit", "1000000")["runs"]
        return Record(root, window, runs, read_witness(scene.witness.read_text("utf-8"), scene.shift))
    except BaseException:
        print(f"kept: {root}", file=sys.stderr)
        raise
    finally:
        scene.stop()


def judge(record: Record, lines: list[Line], zone: ZoneInfo) -> Verdict:
    """Compare a replay with what cron would have done, and print what there is to say."""
    expected = expected_slots(lines, record.window, zone)
    boot = [line.name for line in lines if line.at_boot]
    verdict = compare(expected, record.runs, record.witness, window=record.window, at_boot=boot)
    print(table(verdict, record.window, zone))
    for sentence in verdict.discrepancies:
        print(f"discrepancy: {sentence}")
    if verdict.lateness:
        middle, worst = verdict.lateness[len(verdict.lateness) // 2], verdict.lateness[-1]
        print(f"start after the due moment: median {middle * 1000:.1f} ms, worst {worst * 1000:.1f} ms")
    failed = sum(run["outcome"] == "failed" for run in record.runs)
    print(
        f"{len(record.window)} minutes, {len(expected)} starts expected, {len(record.runs)} runs "
        f"({failed} failed, as their commands did), {len(verdict.discrepancies)} discrepancies"
    )
    return verdict


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, run, compare, print; 1 on any discrepancy."""
    options = parse(arguments)
    lines, zone, start = read_crontab(options.crontab), ZoneInfo(options.zone), None
    if options.start:
        start = datetime.fromisoformat(options.start)
        start = start if start.tzinfo else start.replace(tzinfo=zone)
    record = replay(lines, zone, options.minutes, start)
    verdict = judge(record, lines, zone)
    if options.keep or verdict.discrepancies:
        print(f"kept: {record.root}")
    else:
        shutil.rmtree(record.root)
    return 1 if verdict.discrepancies else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The harness's own command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=int, default=2, help="full minutes to watch (default: 2)")
    parser.add_argument("--crontab", type=Path, default=HERE / "crontab60", help="the crontab to replay")
    parser.add_argument("--zone", default="Europe/Berlin", help="the time zone of the crontab")
    parser.add_argument("--start", help="let the daemon live at this moment, as 2026-03-01T02:54")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
