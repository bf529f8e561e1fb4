"""Files of our own: written whole or not at all, never over another, and only those are deleted."""

import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conf.folder import Folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobrun.conf import write
from jobrun.conf.paths import Places
from jobrun.conf.write import OUR_LINE, add_job, example_text, remove_job, write_example
from jobrun.domain.errors import Conflict, JobFileInvalid, JobrunError, NotFound, UsageError
from jobrun.domain.job import At, ShellCommand


@pytest.fixture
def places(folder: Folder) -> Places:
    folder.write('# by hand\n\n[jobs.hand]\ncommand = "x"\n')
    return Places(folder.config, folder.jobs_d, folder.path / "state")


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_job_is_written_as_a_file_of_its_own(folder: Folder, places: Places) -> None:
    before = folder.config.read_bytes()
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    path = add_job(places, "new", {"command": "echo 'a' | b\nc", "at": moment, "env": {"A": "ü"}})
    assert path == folder.jobs_d / "new.toml"
    assert path.read_text("utf-8").startswith(OUR_LINE)
    plan = folder.file().plan
    assert plan.jobs["new"].body == ShellCommand("echo 'a' | b\nc")
    assert plan.jobs["new"].schedules[0].when == At(int(moment.timestamp()) * 1_000_000)
    assert plan.sources["new"].file == str(path)
    assert folder.config.read_bytes() == before
    assert names(folder.jobs_d) == ["new.toml"]


def test_the_file_may_be_read_by_whom_the_main_file_may(folder: Folder, places: Places) -> None:
    folder.config.chmod(0o640)
    path = add_job(places, "new", {"command": "x"})
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_taken_name_is_refused_with_its_place(folder: Folder, places: Places) -> None:
    with pytest.raises(Conflict, match=re.escape(f"{folder.config}:3")):
        add_job(places, "hand", {"command": "y"})
    path = add_job(places, "new", {"command": "x"})
    before = path.read_text()
    with pytest.raises(Conflict, match=re.escape(f"{path}:3")):
        add_job(places, "new", {"command": "y"})
    assert path.read_text() == before


def test_a_taken_file_name_is_refused(folder: Folder, places: Places) -> None:
    taken = folder.add("new.toml", "# mine\n")
    with pytest.raises(Conflict):
        add_job(places, "new", {"command": "x"})
    assert taken.read_text() == "# mine\n"


def test_a_file_that_appears_at_the_last_moment_is_not_replaced(
    folder: Folder, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the write somebody else may be faster."""
    folder.jobs_d.mkdir()
    publish = write._publish

    def race(draft: Path, path: Path) -> None:
        path.write_text("# faster\n")
        publish(draft, path)

    monkeypatch.setattr(write, "_publish", race)
    with pytest.raises(Conflict):
        add_job(places, "new", {"command": "x"})
    assert (folder.jobs_d / "new.toml").read_text() == "# faster\n"
    assert names(folder.jobs_d) == ["new.toml"]


def test_a_file_system_without_hard_links_will_do(
    folder: Folder, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    add_job(places, "new", {"command": "x"})
    assert "new" in folder.file().plan.jobs
    folder.add("other.toml", "# mine\n")
    with pytest.raises(Conflict):
        write._write_new(folder.jobs_d / "other.toml", "x", mode=None)
    assert names(folder.jobs_d) == ["new.toml", "other.toml"]


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("bad name", {"command": "x"}, "cannot be a name"),
        ("../up", {"command": "x"}, "cannot be a name"),
        ("42", {"command": "x"}, "cannot be a name"),
        ("a", {}, "the job has nothing to run"),
        ("a", {"command": "x", "cron": "0 25 * * *"}, 'cron: hour: "25"'),
        ("a", {"command": "x", "cron": "@daily", "every": "1m"}, "every: cron and every"),
        ("a", {"command": "x", "extends": "t"}, 'extends: there is no template "t"'),
        ("a", {"command": "x\0"}, "NUL"),
        ("a", {"command": "x", "args": None}, "cannot be written as TOML"),
    ],
)
def test_a_wrong_job_is_refused_before_anything_is_written(
    folder: Folder, places: Places, name: str, table: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        add_job(places, name, table)
    assert said in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert not folder.jobs_d.exists()


def test_nothing_is_added_to_files_with_problems(folder: Folder, places: Places) -> None:
    folder.write("[jobs.a]\ncomand = 1\n")
    with pytest.raises(JobFileInvalid) as caught:
        add_job(places, "new", {"command": "x"})
    assert f"{folder.config}:2" in caught.value.problems[0]
    folder.config.unlink()
    with pytest.raises(JobFileInvalid) as caught:
        add_job(places, "new", {"command": "x"})
    assert "there is no such file" in caught.value.problems[0]


def test_a_folder_that_cannot_be_written_is_a_sentence(folder: Folder, places: Places) -> None:
    folder.jobs_d.symlink_to("/proc/self/fdinfo")
    with pytest.raises(JobrunError, match="cannot be written"):
        add_job(places, "new", {"command": "x"})


def test_a_written_job_can_be_removed(folder: Folder, places: Places) -> None:
    path = add_job(places, "new", {"command": "x"})
    assert remove_job(places, "new") == path
    assert not path.exists()
    assert list(folder.file().plan.jobs) == ["hand"]


def test_a_job_of_a_person_is_left_alone(folder: Folder, places: Places) -> None:
    by_hand = folder.add("mine.toml", '\n[jobs.mine]\ncommand = "x"\n')
    for name, place in (("hand", f"{folder.config}:3"), ("mine", f"{by_hand}:2")):
        with pytest.raises(Conflict, match=re.escape(place)):
            remove_job(places, name)
    path = add_job(places, "new", {"command": "x"})
    path.write_text(path.read_text() + '[jobs.more]\ncommand = "y"\n')
    with pytest.raises(Conflict, match=re.escape(f"{path}:3")):
        remove_job(places, "new")
    assert path.exists()
    assert by_hand.exists()


def test_an_unknown_job_is_not_found(folder: Folder, places: Places) -> None:
    with pytest.raises(NotFound) as caught:
        remove_job(places, "hnd")
    assert caught.value.hint == 'Did you mean "hand"?'
    folder.add("broken.toml", "x =")
    with pytest.raises(NotFound, match=r"broken\.toml could not be read"):
        remove_job(places, "new")


@pytest.mark.parametrize(
    ("text", "place"),
    [("x =", "broken.toml has 1 problem"), ("[jobs.b]\ncommand = 1\nmore = 1\n", "has 2 problems")],
)
def test_nothing_is_removed_while_another_file_has_problems(
    folder: Folder, places: Places, text: str, place: str
) -> None:
    """The daemon could not read the rest, and would go on with the job."""
    path = add_job(places, "new", {"command": "x"})
    folder.add("broken.toml", text)
    with pytest.raises(JobFileInvalid, match=f"^Nothing was removed.*{place}") as caught:
        remove_job(places, "new")
    assert "broken.toml" in caught.value.problems[0]
    assert path.exists()


def test_a_file_with_problems_of_its_own_can_be_removed(folder: Folder, places: Places) -> None:
    """Be it the only one or one of several: else none of them could go."""
    paths = [add_job(places, name, {"command": "x"}) for name in ("one", "two")]
    for path in paths:
        path.write_text(path.read_text() + 'user = "nobody-of-that-name"\n')
    for name in ("one", "two"):
        remove_job(places, name)
    assert not any(path.exists() for path in paths)
    assert list(folder.file().plan.jobs) == ["hand"]


def test_the_example_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "jobs.toml"
    write_example(path)
    assert path.read_text("utf-8") == example_text()
    path.write_text("mine")
    with pytest.raises(Conflict):
        write_example(path)
    assert path.read_text() == "mine"
    assert names(path.parent) == ["jobs.toml"]
    with pytest.raises(JobrunError, match="cannot be written"):
        write_example(path / "below" / "jobs.toml")


words = st.text(max_size=30).filter(lambda text: "\0" not in text)
tables = st.fixed_dictionaries(
    {"command": words.filter(str.strip) | st.lists(words.filter(str.strip), min_size=1, max_size=3)},
    optional={
        "description": words,
        "env": st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True), words, max_size=3),
        "tags": st.lists(words.filter(str.strip), max_size=3),
        "timeout": st.integers(1, 10**6) | st.just("1h30m"),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(tables)
def test_what_is_written_is_what_is_read(folder: Folder, table: dict[str, Any]) -> None:
    """Quotes, line ends and control characters in a command come back as they went."""
    folder.write("")
    places = Places(folder.config, folder.jobs_d, folder.path)
    path = add_job(places, "new", table)
    try:
        assert tomllib.loads(path.read_text("utf-8")) == {"jobs": {"new": table}}
    finally:
        remove_job(places, "new")
