"""`jobrun doctor`: it finds what is wrong, says what helps, and changes nothing."""

import json
import os
import signal
import socket
import sqlite3
from pathlib import Path

import pytest

from jobrun import __version__
from jobrun.cli import checkhost, checkup
from jobrun.cli.checkup import Finding, findings_shape
from jobrun.proc.host import has_pidfd, has_subreaper, holder_of_lock, limits_of

GOOD = '[jobs.backup]\ncron = "0 3 * * *"\ncommand = "true"\n'
GOLDEN = Path(__file__).parent / "golden" / "doctor.json"


def checks(said) -> dict[str, dict[str, str]]:
    return {item["check"]: item for item in json.loads(said.out)["checks"]}


def test_the_shape_is_the_documented_one() -> None:
    findings = [
        Finding("daemon", "problem", "not running, no job is started", "Start it with `jobrun daemon`."),
        Finding("disk", "ok", "ext4, 79GB of 252GB free"),
        Finding("clock", "note", "nobody keeps it synchronised", "Run a time service."),
    ]
    printed = json.dumps(findings_shape(findings), indent=2) + "\n"
    if os.environ.get("JOBRUN_WRITE_GOLDEN"):
        GOLDEN.write_text(printed, "utf-8")
    assert printed == GOLDEN.read_text("utf-8")


def test_a_new_place_has_notes_and_a_job_file_to_make(jobrun) -> None:
    said = jobrun("doctor", "--json")
    found = checks(said)
    assert said.code == 1
    assert found["job file"]["state"] == "problem"
    assert "jobrun init" in found["job file"]["hint"]
    assert {found[name]["state"] for name in ("daemon", "state", "database")} == {"note"}


def test_a_daemon_that_should_run_and_does_not_is_a_problem(state, jobrun, tmp_path) -> None:
    (tmp_path / "jobs.toml").write_text(GOOD)
    said = jobrun("doctor")
    assert said.code == 1
    assert "daemon      problem  not running, no job is started" in said.out
    assert said.err == "jobrun: 1 problem.\n"


def test_nothing_is_changed_by_looking(state, jobrun, tmp_path) -> None:
    def look() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(tmp_path.rglob("*"))
        }

    (tmp_path / "jobs.toml").write_text(GOOD)
    before = look()
    jobrun("doctor", "--deep")
    assert look() == before


def test_a_broken_job_file_is_named_with_its_line(state, jobrun, tmp_path) -> None:
    (tmp_path / "jobs.toml").write_text('[jobs.backup]\ncron = "0 25 * * *"\ncommand = "true"\n')
    found = checks(jobrun("doctor", "--json"))["job file"]
    assert found["state"] == "problem"
    assert "jobs.toml:2" in found["what"]


def test_a_damaged_page_is_found_with_deep(state, jobrun, tmp_path) -> None:
    """TRAPS, State: a database that cannot be read is never taken for an empty one."""
    (tmp_path / "jobs.toml").write_text(GOOD)
    path = state / "jobrun.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'attempts'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 64)
    assert checks(jobrun("doctor", "--deep", "--json"))["database"]["state"] == "problem"


def test_an_empty_database_file_is_a_problem(state, jobrun) -> None:
    for path in state.glob("jobrun.db*"):
        path.unlink()
    (state / "jobrun.db").touch()
    found = checks(jobrun("doctor", "--json"))["database"]
    assert found["state"] == "problem"
    assert "zero bytes" in found["what"]


def test_a_directory_that_others_can_read_is_noted(state, jobrun) -> None:
    state.chmod(0o755)
    found = checks(jobrun("doctor", "--json"))["state"]
    assert (found["state"], "chmod 700" in found["hint"]) == ("note", True)


def test_a_socket_that_a_killed_daemon_left_is_named(state, jobrun) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(state / "control.sock"))
    assert "is left from one that was killed" in checks(jobrun("doctor", "--json"))["daemon"]["what"]


def test_a_socket_path_too_long_is_a_finding_not_an_error(jobrun, tmp_path) -> None:
    said = jobrun("doctor", "--json", "--state-dir", str(tmp_path / ("x" * 120)))
    assert "more than the 107" in checks(said)["daemon"]["what"]


@pytest.mark.parametrize(
    ("free", "flags", "inodes", "state"),
    [
        (5 << 30, 0, 10, "ok"),
        (1 << 29, 0, 10, "note"),
        (1 << 20, 0, 10, "problem"),
        (5 << 30, os.ST_RDONLY, 10, "problem"),
        (5 << 30, 0, 0, "problem"),
    ],
)
def test_the_state_of_the_disk(monkeypatch, free, flags, inodes, state) -> None:
    class About:
        f_frsize, f_bavail, f_blocks, f_flag, f_files, f_favail = 1, free, 1 << 40, flags, 100, inodes

    monkeypatch.setattr(os, "statvfs", lambda _: About)
    assert checkup._space(Path("/"), "ext4").level == state


def test_zones_come_from_the_system_then_from_the_package_then_from_nowhere(tmp_path, monkeypatch) -> None:
    import importlib.metadata
    import zoneinfo

    (tmp_path / "UTC").touch()
    (tmp_path / "tzdata.zi").write_text("# version 2031z\n")
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path),))
    assert checkhost._zone_database() == f"{tmp_path}, version 2031z"
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    assert checkhost._zone_database().startswith("package tzdata 20")

    def gone(_name: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", gone)
    assert checkhost._zone_database() is None


def test_what_the_kernel_offers_here() -> None:
    assert has_subreaper() and has_pidfd()
    assert limits_of(None).keys() == {"open files", "processes"}


def test_with_a_daemon_that_is_well_and_then_stopped(daemon) -> None:
    live = daemon(GOOD).start()
    said = live.cli("doctor", "--json")
    found = {item["check"]: item for item in json.loads(said.stdout)["checks"]}
    assert json.loads(said.stdout)["ok"]
    assert f"pid {live.process.pid}, version {__version__}" in found["daemon"]["what"]
    assert found["writing"]["state"] == found["starting"]["state"] == "ok"
    assert holder_of_lock(live.places.lock) == live.process.pid
    live.config.write_text(GOOD + "\n# changed\n")
    assert "jobrun reload" in live.cli("doctor").stdout
    live.signal(signal.SIGSTOP)
    try:
        said = live.cli("doctor", check=1)
        assert "did not answer" in said.stdout
    finally:
        live.signal(signal.SIGCONT)
    live.kill()
    assert holder_of_lock(live.places.lock) is None


def test_another_version_of_the_daemon_is_a_problem() -> None:
    scene = checkup.Scene.__new__(checkup.Scene)
    told = {"version": "0.0.1", "pid": 7, "jobs": 1, "running": 0, "store": "the disk is full", "spawn": "ok"}
    found = {finding.name: finding for finding in checkup._running_daemon(scene, told)}
    assert found["daemon"].level == "problem"
    assert f"this command is {__version__}" in found["daemon"].text
    assert (found["writing"].level, found["writing"].text) == ("problem", "the disk is full")
