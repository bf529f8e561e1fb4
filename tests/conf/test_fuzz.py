"""No input brings the reader down: it gives a plan or problems, each with a file and a place."""

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from conf.folder import ZONE, Folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobrun.conf.model.options import CheckpointTable, JobTable, ScheduleTable
from jobrun.conf.model.tables import JobFileTables, PoolTable, SettingsTable
from jobrun.conf.read import check_job_file
from jobrun.domain.definition import decode, encode
from jobrun.domain.errors import UsageError

COMPLETE = (Path(__file__).parent / "complete.toml").read_bytes()
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)


def survive(folder: Folder, content: bytes) -> None:
    """Read the bytes as a job file; whatever comes out must be usable."""
    folder.config.write_bytes(content)
    job_file, problems = check_job_file(folder.config, host_timezone=ZONE)
    assert (job_file is None) == bool(problems)
    for problem in problems:
        assert problem.file == str(folder.config)
        assert problem.line >= 0
        assert problem.message
        lines = str(problem).split("\n")
        assert all(line.isprintable() for line in lines), str(problem)
        assert len(lines[0]) < 600
    if job_file is not None:
        for name, job in job_file.plan.jobs.items():
            assert decode(encode(job)) == job
            for text, origin in job_file.origins(name).values():
                assert text
                assert origin
            assert job_file.plan.sources[name].line >= 1


scalars = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(max_size=20),
    st.datetimes(timezones=st.sampled_from([None, UTC])),
    st.dates(),
    st.times(),
    st.sampled_from(["0 3 * * *", "@daily", "@reboot", "30s", "512M", "full", "cpus", "nightly", "base"]),
    st.sampled_from(["skip", "queue_one", "latest", "all", "retry", "split", "root", "Europe/Berlin", "027"]),
    st.sampled_from(
        [
            "app.tasks:poll",
            "jobs/a.py",
            "fresh",
            "ValueError",
            "exit:75",
            "signal:KILL",
            "timed_out",
            "SIGUSR1",
            "a\0b",
            "\x1b[31m",
        ]
    ),
)
keys = st.one_of(
    st.sampled_from(
        sorted(
            {
                *JobTable.model_fields,
                *CheckpointTable.model_fields,
                *ScheduleTable.model_fields,
                *SettingsTable.model_fields,
                *PoolTable.model_fields,
            }
        )
    ),
    st.sampled_from(["memory", "cpu_time", "concurrency", "defaults", "comand", "A", "B_2"]),
    st.text(max_size=6),
    st.just("[key]"),  # pydantic's own mark for a faulty key
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(["a", "b", "nightly", "base", "gpu", "x y", "", "42", "a.b"])
tables = st.dictionaries(keys, values, max_size=6)
structures = st.fixed_dictionaries(
    {},
    optional={
        "jobrun": tables | values,
        "defaults": tables | values,
        "queues": st.dictionaries(names, tables | values, max_size=3) | values,
        "pools": st.dictionaries(names, tables | values, max_size=3) | values,
        "templates": st.dictionaries(names, tables | values, max_size=3) | values,
        "jobs": st.dictionaries(names, tables | values, max_size=3) | st.lists(tables, max_size=2) | values,
        "jbos": values,
    },
)


@FUZZ
@given(structures)
def test_any_structure(folder: Folder, structure: dict[str, Any]) -> None:
    survive(folder, tomli_w.dumps(structure).encode("utf-8", "surrogatepass"))


@FUZZ
@given(tables)
def test_any_adhoc_table(folder: Folder, table: dict[str, Any]) -> None:
    job_file = folder.write("").file()
    with contextlib.suppress(UsageError):
        job = job_file.adhoc("submit:x", table)
        assert not job.schedules


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes(folder: Folder, content: bytes) -> None:
    survive(folder, content)


@FUZZ
@given(st.randoms(use_true_random=False))
def test_mutations_of_a_valid_file(folder: Folder, chance: random.Random) -> None:
    content = bytearray(COMPLETE)
    for _ in range(chance.randint(1, 6)):
        mutate(content, chance)
    survive(folder, bytes(content))


def mutate(content: bytearray, chance: random.Random) -> None:
    """One small accident: a lost, doubled, swapped or strange piece."""
    at, length = chance.randrange(len(content) or 1), chance.randint(1, 12)
    match chance.randrange(6):
        case 0:
            del content[at : at + length]
        case 1:
            content[at:at] = content[at : at + length]
        case 2:
            content[at:at] = chance.choice(
                [b'"', b"'", b"[", b"]", b"{", b"}", b"=", b"\n", b"#", b'"""', b"\\"]
            )
        case 3:
            content[at : at + 1] = bytes([chance.randrange(256)])
        case 4:
            lines = content.split(b"\n")
            first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            content[:] = b"\n".join(lines)
        case 5:
            lines = content.split(b"\n")
            del lines[chance.randrange(len(lines))]
            content[:] = b"\n".join(lines)


@pytest.mark.parametrize("depth", [5, 60, 90, 200, 320, 400, 600, 1000, 3000])
@pytest.mark.parametrize(
    "key", ["args", "kwargs", "command", "env", "schedules", "limits", "tags", "retry_on", "zzz"]
)
def test_every_depth(folder: Folder, key: str, depth: int) -> None:
    """TRAPS, job files: deep nesting. tomllib bears some depth; no later step may bear less."""
    for opening, closing in (("[", "]"), ("{ a = ", " }")):
        value = opening * depth + "1" + closing * depth
        survive(folder, f'[jobs.a]\npython = "a:b"\n{key} = {value}\n'.encode())
    dotted = ".".join(["a"] * depth)
    survive(folder, f'[jobs.a]\npython = "a:b"\n{key}.{dotted} = 1\n[jobs.a.{key}x.{dotted}]\n'.encode())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"jobs." + b".".join([b"a"] * 20_000) + b" = 1", id="a key of 20,000 parts"),
        pytest.param(b"x = " + b'"' + b"a" * 3_000_000 + b'"', id="one long text"),
        pytest.param(b"x = [" + b"1," * 300_000 + b"]", id="one long array"),
        pytest.param(b"[a]\n" * 100_000, id="one header again and again"),
        pytest.param(b"[[jobs.a.schedules]]\n" * 20_000, id="many empty schedules"),
        pytest.param(b'x = """' + b"\\\n" * 100_000, id="an open text"),
        pytest.param(b'[jobs.a]\ntimeout = "' + b"1" * 1_000_000 + b'"', id="a long duration"),
        pytest.param(b'[jobs.a]\ncron = "' + b"*/" * 200_000 + b'"', id="a long cron text"),
        pytest.param(b"\n" * 16 * (1 << 20), id="16 MiB of nothing"),
    ],
)
def test_large_input_is_bounded_work(folder: Folder, content: bytes) -> None:
    began = time.process_time()
    survive(folder, content)
    assert time.process_time() - began < 30


def test_more_than_the_largest_size_is_refused(folder: Folder) -> None:
    with folder.config.open("wb") as stream:
        stream.truncate(1 << 40)
    assert folder.problems() == ["jobs.toml: is larger than 16 MiB"]


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (a_folder, "is a folder, not a file"),
        (a_pipe, "is not a regular file"),
        (a_device, "is not a regular file"),
        (a_loop, "cannot be read: too many levels of symbolic links"),
        (a_dangling_link, "cannot be read: no such file or directory"),
        (nothing, "there is no such file"),
    ],
)
def test_what_is_no_file(folder: Folder, make: Callable[[Path], None], sentence: str) -> None:
    make(folder.config)
    problems = folder.problems()
    assert len(problems) == 1
    assert problems[0].startswith(f"jobs.toml: {sentence}")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_an_unreadable_file_and_folder() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name)).write("")
        folder.add("a.toml", "")
        folder.path.chmod(0o755)
        folder.config.chmod(0)
        folder.jobs_d.chmod(0)
        said = in_a_child(lambda: os.setuid(65534), folder.problems)
    assert said == [
        "jobs.toml: cannot be read: permission denied",
        "jobs.d: cannot be read: permission denied",
    ]


def in_a_child(first: Callable[[], None], then: Callable[[], list[str]]) -> list[str]:
    """What `then` answers in a process of its own that has done `first`."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            first()
            os.write(writer, "\n".join(then()).encode())
        finally:
            os._exit(0)  # it must never come back into pytest
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read().split("\n")


def test_toml_values_of_every_kind_at_every_key(folder: Folder) -> None:
    """Every key meets every kind of value; only the right ones pass."""
    kinds: list[Any] = [
        1,
        -1,
        1.5,
        True,
        "",
        "x",
        [],
        ["x"],
        [1],
        [{}],
        {},
        {"a": 1},
        date(2026, 1, 1),
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        time_of_day(1, 2),
        float("nan"),
        10**30,
    ]
    for key in JobTable.model_fields:
        for value in kinds:
            survive(folder, tomli_w.dumps({"jobs": {"a": {"command": "x", key: value}}}).encode())
    for key in JobFileTables.model_fields:
        for value in kinds:
            survive(folder, tomli_w.dumps({key: value}).encode())
            survive(folder, tomli_w.dumps({key: {"a": value}}).encode())


@pytest.mark.parametrize("part", ["a", '"b.c"', "'d'", "a-b "])
def test_a_key_of_very_many_parts_is_refused_before_it_is_parsed(folder: Folder, part: str) -> None:
    """tomllib's time for one key is the square of its parts: 20,000 of them took six seconds."""
    chain = ".".join([part] * 600)
    for text in (f"\n{chain} = 1", f"\n[{chain}]", f"\nx = {{ {chain} = 1 }}"):
        assert folder.write(text).problems() == ["jobs.toml:2: a key has more than 500 parts"]
    dots = "1." * 600
    assert folder.write(f'[jobs.a]\ncommand = "echo {". " * 600}"\ndescription = "{dots[:900]}"').file()
