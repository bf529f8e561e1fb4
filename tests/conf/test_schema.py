"""The schema and the reference of keys come from the model, and the model holds what they say."""

import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w
from conf.folder import Folder

from jobrun.conf.model.options import (
    CheckpointTable,
    DefaultsTable,
    JobTable,
    LimitsTable,
    RunOptions,
    ScheduleTable,
)
from jobrun.conf.model.tables import JobFileTables, PoolTable, QueueTable, SettingsTable
from jobrun.conf.schema import SECTIONS, Option, json_schema, options
from jobrun.conf.starter import STARTER

COMPLETE = (Path(__file__).parent / "complete.toml").read_text("utf-8")


def as_json(value: Any) -> Any:
    """TOML values as editors hand them to a schema: date-times as text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date) else value


def is_valid(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(json_schema())
    return not list(validator.iter_errors(as_json(tomllib.loads(text))))


def test_the_schema_is_a_schema_without_traces_of_python() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)
    assert '"null"' not in text
    assert '"title"' not in text.replace('"title": "jobrun job file"', "")
    assert "default_text" not in text


def test_the_complete_file_is_valid_for_both(folder: Folder) -> None:
    folder.write(COMPLETE)
    folder.file()
    assert is_valid(COMPLETE)


def test_the_complete_file_has_every_key() -> None:
    table = tomllib.loads(COMPLETE)

    def keys(value: Any) -> set[str]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {*(value if isinstance(value, dict) else ()), *(key for item in inner for key in keys(item))}

    assert {option.key for option in options()} <= keys(table)


@pytest.mark.parametrize(
    "text",
    [
        "timezon = 1",
        '[jobs.a]\ncomand = "x"',
        '[jobs."x y"]\ncommand = "x"',
        '[jobs.a]\ncommand = "x"\ntimeout = "5 minutes"',
        '[jobs.a]\ncommand = "x"\ntimeout = -1',
        '[jobs.a]\ncommand = "x"\numask = 27',
        '[jobs.a]\ncommand = "x"\noverlap = "skp"',
        '[jobs.a]\ncommand = "x"\nattempts = 3\nretries = 2',
        "[defaults]\nattempts = 3\nretries = 2",
        '[jobs.a]\ncommand = "x"\npython = "a:b"',
        '[jobs.a]\ncommand = "x"\ncron = "@daily"\nevery = "1m"',
        '[jobs.a]\ncommand = "x"\ncron = "@daily"\nschedules = [{ every = "1m" }]',
        '[jobs.a]\ncommand = "x"\nschedules = [{ name = "x" }]',
        '[jobs.a]\ncommand = "x"\nschedules = [{ cron = "@daily", every = "1m" }]',
        "[jobs.a]\ncommand = []",
        '[jobs.a]\ncommand = "x"\nenv = { "1A" = "x" }',
        '[defaults]\ncommand = "x"',
        "[queues.q]\nconcurrency = 0",
        "[pools.p]\nmax = 0",
        '[pools.p]\non_worker_start = "warm"',
        '[jobs.a]\npython = "run"',
        '[jobs.a]\npython = "a:b"\nisolation = "cold"',
        '[jobs.a]\ncommand = "x"\ncheckpoint = 3',
        '[jobs.a]\ncommand = "x"\ncheckpoint = { keeep = 3 }',
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(folder: Folder, text: str) -> None:
    assert not is_valid(text)
    assert folder.write(text).problems()


def test_every_key_has_its_words() -> None:
    for option in options():
        assert option.description.endswith("."), option.path
        assert option.example, option.path
        assert option.type, option.path
        assert option.tables, option.path


def test_every_key_of_the_model_is_in_the_reference_once() -> None:
    paths = [option.path for option in options()]
    assert len(paths) == len(set(paths))
    expected = {f"jobrun.{key}" for key in SettingsTable.model_fields}
    expected |= {f"queues.NAME.{key}" for key in QueueTable.model_fields}
    expected |= {f"pools.NAME.{key}" for key in PoolTable.model_fields}
    expected |= {f"jobs.NAME.checkpoint.{key}" for key in CheckpointTable.model_fields}
    expected |= {f"jobs.NAME.{key}" for key in JobTable.model_fields if key != "limits"}
    expected |= {f"jobs.NAME.limits.{key}" for key in LimitsTable.model_fields}
    expected |= {f"jobs.NAME.schedules.{key}" for key in ScheduleTable.model_fields}
    assert set(paths) == expected
    listed = [key for keys in SECTIONS.values() for key in keys]
    assert sorted(listed) == sorted(key for key in JobTable.model_fields if key != "limits")
    assert set(RunOptions.model_fields) < set(DefaultsTable.model_fields) < set(JobTable.model_fields)
    assert list(JobFileTables.model_fields) == [
        "jobrun",
        "defaults",
        "queues",
        "pools",
        "templates",
        "jobs",
    ]


def alone(option: Option, value: str) -> str:
    """A file in which the key stands with this value and whatever it needs beside it."""
    top, *rest = option.path.split(".")
    lines = "[jobrun]\n" if top == "jobrun" else f"[{top}.one]\n"
    if "schedules" in rest[:-1]:
        kind = "" if option.key in ("cron", "every", "after", "at") else 'cron = "@daily"\n'
        return f'{lines}command = "x"\n[[jobs.one.schedules]]\n{kind}{option.key} = {value}\n'
    if rest[-2:-1] in (["limits"], ["checkpoint"]):
        return f'{lines}command = "x"\n{rest[-2]} = {{ {option.key} = {value} }}\n'
    if top != "jobs":
        return f"{lines}{option.key} = {value}\n"
    needs_python = option.key in (
        *("args", "kwargs", "interpreter", "python_path", "isolation", "pool", "retry_on"),
    )
    body = (
        ""
        if option.key in ("command", "python")
        else 'python = "a:b"\n'
        if needs_python
        else 'command = "x"\n'
    )
    more = {"max_delay": 'delay = "2s"\n', "extends": ""}.get(option.key, "")
    return f"{lines}{body}{more}{option.key} = {value}\n[templates.nightly]\n"


@pytest.mark.parametrize("option", options(), ids=lambda option: option.path)
def test_every_example_and_every_default_can_be_written(folder: Folder, option: Option) -> None:
    """What the reference shows is accepted, and a written default changes nothing."""
    text = alone(option, option.example)
    if option.key not in ("user", "group"):  # the accounts of the examples are not on every host
        assert folder.write(text).problems() == []
    assert is_valid(text)
    try:
        tomllib.loads(f"x = {option.default}")
    except tomllib.TOMLDecodeError:
        return  # words: "the host's"
    silent = folder.write(
        alone(option, option.example).replace(f"{option.key} = {option.example}", "")
    ).file()
    said = folder.write(alone(option, option.default)).file()
    assert said.plan.jobs == silent.plan.jobs
    assert said.plan.settings == silent.plan.settings


def test_the_starter_file_is_a_valid_file_with_a_schema_line(folder: Folder) -> None:
    assert STARTER.startswith("#:schema ")
    assert list(folder.write(STARTER).file().plan.jobs) == ["hello"]
    assert is_valid(STARTER)


def test_what_the_starter_file_has_in_comments_is_valid_too(folder: Folder) -> None:
    lines = STARTER.split("\n")
    is_code = [line.startswith("# ") and ("= " in line or line.startswith("# [")) for line in lines]
    text = "\n".join(line[2:] if code else line for line, code in zip(lines, is_code, strict=True))
    jobs = folder.write(text).file().plan.jobs
    assert list(jobs) == ["hello", "backup", "poll", "migrate", "report"]
    assert [schedule.key for schedule in jobs["report"].schedules] == ["0 8 * * Mon-Fri", "monthly"]
    assert is_valid(text)


def test_the_schema_takes_what_the_writer_writes() -> None:
    assert is_valid(
        tomli_w.dumps({"jobs": {"a": {"command": "x", "timeout": 1.5, "limits": {"memory": 1 << 30}}}})
    )
