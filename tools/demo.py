#!/usr/bin/env python3
"""`make demo`: the example file at work, with the real daemon and the real command line.

Every command is printed before its output, as a person would type it, and must
end as expected. At the end the daemon is stopped, and nothing may be left: no
process, no directory. Takes about half a minute; exits 1 if anything differs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "jobs.example.toml"
PATIENCE = 20.0


class Surprise(Exception):
    """Something did not go as the demonstration promises."""


class Stage:
    """The daemon, its directory, and a shell prompt in front of both."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("JOBRUN_")},
            "JOBRUN_CONFIG": CONFIG,
            "JOBRUN_STATE_DIR": str(state),
        }
        self.daemon: subprocess.Popen[bytes] | None = None

    def show(self, *words: str, expect: int = 0) -> None:
        """Type a command, let it print, and insist on its exit code."""
        prompt(
            " ".join(
                ["jobrun", *(word if word.isascii() and " " not in word else f"'{word}'" for word in words)]
            )
        )
        code = subprocess.run(self._command(*words), cwd=ROOT, env=self.environ, check=False).returncode
        if code != expect:
            raise Surprise(f"jobrun {' '.join(words)} ended with {code}, not {expect}")
        if expect:
            print(f"(exit code {code}, as it should be)")

    def watch(self, seconds: int) -> None:
        """Let `status --watch` refresh the terminal for a while, then interrupt it as Ctrl-C would."""
        prompt("jobrun status --watch")
        command = self._command("status", "--watch")
        with subprocess.Popen(command, cwd=ROOT, env=self.environ, start_new_session=True) as watching:
            try:
                watching.wait(seconds)
            except subprocess.TimeoutExpired:
                watching.send_signal(signal.SIGINT)

    def ask(self, *words: str) -> Any:
        """What a command prints with --json, quietly."""
        done = subprocess.run(
            self._command(*words, "--json"), cwd=ROOT, env=self.environ, capture_output=True, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def raise_curtain(self) -> None:
        """Start the daemon in the background and wait until it answers."""
        prompt("jobrun daemon 2>daemon.log &")
        with (self.state / "daemon.log").open("wb") as log:
            self.daemon = subprocess.Popen(
                self._command("daemon"),
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C here ends the demonstration, which then ends it
            )
        self.until(lambda: self.ask("status").get("daemon", {}).get("running"), "the daemon to answer")

    def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait for a condition."""
        limit = time.monotonic() + PATIENCE
        while not holds():
            if self.daemon is not None and self.daemon.poll() is not None:
                raise Surprise(f"the daemon ended with {self.daemon.returncode}; its log:\n{self.log()}")
            if time.monotonic() > limit:
                raise Surprise(f"waited {PATIENCE:.0f} s in vain for {what}; the daemon's log:\n{self.log()}")
            time.sleep(0.1)

    def last(self, job: str, **facts: Any) -> dict[str, Any]:
        """The newest run of a job; every fact named must be so."""
        run: dict[str, Any] = self.ask("history", job, "--limit", "1")["runs"][0]
        for name, value in facts.items():
            if run[name] != value:
                raise Surprise(f"the run of {job} has {name} {run[name]!r}, not {value!r}")
        return run

    def lower_curtain(self) -> None:
        """End the daemon by signals, whatever happened before."""
        if self.daemon is None:
            return
        for end in (self.daemon.terminate, self.daemon.terminate, self.daemon.kill):
            if self.daemon.poll() is not None:
                return
            end()
            try:
                self.daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                continue

    def left_running(self) -> list[str]:
        """Every process that carries our state directory in its environment: the daemon and all its jobs."""
        mark = f"JOBRUN_STATE_DIR={self.state}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append(f"{process.name} {words.decode(errors='replace').strip()}")
            except OSError:
                continue  # ended meanwhile, or somebody else's
        return found

    def log(self) -> str:
        """The end of the daemon's log."""
        return "\n".join((self.state / "daemon.log").read_text("utf-8", "replace").splitlines()[-15:])

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "jobrun", *words]


def prompt(line: str) -> None:
    """Print a command as if typed."""
    bold, plain = (
        ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    )
    print(f"\n{bold}$ {line}{plain}", flush=True)


def say(sentence: str) -> None:
    """Print what comes next."""
    print(f"\n# {sentence}", flush=True)


def play(stage: Stage) -> None:
    """The demonstration itself."""
    say("The job file is checked as a whole; every problem would be named with its line.")
    stage.show("check")
    stage.show("explain", "30 7 * * mon-fri", "--tz", "America/New_York", "-n", "2")
    stage.raise_curtain()

    say("A job that succeeds: a Python function, called by its name.")
    stage.show("run", "report", "--follow")
    say("A longer one says how far it is. It loses its connection, and goes on from its last checkpoint.")
    stage.show("run", "training", "--wait")
    training = str(stage.last("training", outcome="succeeded", attempt=2)["run"])
    stage.show("logs", training)
    stage.show("result", training)
    stage.show("workers")
    say("A job that fails twice and is tried again: its run succeeds.")
    stage.show("run", "sync", "--wait")
    stage.last("sync", outcome="succeeded", attempt=3)
    say("A job that fails for good.")
    stage.show("run", "broken", "--wait", expect=1)
    stage.last("broken", outcome="failed", exit_code=3)

    say("A job that hangs, does not listen to TERM, and has a child that left its session.")
    stage.show("run", "stuck")
    stuck = str(stage.last("stuck")["run"])
    stage.until(lambda: stage.last("stuck")["state"] == "running", "the hanging job to run")
    say("Meanwhile: what is going on?")
    stage.show("status")
    if sys.stdout.isatty():
        stage.watch(2)
    say("Its timeout is 2 s: TERM to the whole tree, a second later KILL.")
    stage.show("wait", stuck, expect=1)
    stage.last("stuck", outcome="timed_out")
    stage.show("show", stuck)

    say("`scan` takes longer than its interval: the slots in between are skipped, and say so.")
    overlaps = ("history", "scan", "--cause", "overlap", "--limit", "3")
    stage.until(lambda: stage.ask(*overlaps).get("runs"), "a slot to be skipped")
    stage.show(*overlaps)
    say("The history has them all.")
    stage.show("history", "--limit", "15")
    stage.show("logs", "sync")

    say("Enough. Running jobs get ten seconds to finish.")
    stage.show("stop")
    if stage.daemon is None or stage.daemon.wait(PATIENCE) != 0:
        raise Surprise(f"the daemon did not end well; its log:\n{stage.log()}")


def main() -> int:
    """Play, then make sure that nothing is left."""
    begin = time.monotonic()
    state = Path(tempfile.mkdtemp(prefix="jobrun-demo-"))
    stage = Stage(state)
    print(f"# The daemon lives in {state}; nothing else on this host is touched.")
    prompt(f"export JOBRUN_CONFIG={CONFIG} JOBRUN_STATE_DIR={state}")
    trouble: list[str] = []
    try:
        play(stage)
    except Surprise as surprise:
        trouble.append(str(surprise))
    except KeyboardInterrupt:
        trouble.append("interrupted")
    finally:
        stage.lower_curtain()
        trouble += [f"left running: {process}" for process in stage.left_running()]
        shutil.rmtree(state, ignore_errors=True)
        if state.exists():
            trouble.append(f"left behind: {state}")
    if trouble:
        print("\n" + "\n".join(trouble), file=sys.stderr)
        return 1
    say(f"Nothing is left running, {state} is gone. {time.monotonic() - begin:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
