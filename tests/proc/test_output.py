"""TRAPS Output: nothing a job prints blocks it, breaks us, or goes missing without being counted."""

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobrun.domain.records import OutputKept
from jobrun.domain.run import Fence
from jobrun.proc import output as output_module
from jobrun.proc.files import AttemptFiles, attempt_files, open_status, read_status
from jobrun.proc.output import cut, drop_files, keep_output, read_log, trim_running
from jobrun.proc.punch import punch_hole
from jobrun.proc.script import SH, shell_words, surround
from jobrun.proc.spawn import SpawnRefused, start
from jobrun.proc.spec import attempt_spec
from tests.proc.support import OPENED, Rig, wait_exit, wait_until

FENCE = Fence(1, 1)
MIB = 1 << 20


def files_in(tmp_path: Path, out: bytes | None = None, err: bytes | None = None) -> AttemptFiles:
    day = tmp_path / "logs" / "2026-01-01"
    day.mkdir(parents=True, exist_ok=True)
    (tmp_path / "attempts").mkdir(exist_ok=True)
    files = attempt_files(
        FENCE,
        attempts_dir=tmp_path / "attempts",
        logs_dir=tmp_path / "logs",
        opened_at=1_767_225_600_000_000,
        split=True,
    )
    files.status.write_text("")
    for path, content in ((files.out, out), (files.err, err)):
        if content is not None and path is not None:
            path.write_bytes(content)
    return files


def numbered(size: int) -> bytes:
    """Bytes that tell where they stood."""
    lines = b"".join(b"%015d\n" % number for number in range(size // 16 + 1))
    return lines[:size]


@pytest.mark.parametrize("log_max", [0, 1, 2, 7, 100, 101])
@pytest.mark.parametrize("over", [-1, 0, 1, 2, 50, 1000])
def test_the_cut_counts_every_byte(log_max: int, over: int) -> None:
    size = max(0, log_max + over)
    part = cut(size, log_max)
    assert part.head + part.dropped + part.tail == size
    assert part.head + part.tail == min(size, log_max)
    assert bool(part.dropped) == (size > log_max)
    assert bool(part.marker) == bool(part.dropped)


def test_small_outputs_come_back_and_their_files_go_after(tmp_path: Path) -> None:
    """A run that printed nothing leaves no file; small outputs move into the row, durable first."""
    files = files_in(tmp_path, out=b"hello\n", err=b"")
    kept = keep_output(FENCE, files, MIB)
    assert kept == [OutputKept(FENCE, "out", 6, body=b"hello\n")]
    assert files.out.exists()
    assert keep_output(FENCE, files, MIB) == kept
    drop_files(files, kept)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_larger_outputs_stay_as_files(tmp_path: Path) -> None:
    files = files_in(tmp_path, out=numbered(20_000), err=numbered(5))
    kept = keep_output(FENCE, files, MIB)
    assert kept == [
        OutputKept(FENCE, "out", 20_000, path="logs/2026-01-01/1.1.out"),
        OutputKept(FENCE, "err", 5, body=b"00000"),
    ]
    drop_files(files, kept)
    assert files.out.read_bytes() == numbered(20_000)
    assert files.err is not None and not files.err.exists()
    assert not files.status.exists()


@pytest.mark.parametrize("size", [100_001, 100_050, 150_000, 3 * MIB])
def test_over_the_maximum_head_and_tail_are_exact(tmp_path: Path, size: int) -> None:
    whole = numbered(size)
    files = files_in(tmp_path, out=whole)
    kept = keep_output(FENCE, files, 100_000)
    marker = b"\n[jobrun: %d bytes dropped here]\n" % (size - 100_000)
    assert kept == [OutputKept(FENCE, "out", size, size - 100_000, path="logs/2026-01-01/1.1.out")]
    assert files.out.read_bytes() == whole[:50_000] + marker + whole[-50_000:]
    assert b"".join(read_log(files.out)) == files.out.read_bytes()
    assert files.out.stat().st_mode & 0o777 == 0o600


def test_kept_twice_is_kept_once(tmp_path: Path) -> None:
    """A daemon may die between the rewrite and the record of it; the next one comes to the same."""
    files = files_in(tmp_path, out=numbered(300_000))
    first = keep_output(FENCE, files, 100_000)
    content = files.out.read_bytes()
    assert keep_output(FENCE, files, 100_000) == first
    assert files.out.read_bytes() == content


def test_a_small_maximum_cuts_into_the_row(tmp_path: Path) -> None:
    files = files_in(tmp_path, out=b"0123456789")
    assert keep_output(FENCE, files, 4) == [
        OutputKept(FENCE, "out", 10, 6, body=b"01\n[jobrun: 6 bytes dropped here]\n89")
    ]
    assert keep_output(FENCE, files, 0)[0].body == b"\n[jobrun: 10 bytes dropped here]\n"


def test_no_room_for_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC while cutting: the file stays, its middle is given back, and the count is of what is missing."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output_module, "_rewrite", full)
    files = files_in(tmp_path, out=numbered(3 * MIB))
    (kept,) = keep_output(FENCE, files, 100_000)
    assert kept.size == 3 * MIB
    read = b"".join(read_log(files.out))
    marker = b"\n[jobrun: %d bytes dropped here]\n" % kept.dropped
    assert len(read) == 3 * MIB - kept.dropped + (len(marker) if kept.dropped else 0)
    assert read.startswith(numbered(50_000))
    assert read.endswith(numbered(3 * MIB)[-50_000:])


def test_a_deleted_log_folder_loses_the_output_not_the_run(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    files.out.parent.rmdir()
    assert keep_output(FENCE, files, MIB) == []
    assert not trim_running(files.out, MIB)
    drop_files(files)


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    (tmp_path / "victim").write_bytes(numbered(3 * MIB))
    files.out.symlink_to(tmp_path / "victim")
    assert not trim_running(files.out, 1000)
    with pytest.raises(OSError, match="symbolic links"):
        list(read_log(files.out))


def supports_holes(directory: Path) -> bool:
    path = directory / "probe"
    path.write_bytes(b"x" * 200_000)
    fd = os.open(path, os.O_RDWR)
    try:
        return punch_hole(fd, 65536, 65536)
    finally:
        os.close(fd)
        path.unlink()


def test_trimmed_while_it_runs(rig: Rig) -> None:
    """The middle goes back to the disk while the job prints; head, tail and count are exact at the end."""
    if not supports_holes(rig.home):
        pytest.skip("this file system has no holes")
    total, log_max = 64 * MIB, MIB
    program = (
        "import sys\n"
        "line = 0\n"
        f"while line * 16 < {total}:\n"
        "    sys.stdout.write(''.join('%015d\\n' % n for n in range(line, line + 4096)))\n"
        "    line += 4096\n"
        "    if line % 65536 == 0: sys.stdout.flush(); open('fifo').read()\n"
    )
    os.mkfifo(rig.path("fifo"))
    rig.path("printer.py").write_text(program)
    child, spec = rig.start(rig.job([sys.executable, "printer.py"]))
    trims = 0
    while child.poll() is None:
        try:
            fd = os.open(rig.path("fifo"), os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        trims += trim_running(spec.files.out, log_max)
        assert spec.files.out.stat().st_blocks * 512 < 4 * MIB
        middle = b"".join(read_log(spec.files.out))
        assert b"bytes dropped here" in middle or spec.files.out.stat().st_size <= 2 * log_max
        assert middle.startswith(numbered(log_max // 2))
        os.close(fd)
    assert trims > 20
    assert wait_exit(child).exit_code == 0
    (kept,) = keep_output(spec.fence, spec.files, log_max)
    assert (kept.size, kept.dropped) == (total, total - log_max)
    whole = numbered(total)
    content = spec.files.out.read_bytes()
    marker = b"\n[jobrun: %d bytes dropped here]\n" % kept.dropped
    assert content == whole[: log_max // 2] + marker + whole[-log_max // 2 :]


def test_trimming_where_holes_are_not_supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file grows on and is cut at the end; nothing is lost uncounted."""
    monkeypatch.setattr(output_module, "punch_hole", lambda *_: False)
    files = files_in(tmp_path, out=numbered(3 * MIB))
    assert not trim_running(files.out, 100_000)
    assert files.out.read_bytes() == numbered(3 * MIB)
    assert keep_output(FENCE, files, 100_000)[0].dropped == 3 * MIB - 100_000


def test_trimming_leaves_short_files_alone(tmp_path: Path) -> None:
    for size in (0, 10, 100_000, 100_001, 165_000):
        files = files_in(tmp_path, out=numbered(size))
        trim_running(files.out, 100_000)
        content = files.out.read_bytes()
        assert len(content) == size
        assert content[:50_000] == numbered(size)[:50_000]
        assert content[-50_000:] == numbered(size)[-50_000:]


def test_100_megabytes(rig: Rig) -> None:
    """dagu hung at 64 KB and failed a run at 1 MB; ofelia buffered 13 GiB: our memory stays flat."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child, spec = rig.start(rig.job("yes 0123456789abcde | head -c 104857600; exit 3"))
    assert wait_exit(child, 120).exit_code == 3
    (kept,) = keep_output(spec.fence, spec.files, 10 * MIB)
    assert (kept.size, kept.dropped) == (100 * MIB, 90 * MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_a_100_megabyte_line(rig: Rig) -> None:
    """A long line that crashed the reader (yacron #56)."""
    child, spec = rig.start(rig.job("head -c 104857600 /dev/zero | tr '\\0' x"))
    assert wait_exit(child, 120).exit_code == 0
    (kept,) = keep_output(spec.fence, spec.files, MIB)
    assert kept.size == 100 * MIB
    assert spec.files.out.read_bytes().replace(b"x", b"") == b"\n[jobrun: %d bytes dropped here]\n" % (
        99 * MIB
    )


def test_bytes_are_bytes(rig: Rig) -> None:
    """NUL, invalid UTF-8, terminal escapes, every other byte: kept as printed."""
    every = bytes(range(256)) + b"\xff\xfe\x1b[2J\x1b]0;x\x07\xed\xa0\x80\xf4\x90"
    rig.path("bytes").write_bytes(every)
    child, spec = rig.start(rig.job("cat bytes"))
    wait_exit(child)
    assert keep_output(spec.fence, spec.files, MIB)[0].body == every


def test_output_after_the_leaders_end(rig: Rig) -> None:
    """A grandchild that goes on printing neither blocks nor breaks the end of the run."""
    child, spec = rig.start(rig.job("(while :; do echo later; done) & sleep 0.1; echo mine; exit 0"))
    assert wait_exit(child).exit_code == 0
    kept = keep_output(spec.fence, spec.files, 100_000)
    assert kept[0].size > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield place  # type: ignore[misc]
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_while_a_job_prints(rig: Rig, small_disk: Path) -> None:
    """The job sees its own write fail, as anywhere; its exit status is recorded all the same."""
    run = rig.run()
    spec = attempt_spec(
        rig.job("head -c 5000000 /dev/zero; echo $? > code; exit 42"),
        run,
        store_id="rig",
        attempts_dir=small_disk / "attempts",
        logs_dir=small_disk / "logs",
        opened_at=OPENED,
        base_environ={"PATH": os.environ["PATH"], "HOME": str(rig.home)},
    )
    child = start(spec)
    rig.started.append((child, spec.marker))
    exit = wait_exit(child)
    assert exit.exit_code == 42
    assert rig.path("code").read_text() == "1\n"
    written = read_status(spec.files.status)
    assert written is not None and written.exit_code == 42

    (kept,) = keep_output(run.fence, spec.files, 100_000)
    assert kept.size > 500_000
    drop_files(spec.files, [kept])

    full = small_disk / "filler"
    with full.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 65536)
    with pytest.raises(SpawnRefused, match=r"the disk is full \(ENOSPC\)") as caught:
        start(replace(spec, fence=Fence(run.id, 2)))
    assert caught.value.is_host_trouble
    full.unlink()
    again = start(replace(spec, fence=Fence(run.id, 2)))
    rig.started.append((again, spec.marker))
    assert wait_exit(again).exit_code == 42


def test_status_in_place_on_a_disk_that_is_full_at_the_end(rig: Rig, small_disk: Path) -> None:
    """Retry scheduling that failed because the log disk was full (Sidekiq): no file is made at the end."""
    path = small_disk / "s.status"
    fd = open_status(path)
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    line, words = shell_words("exit 9", SH)
    subprocess.run([SH, "-c", surround(line), SH, *words], stdin=fd, check=False, start_new_session=True)
    os.close(fd)
    written = read_status(path)
    assert written is not None and written.exit_code == 9


def test_ten_thousand_lines_a_second(rig: Rig) -> None:
    child, spec = rig.start(rig.job("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"))
    wait_until(lambda: child.poll() is not None)
    assert spec.files.out.read_bytes().count(b"\n") == 20_000
