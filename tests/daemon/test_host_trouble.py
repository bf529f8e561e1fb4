"""Trouble of the host under a running daemon.

Each time the same questions: does `status` say so, does nothing new start,
are running jobs supervised to their end, is everything that was acknowledged
there afterwards, and does it go on by itself.
"""

import gc
import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemon.hosttrouble import (
    a_disk,
    fail_read_only,
    fill,
    in_place_of_sh,
    no_more_files,
    no_more_processes,
    own_mounts,
)
from live import LiveDaemon, is_running, until
from store.processes import another, can_mount, small_volume
from store.test_store_open import LOCK

from jobrun.domain.errors import ExitCode, JobrunError
from jobrun.domain.run import Cause, Outcome

JOBS = """
[jobrun]
shutdown_timeout = "1s"

[queues.default]
concurrency = 8

[jobs.ok]
command = "echo fine"
overlap = "allow"

[jobs.gated]
command = "until [ -e {gate} ]; do sleep 0.02; done; echo through; exit 5"

[jobs.slow]
command = "exec sleep 300"

[jobs.limited]
command = "until [ -e {gate} ]; do sleep 0.02; done; exec sleep 300"
timeout = "{timeout}"

[jobs.tick]
every = "1s"
command = "true"
"""


@pytest.fixture
def make(daemon, tmp_path):
    """A daemon that is not started yet; `gate` lets its gated jobs go on."""

    def made(state: Path | None = None, jobs: str = JOBS, timeout: str = "1h") -> LiveDaemon:
        gate = tmp_path / "gate"
        live = daemon(jobs.format(gate=gate, timeout=timeout))
        if state is not None:
            live.state = state
        live.gate = gate
        return live

    return made


def ping(live: LiveDaemon) -> dict:
    return live.client.call("ping")


def in_trouble(live: LiveDaemon, words: str) -> str:
    """Until the ping tells of trouble of the store in these words."""
    return until(lambda: words in (said := ping(live)["store"]) and said, f"the store's trouble: {words}")


def goes_on(live: LiveDaemon) -> None:
    """Trouble is over, and a new run comes to its end."""
    until(lambda: (said := ping(live))["store"] == said["spawn"] == "ok", "the trouble to be over", 60)
    assert live.done(live.run("ok")).status.outcome is Outcome.SUCCEEDED


def status_says(live: LiveDaemon, words: str, key: str = "store") -> None:
    """The first lines of `status`, and its JSON."""
    text = live.cli("status").stdout
    assert "Trouble: " in text and words in text, text
    assert words in json.loads(live.cli("status", "--json").stdout)["daemon"][key]


def every_tick_is_accounted_for(live: LiveDaemon) -> None:
    """One slot, one row: what was due while nothing could be written was decided afterwards."""
    ticks = [run.slot for run in live.runs("tick")]
    covered = set()
    for slot in ticks:
        last = slot.last_at if getattr(slot, "last_at", None) else slot.scheduled_at
        covered.update(range(slot.scheduled_at, last + 1, 1_000_000))
    assert len(ticks) > 1
    assert covered == set(range(min(covered), max(covered) + 1, 1_000_000))


@contextmanager
def store_trouble(live: LiveDaemon, words: str, *, has_room: bool = True):
    """The questions about a store in trouble: enter with it in trouble, leave it well again."""
    gated, slow = live.gated, live.slow
    in_trouble(live, words)
    status_says(live, words)
    begun = time.monotonic()
    with pytest.raises(JobrunError, match=words):
        live.client.call("run", job="ok")
    # Not the minute for which such a trouble may last; by itself it takes the 2 s of a lock at most.
    assert time.monotonic() - begun < 20
    refused = live.cli("run", "ok", check=ExitCode.FAILED)
    assert words in refused.stderr and not refused.stdout
    starts = {path.name for path in live.places.attempts.iterdir()}
    leader = live.see(gated).status.process.pid
    slow_leader = live.see(slow).status.process.pid
    with pytest.raises(JobrunError, match="is being stopped"):
        live.client.call("cancel", runs=[slow])
    until(lambda: not is_running(slow_leader), "the cancelled job to end")
    live.gate.touch()
    until(lambda: not is_running(leader), "the gated job to end")
    assert {path.name for path in live.places.attempts.iterdir()} == starts, "something was started"
    assert live.see(gated).state == live.see(slow).state == "running", "as last written down"
    yield
    run = live.done(gated)
    assert (run.status.outcome, run.status.exit_code) == (Outcome.FAILED, 5)
    if has_room:
        assert live.history.outputs(gated)[0].body == b"through\n"
    run = live.done(slow)
    assert (run.status.outcome, run.status.cause) == (Outcome.CANCELLED, Cause.USER)
    goes_on(live)
    every_tick_is_accounted_for(live)
    assert "store.recovered" in live.log()
    assert any(event.kind == "store_recovered" for event in live.history.host_events())


def begin(live: LiveDaemon) -> list[int]:
    """Started, with one gated and one slow run at work; the ids of what was acknowledged and done."""
    live.start()
    done = [live.done(live.run("ok")).id for _ in range(3)]
    live.gated, live.slow = live.run("gated"), live.run("slow")
    for run_id in (live.gated, live.slow):
        live.in_state(run_id, "running")
    return done


def acknowledged_are_there(live: LiveDaemon, runs: list[int]) -> None:
    for run_id in runs:
        assert live.see(run_id).status.outcome is Outcome.SUCCEEDED


def test_a_full_disk(make, tmp_path):
    """TRAPS, State: retry scheduling that failed because the log disk was full (Sidekiq)."""
    if not can_mount(tmp_path):
        pytest.skip("needs root and the right to mount a tmpfs")
    with small_volume(tmp_path, "6M") as volume:
        live = make(volume / "state")
        done = begin(live)
        ballast = fill(volume)
        with store_trouble(live, "full", has_room=False):
            ballast.unlink()
        acknowledged_are_there(live, done)
        live.stop()


def test_a_timeout_is_kept_on_a_full_disk(make, tmp_path):
    """Limits need no store: the process ends in time, its row follows when there is room."""
    if not can_mount(tmp_path):
        pytest.skip("needs root and the right to mount a tmpfs")
    with small_volume(tmp_path, "6M") as volume:
        live = make(volume / "state", timeout="3s").start()
        run_id = live.run("limited")
        leader = live.in_state(run_id, "running").status.process.pid
        ballast = fill(volume)
        in_trouble(live, "full")
        until(lambda: not is_running(leader), "the timeout")
        assert live.see(run_id).state == "running"
        ballast.unlink()
        run = live.done(run_id)
        assert (run.status.outcome, run.status.cause) == (Outcome.TIMED_OUT, Cause.TIMEOUT)
        attempt = live.history.attempts(run_id)[0]
        assert 2_900_000 <= attempt.end.ended_at - attempt.started_at < 8_000_000
        live.stop()


def test_a_lock_held_by_another_process(make):
    """TRAPS, State: "database is locked" (Prefect #10188, solid_queue #133): trouble with an end."""
    live = make()
    done = begin(live)
    with another(LOCK, live.places.database) as holder, store_trouble(live, "holds a lock"):
        holder.communicate("\n")
    acknowledged_are_there(live, done)


def test_a_disk_that_becomes_read_only(make, tmp_path):
    """ext4 with errors=remount-ro. Jobs run to their end; the volume, mounted anew, has what was written."""
    with a_disk(tmp_path) as disk:
        live = make(disk / "state")
        done = begin(live)
        leader, slow_leader = (live.see(run).status.process.pid for run in (live.gated, live.slow))
        fail_read_only(disk)
        said = until(lambda: (text := ping(live)["store"]) != "ok" and text, "trouble")
        assert "cannot be written to" in said or "I/O error" in said
        status_says(live, said)
        with pytest.raises(JobrunError):
            live.client.call("run", job="ok")
        with pytest.raises(JobrunError, match="is being stopped"):
            live.client.call("cancel", runs=[live.slow])
        until(lambda: not is_running(slow_leader), "the cancelled job to end")
        assert is_running(leader)
        acknowledged_are_there(live, done)
        live.signal(15)
        live.gate.touch()
        live.wait(60)
        assert not is_running(leader)
        gc.collect()  # this test's own readers
        subprocess.run(["umount", disk], check=True)
        subprocess.run(["mount", "-o", "loop", tmp_path / "image", disk], check=True)
        live.start()
        acknowledged_are_there(live, done)
        for run_id in (live.gated, live.slow):
            # Their ends could not be written anywhere: that is said, not guessed.
            run = live.done(run_id)
            assert (run.status.outcome, run.status.cause) == (Outcome.LOST, Cause.DAEMON_CRASH)
        goes_on(live)
        live.stop()


def damage(path: Path, spare: int = 1) -> None:
    """Overwrite every page of a database but the first ones."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(spare * 4096)
        file.write(b"\xa5" * (size - spare * 4096))


def test_damage_under_a_running_daemon(make):
    """TRAPS, State: an unreadable state became an empty one, saved over the old (pueue). Here it is told."""
    live = make()
    live.start()
    done = live.done(live.run("ok")).id
    live.stop()
    live.start()
    slow = live.run("slow")
    leader = live.in_state(slow, "running").status.process.pid
    connection = sqlite3.connect(live.places.database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = live.places.database.read_bytes()
    damage(live.places.database)
    in_trouble(live, "damaged")
    assert "--set-aside-corrupt" in live.log()
    status = live.cli("status", check=None)
    assert "damaged" in status.stdout + status.stderr
    assert is_running(leader)
    with pytest.raises(JobrunError, match="damaged"):
        live.client.call("run", job="ok")
    live.places.database.write_bytes(whole)
    until(lambda: ping(live)["store"] == "ok", "the repaired database to be used", 60)
    assert live.see(done).status.outcome is Outcome.SUCCEEDED


def test_damage_at_start(make):
    """Refused with a sentence and a way out; the file is not touched; on request it is set aside."""
    live = make()
    live.start()
    done = live.done(live.run("ok")).id
    live.stop()
    damage(live.places.database)
    damaged = live.places.database.read_bytes()
    live.start(wait=False)
    assert live.wait() == ExitCode.FAILED
    assert "damaged" in live.log() and "--set-aside-corrupt" in live.log()
    assert live.places.database.read_bytes() == damaged
    live.start("--set-aside-corrupt")
    found = live.state.glob("jobrun.db.corrupt-*")
    # Its log and index, if a reader kept them, are set aside beside it.
    (aside,) = (path for path in found if not path.name.endswith(("-wal", "-shm")))
    assert aside.read_bytes() == damaged
    assert live.run("ok") > done
    goes_on(live)


def spawn_trouble(live: LiveDaemon, words: str) -> str:
    return until(lambda: words in (said := ping(live)["spawn"]) and said, f"spawn trouble: {words}")


def holds(live: LiveDaemon) -> list[float]:
    """How long the daemon waited between its tries, as its log says."""
    lines = [line for line in live.log().splitlines() if " spawn.trouble " in line]
    return [float(line.rpartition("again_in=")[2]) for line in lines]


@contextmanager
def held(live: LiveDaemon, words: str, tries: int = 2):
    """The questions about a host that cannot start processes: enter with it in trouble."""
    waiting = [live.run("ok") for _ in range(4)]
    spawn_trouble(live, words)
    status_says(live, words, "spawn")
    until(lambda: len(holds(live)) >= tries, f"{tries} tries")
    assert ping(live)["spawn"] != "ok", "told until a start succeeds"
    assert holds(live)[:tries] == [0.5, 1.0, 2.0, 4.0, 8.0][:tries], "one wait a try, doubling"
    until(lambda: all(live.see(run).state == "queued" for run in waiting), "the runs to be given back")
    until(lambda: live.see(live.gated).has_process, "the running job to be left alone")
    live.gate.touch()
    assert live.done(live.gated).status.exit_code == 5, "supervised and recorded meanwhile"
    yield
    for run_id in waiting:
        run = live.done(run_id, 60)
        assert run.status.outcome is Outcome.SUCCEEDED
        attempts = live.history.attempts(run_id)
        assert run.charged == 1, "the host's trouble costs no attempt"
        assert all(row.end.cause == "spawn" for row in attempts[:-1])
    goes_on(live)
    assert "spawn.recovered" in live.log()


def test_no_file_descriptors(make):
    """EMFILE in the daemon: new starts wait; the last descriptors are kept for answers and the store."""
    live = make()
    begin(live)
    with held_block(live, "EMFILE", no_more_files(live)):
        pass
    goes_on(live)


def test_no_processes(make):
    """EAGAIN from fork: the attempt is given back, starts wait half a second, doubling to thirty."""
    live = make()
    begin(live)
    with held_block(live, "EAGAIN", no_more_processes(live), tries=3):
        pass


@contextmanager
def held_block(live: LiveDaemon, words: str, taken, tries: int = 2):
    with taken:
        questions = held(live, words, tries)
        questions.__enter__()
        yield
    questions.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ["ends", "no program", "not executable"])
def test_a_broken_sh(make, tmp_path, kind):
    """/bin/sh does not work: no job is to blame, none is run twice, and a repaired one is simply used."""
    broken = tmp_path / "sh"
    if kind == "ends":
        shutil.copy("/bin/false", broken)
    else:
        broken.write_text("this is not a program")
    broken.chmod(0o644 if kind == "not executable" else 0o755)
    live = make()
    live.prefix = own_mounts()
    begin(live)
    words = {"ends": "before it began", "no program": "ENOEXEC", "not executable": "EACCES"}[kind]
    with held_block(live, words, in_place_of_sh(live, broken)):
        pass


def test_a_jobs_own_shell_is_the_jobs_own_trouble(make):
    jobs = '[jobs.ok]\ncommand = "true"\n[jobs.odd]\ncommand = "true"\nshell = "/no/such/shell"\n'
    live = make(jobs=jobs).start()
    run = live.done(live.run("odd"))
    assert (run.status.outcome, run.status.cause) == (Outcome.FAILED, Cause.SPAWN)
    assert ping(live)["spawn"] == "ok"
    goes_on(live)


@pytest.mark.parametrize("folder", ["logs", "attempts"])
def test_a_deleted_folder(make, folder):
    """The run's end and exit code are recorded; the folder is made anew by the next start."""
    live = make()
    done = begin(live)
    shutil.rmtree(live.state / folder)
    live.gate.touch()
    run = live.done(live.gated)
    assert (run.status.outcome, run.status.exit_code) == (Outcome.FAILED, 5)
    outputs = [output.body for output in live.history.outputs(live.gated)]
    assert outputs == ([] if folder == "logs" else [b"through\n"])
    goes_on(live)
    assert (live.state / folder).is_dir()
    acknowledged_are_there(live, done)


def test_a_folder_that_cannot_be_made_is_not_the_jobs_fault(make):
    """Something else lies where the folder was: starts wait, and go on once it is moved away."""
    live = make()
    begin(live)
    shutil.rmtree(live.places.attempts)
    live.places.attempts.write_text("in the way")
    questions = held(live, "ENOTDIR")
    questions.__enter__()
    live.places.attempts.unlink()
    with pytest.raises(StopIteration):
        next(questions.gen)


def test_a_deleted_socket(make):
    """TRAPS, Operation: a daemon that cannot be reached any more. It listens anew within seconds."""
    live = make()
    done = begin(live)
    live.places.socket.unlink()
    until(live.places.socket.exists, "the socket")
    goes_on(live)
    shutil.rmtree(live.places.socket.parent) if live.places.socket.parent != live.state else None
    acknowledged_are_there(live, done)
    assert "control.rebound" in live.log()


ZONED = """
[jobs.berlin]
cron = "* * * * * *"
timezone = "Europe/Berlin"
command = "true"
"""


def without_zones(live: LiveDaemon, tmp_path: Path, *, package: bool) -> Path:
    """No zone database but a folder of our own; without `package` the tzdata package is empty too."""
    zones = tmp_path / "zones"
    zones.mkdir()
    live.environ["PYTHONTZPATH"] = str(zones)
    live.environ["TZ"] = "UTC"
    if not package:
        empty = tmp_path / "empty"
        (empty / "tzdata").mkdir(parents=True)
        (empty / "tzdata" / "__init__.py").write_text("")
        live.environ["PYTHONPATH"] = str(empty)
    return zones


def test_no_zone_database_of_the_host(make, tmp_path):
    """The package tzdata takes its place."""
    live = make(jobs=ZONED)
    without_zones(live, tmp_path, package=True)
    live.start()
    until(lambda: [run for run in live.runs("berlin") if not run.is_live], "a run of the zoned job")


def test_no_zone_database_at_all(make, tmp_path):
    """Found at start and at a reload: a sentence that says what is missing. What is loaded goes on."""
    live = make(jobs=ZONED)
    zones = without_zones(live, tmp_path, package=False)
    live.start(wait=False)
    assert live.wait() == ExitCode.INVALID_FILE
    assert "time zone database" in live.log()
    berlin = zones / "Europe" / "Berlin"
    berlin.parent.mkdir()
    from importlib.resources import files

    berlin.write_bytes(files("tzdata").joinpath("zoneinfo/Europe/Berlin").read_bytes())
    live.start()
    berlin.unlink()
    live.config.write_text(ZONED + ZONED.replace("jobs.berlin", "jobs.paris").replace("Berlin", "Paris"))
    refused = live.cli("reload", check=ExitCode.INVALID_FILE)
    assert "time zone database" in refused.stderr
    seen = len(live.runs("berlin"))
    until(lambda: len(live.runs("berlin")) > seen + 1, "the zoned job to go on")


def test_nothing_is_started_while_the_store_is_in_trouble_at_start(make, tmp_path):
    """A daemon that starts on a full disk adopts and supervises, says what is wrong, and goes on later."""
    if not can_mount(tmp_path):
        pytest.skip("needs root and the right to mount a tmpfs")
    with small_volume(tmp_path, "6M") as volume:
        live = make(volume / "state", timeout="4s")
        done = begin(live)
        limited = live.run("limited")
        leader = live.in_state(limited, "running").status.process.pid
        live.kill()
        ballast = fill(volume)
        live.start()
        in_trouble(live, "full")
        until(lambda: not is_running(leader), "the timeout of the adopted run")
        ballast.unlink()
        assert live.done(limited).status.outcome is Outcome.TIMED_OUT
        live.gate.touch()
        assert live.done(live.gated).status.exit_code == 5
        goes_on(live)
        acknowledged_are_there(live, done)
        live.stop()
