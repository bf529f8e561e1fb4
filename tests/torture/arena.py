"""One torture: a daemon, its jobs, somebody who keeps asking for things, and rounds that all end badly."""

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from live import LiveDaemon, is_running, until
from torture.evidence import Evidence, gather, read
from torture.judge import Acknowledged, Case, judge
from torture.roster import SECOND, TortureJob, job_file, roster
from torture.witness import Line, Witness

from jobrun.daemon.faults import POINTS, VARIABLE
from jobrun.domain.errors import DaemonUnreachable, JobrunError

PAUSED = ("tick-1", "cron-1", "narrow-0")
ASKED = (
    "by-hand",
    "warm-by-hand",
    "by-hand-retried",
    "by-hand-alone",
    "by-hand-long",
    "tick-2",
    "fails",
    "replaces",
    "narrow-1",
)
# Nobody waits for these at the end.
LONG = ("replaces-stubborn", "by-hand-long")
# Passed in every round, and often: what a fault may wait for without delaying the rounds.
FAULTS = [point for point in POINTS if not point.startswith(("shutdown", "goodbye", "unbegun", "vanished"))]
BUGS = ("engine.bug", "task.bug", "control.bug", "Traceback")


@dataclass(frozen=True)
class Round:
    """What a round will do: its end, after how long, and how long nobody lives then (seconds)."""

    number: int
    end: str
    after: float
    fault: str
    dead_for: float
    looks: bool

    @staticmethod
    def of(seed: str, number: int) -> "Round":
        draw = random.Random(f"round {seed} {number}")
        end = draw.choices(("kill", "fault", "leave", "stop", "drain"), (60, 25, 5, 5, 5))[0]
        # Starting takes the daemon about half a second: a third of the kills come before it is ready.
        after = draw.uniform(0.05, 0.8) if draw.random() < 0.33 else draw.uniform(0.8, 2.5)
        fault = f"{draw.choice(FAULTS)}:{draw.choice((1, 1, 2, 5, 9))}"
        return Round(
            number,
            end,
            after,
            fault,
            draw.choice((0, 0, 0.2, 1.0)),
            looks=end != "fault" and draw.random() < 0.18,
        )

    def __str__(self) -> str:
        how = f"fault {self.fault}" if self.end == "fault" else f"{self.end} after {self.after:.2f} s"
        return f"round {self.number}: {how}, dead for {self.dead_for} s{', looks' if self.looks else ''}"


@dataclass
class Tally:
    """What was done and found."""

    rounds: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    slots: int = 0
    runs: int = 0
    starts: int = 0
    acknowledged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    discrepancies: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        return (
            f"rounds {self.rounds} ({ends}); slots {self.slots}; runs {self.runs} ({outcomes}); "
            f"starts witnessed {self.starts}; requests acknowledged {self.acknowledged}; "
            f"discrepancies {len(self.discrepancies)}"
        )


class Asker(threading.Thread):
    """Keeps asking the daemon for runs, stops, pauses and retries, and notes what it was promised."""

    def __init__(self, live: LiveDaemon, script: Path, seed: str) -> None:
        super().__init__(name="asker", daemon=True)
        self.promised = Acknowledged()
        self.count = 0
        self.trouble: list[str] = []
        self._live = live
        self._script = script
        self._draw = random.Random(f"asker {seed}")
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._draw.uniform(0.03, 0.15)):
            try:
                self._ask()
                self.count += 1
            except DaemonUnreachable:
                continue
            except JobrunError as error:
                # A refusal with reasons is an answer; a bug of the daemon's is not.
                if "bug" in error.hint:
                    self.trouble.append(f"a request met a bug: {error.sentence}")

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _ask(self) -> None:
        draw, call, promised = self._draw, self._live.client.call, self.promised
        match draw.choices(
            ("run", "later", "submit", "cancel", "pause", "retry", "reload"), (8, 2, 4, 4, 3, 2, 1)
        )[0]:
            case "run":
                job = draw.choice(ASKED)
                promised.runs[int(call("run", job=job, by="asker")["run"])] = (job, "manual")
            case "later":
                at = time.time_ns() // 1000 + draw.randrange(3 * SECOND)
                answer = call("run", job="by-hand", at=at, priority=draw.randrange(-5, 5))
                promised.runs[int(answer["run"])] = ("by-hand", "manual")
            case "submit":
                codes = draw.choice(("0", "4", "s10"))
                nap = f"{draw.uniform(0, 0.5):.2f}"
                table = {"command": ["/bin/sh", str(self._script), "-", nap, codes], "overlap": "allow"}
                promised.runs[int(call("submit", name="x", table=table)["run"])] = ("submit:x", "submit")
            case "cancel" if promised.runs:
                newest = sorted(promised.runs)[-12:]
                answer = call("cancel", runs=draw.sample(newest, min(len(newest), 2)), by="asker")
                promised.cancelled.update(answer["cancelled"])
            case "pause":
                name = draw.choice(PAUSED)
                op = draw.choice(("pause", "resume", "resume"))
                promised.paused.add(name)
                call(op, kind="job", name=name, by="asker")
            case "retry" if promised.runs:
                old = draw.choice(sorted(promised.runs))
                for item in call("retry", runs=[old])["retried"]:
                    promised.retried[int(item["new"])] = int(item["run"])
            case _:
                call("reload")


class Arena:
    """A directory in which a seed's torture takes place."""

    def __init__(
        self, directory: Path, seed: str, *, span: int, jobs: list[TortureJob] | None = None
    ) -> None:
        self.seed = seed
        self.witness = Witness(directory)
        self.jobs = jobs if jobs is not None else roster(seed, int(time.time()), span)
        self.live = LiveDaemon(directory, job_file(self.jobs, self.witness.script))
        self.asker = Asker(self.live, self.witness.script, seed)
        self.tally = Tally()
        self._anchors: dict[tuple[str, str], int] = {}
        self._decided: dict[tuple[str, str], int] = {}
        self.expect_lost: set[int] = set()
        self._reported: set[str] = set()

    def play(self, plan: Round) -> None:
        """One round: start, let live, end it, compare."""
        self.tally.rounds += 1
        self.tally.ends[plan.end] += 1
        self.start(plan.fault if plan.end == "fault" else "")
        if plan.looks:
            self.look_around()
        self._let_end(plan)
        time.sleep(plan.dead_for)
        self.compare(f"round {plan.number}")

    def start(self, fault: str = "") -> None:
        """Start a daemon, and do not wait for it."""
        self.live.environ.pop(VARIABLE, None)
        if fault:
            self.live.environ[VARIABLE] = fault
        self.live.start("--on-stop", "drain", wait=False)

    def _let_end(self, plan: Round) -> None:
        process = self.live.process
        assert process is not None
        if plan.end == "fault":
            try:
                process.wait(plan.after + 3.0)
            except subprocess.TimeoutExpired:
                # The point was not passed often enough: an ordinary kill follows.
                pass
        else:
            time.sleep(plan.after)
        if process.poll() is not None and process.returncode != -signal.SIGKILL:
            self._report(f"round {plan.number}", [f"the daemon ended by itself with {process.returncode}"])
        if plan.end in ("leave", "stop", "drain"):
            self._ask_to_stop(plan)
        if process.poll() is None:
            process.kill()
        process.wait()

    def _ask_to_stop(self, plan: Round) -> None:
        """An orderly end, if the daemon is up already; one that is not is killed."""
        process = self.live.process
        assert process is not None
        mode = "kill" if plan.end == "stop" else plan.end
        try:
            self.live.client.call("stop", mode=mode)
        except DaemonUnreachable:
            return
        code = process.wait(30)
        if code != 0:
            self._report(f"round {plan.number}", [f"the daemon, told to {mode}, ended with {code}"])

    def look_around(self) -> None:
        """With a daemon up: what is said to run runs, and no schedule has stopped."""
        until(self.live._answers)
        last: list[str] = []

        def all_is_well() -> bool:
            last[:] = self._standstills()
            return not last

        try:
            until(all_is_well, "the present to be true", 20)
        except AssertionError:
            self._report("looking around", last)

    def _standstills(self) -> list[str]:
        evidence = read(self.live.places.database, live=True)
        now = time.time_ns() // 1000
        found = []
        for row in evidence.runs.values():
            if row["state"] in ("running", "stopping") and not _is_at_work(row["pid"], row["id"]):
                found.append(f"run {row['id']} of {row['job']} is {row['state']} and is not")
        for job in self.jobs:
            if job.kind in ("every", "cron"):
                row = next(row for (name, _), row in evidence.schedules.items() if name == job.name)
                if now - row["decided_until"] > (2 * job.period + 2) * SECOND:
                    found.append(f"the schedule of {job.name} stands still")
        return found

    def compare(self, when: str, *, upto: int | None = None, is_over: bool = False) -> None:
        """Compare witness and history; the daemon must not be alive."""
        lines = self.witness.read()
        try:
            evidence = gather(self.live.places.database)
        except (sqlite3.OperationalError, IndexError):
            # Killed before it had made its database: then nothing can have begun.
            if lines or self.asker.promised.runs:
                raise
            return
        self._follow(when, evidence)
        anchors = {job: anchor for (job, _), anchor in self._anchors.items()}
        jobs = {job.name: job for job in self.jobs}
        promised = self.asker.promised
        case = Case(evidence, lines, jobs, anchors, promised, upto, is_over, self.expect_lost)
        self._report(when, judge(case) + self._bugs() + self.asker.trouble)
        self._count(evidence, lines)

    def _follow(self, when: str, evidence: Evidence) -> None:
        """Anchors stay; what is decided stays decided."""
        for where, row in evidence.schedules.items():
            if self._anchors.setdefault(where, row["anchor"]) != row["anchor"]:
                self._report(when, [f"the anchor of {where} moved"])
            if row["decided_until"] < self._decided.get(where, 0):
                self._report(when, [f"the cursor of {where} went back"])
            self._decided[where] = row["decided_until"]

    def _bugs(self) -> list[str]:
        log = self.live.directory / f"daemon.{self.live._starts:04d}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return [f"the daemon's log: {line}" for line in lines if any(bug in line for bug in BUGS)]

    def _report(self, when: str, found: list[str]) -> None:
        """Each discrepancy once, with the round in which it showed first."""
        for text in found:
            if text not in self._reported:
                self._reported.add(text)
                self.tally.discrepancies.append(f"{when}: {text}")

    def _count(self, evidence: Evidence, lines: list[Line]) -> None:
        tally = self.tally
        runs = evidence.runs.values()
        tally.runs = len(runs)
        tally.slots = sum(row["slot_count"] or 1 for row in runs if row["schedule"] is not None)
        tally.starts = sum(line.what == "start" for line in lines)
        tally.acknowledged = self.asker.count
        tally.outcomes = Counter(row["outcome"] for row in runs if row["outcome"])

    def finish(self, patience: float = 180.0) -> None:
        """Let everything come to its end under one last daemon, and compare all of it."""
        if self.live.process is None or self.live.process.poll() is not None:
            self.start()
        until(self.live._answers)
        if self.asker.is_alive():
            self.asker.stop()
        for kind, name in [("job", name) for name in PAUSED if any(job.name == name for job in self.jobs)]:
            self.live.client.call("resume", kind=kind, name=name)
        self.live.config.write_text(job_file(self.jobs, self.witness.script, scheduled=False))
        upto = time.time_ns() // 1000
        self.live.client.call("reload")
        for name in LONG:
            if any(job.name == name for job in self.jobs):
                self.live.client.call("cancel", job=name)

        def nothing_is_left() -> bool:
            return not self.live.history.live_runs()

        try:
            until(nothing_is_left, "all runs to end", patience)
        except AssertionError as error:
            self._report("the end", [str(error)])
        code = self.live.stop()
        self._report("the end", [f"the last daemon ended with {code}"] if code else [])
        self.compare("the end", upto=upto, is_over=True)
        self._report("the end", self._left_behind())

    def _left_behind(self) -> list[str]:
        """Processes, status files and logs that nobody will ever look after."""
        evidence = gather(self.live.places.database)
        mark = f"JOBRUN_STORE_ID={evidence.store_id}".encode()
        found = [f"process {pid} was left behind" for pid in _pids_with(mark)]
        found += [f"{path.name} was left behind" for path in self.live.places.attempts.iterdir()]
        kept = {row["path"] for row in evidence.outputs.values() if row["path"]}
        for path in self.live.places.logs.rglob("*"):
            if path.is_file() and str(path.relative_to(self.live.state)) not in kept:
                found.append(f"the log {path.name} was left behind")
        return found

    def close(self) -> None:
        """End whatever is still alive, discrepancy or not."""
        self.asker._over.set()
        if self.live.process is not None and self.live.process.poll() is None:
            self.live.process.kill()
            self.live.process.wait()
        self.live.sweep()


def torture(directory: Path, seed: str, rounds: int, tell=lambda text: None) -> Tally:
    """All rounds of a seed in a directory of their own; what was found."""
    arena = Arena(directory, seed, span=rounds * 2)
    try:
        arena.asker.start()
        for number in range(rounds):
            plan = Round.of(seed, number)
            known = len(arena.tally.discrepancies)
            arena.play(plan)
            tell(str(plan))
            for text in arena.tally.discrepancies[known:]:
                tell(f"  DISCREPANCY {text}")
        known = len(arena.tally.discrepancies)
        arena.finish()
        for text in arena.tally.discrepancies[known:]:
            tell(f"  DISCREPANCY {text}")
    finally:
        arena.close()
    return arena.tally


def _is_at_work(pid: int, run: int) -> bool:
    if not is_running(pid):
        return False
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    # A worker's own environment is that of many runs.
    is_worker = any(item.startswith(b"JOBRUN_WORKER=") for item in environ)
    return is_worker or f"JOBRUN_RUN_ID={run}".encode() in environ


def _pids_with(mark: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0") and is_running(int(entry.name)):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
