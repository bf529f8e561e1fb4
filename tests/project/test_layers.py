"""The plan of the rooms holds; and the test of it can fail, rule by rule."""

from pathlib import Path

import pytest
from project.layers import MAY_IMPORT, ONE_IMPORTER, modules, violations

ROOT = Path(__file__).resolve().parents[2]


def test_the_tree_follows_the_plan():
    assert violations(ROOT) == []


def test_every_room_is_in_the_plan():
    """A new room, or a new module at the top, needs a decision about what it may import."""
    assert {module.room for module in modules(ROOT)} <= set(MAY_IMPORT)


def test_every_package_of_the_plan_is_a_declared_dependency():
    declared = (ROOT / "pyproject.toml").read_text("utf-8").replace("-", "_")
    missing = [name for name in ONE_IMPORTER if name != "pydantic_core" and f'"{name}' not in declared]
    assert missing == []


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "jobrun" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def one(root: Path, name: str, text: str) -> list[str]:
    return violations(tree(root, {name: f'"""What lives here."""\n{text}\n'}))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("domain/a.py", "from jobrun.store import open", "domain may not import store"),
        ("domain/a.py", "def f():\n    import jobrun.wire.client", "domain may not import wire"),
        ("domain/a.py", "import os", "no os"),
        ("domain/a.py", "from time import monotonic", "no time"),
        ("domain/a.py", "def f():\n    import random", "no random"),
        ("domain/a.py", "import pathlib", "no pathlib"),
        ("domain/a.py", "import zoneinfo", "no zoneinfo"),
        ("domain/a.py", "from datetime import datetime\nx = datetime.now()", "no clock"),
        ("domain/a.py", "x = open('f')", "no open()"),
        ("domain/a.py", "import asyncio", "asyncio belongs to jobrun.daemon"),
        ("store/a.py", "from jobrun.proc.spawn import start", "store may not import proc"),
        ("store/a.py", "from ..conf import paths", "store may not import conf"),
        ("store/deep/a.py", "from ...wire import client", "store may not import wire"),
        ("proc/a.py", "import jobrun.store.open", "proc may not import store"),
        (
            "conf/a.py",
            "from jobrun.domain.job import Job\nfrom jobrun import wire",
            "conf may not import wire",
        ),
        ("wire/a.py", "from jobrun.daemon import main", "wire may not import daemon"),
        ("store/a.py", "import asyncio", "asyncio belongs to jobrun.daemon"),
        ("daemon/a.py", "from jobrun.cli import app", "daemon may not import cli"),
        ("daemon/a.py", "import sqlite3", "sqlite3 belongs to jobrun.store"),
        ("cli/a.py", "def f():\n    from jobrun.daemon.main import run", "cli may not import daemon"),
        ("cli/commands/daemon.py", "from jobrun.daemon.main import run", "inside the function"),
        (
            "cli/a.py",
            "from importlib import import_module\nimport_module('jobrun.daemon.main')",
            "not import daemon",
        ),
        (
            "cli/a.py",
            "from importlib import import_module\nx = 'y'\nimport_module(x)",
            "only known at run time",
        ),
        (
            "cli/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jobrun.daemon",
            "not import daemon",
        ),
        ("cli/a.py", "import rich.table", "rich belongs to jobrun.cli.render"),
        ("cli/a.py", "def f():\n    import psutil", "psutil belongs to jobrun.proc"),
        ("store/writer.py", "import sqlite_utils", "sqlite_utils belongs to jobrun.store.migrations"),
        ("conf/paths.py", "import requests", "requests is not one of our packages"),
        ("task/call.py", "import pydantic", "pydantic belongs to jobrun.conf"),
        ("task/call.py", "from jobrun.domain import job", "task may not import domain"),
        ("domain/b.py", "import apscheduler", "apscheduler belongs to jobrun.daemon.alarm"),
        ("store/utils.py", "", 'a name like "util"'),
        ("proc/process_manager.py", "", 'a name like "manager"'),
        ("proc/job_utils.py", "", 'a name like "util"'),
        ("proc/helpers/a.py", "", 'a name like "helper"'),
        ("cli/long.py", "x = 1\n" * 400, "lines; a module has at most"),
    ],
)
def test_a_broken_rule_is_seen(tmp_path, name, text, words):
    found = one(tmp_path, name, text)
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith(f"jobrun/{name}:")


def test_a_module_without_a_docstring_is_seen(tmp_path):
    found = violations(tree(tmp_path, {"wire/a.py": "x = 1\n", "wire/b.py": '""" """\n'}))
    assert [line.split(":")[0] for line in found] == ["jobrun/wire/a.py", "jobrun/wire/b.py"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("domain/calendar.py", "import zoneinfo\nfrom cronsim import CronSim"),
        ("store/reader.py", "import sqlite3\nfrom jobrun.domain.run import Run"),
        ("daemon/alarm.py", "import asyncio\nimport apscheduler.schedulers.asyncio"),
        ("cli/commands/daemon.py", "def f():\n    from jobrun.daemon.main import run"),
        ("cli/render/terminal.py", "from rich.table import Table"),
        ("cli/a.py", "from jobrun import __version__"),
        ("task/call.py", "import importlib, json\nx = 'y'\nimportlib.import_module(x)"),
        ("task/call.py", "def f():\n    import asyncio"),
        ("conf/metadata.py", "import tomllib"),
    ],
)
def test_what_the_plan_allows_passes(tmp_path, name, text):
    assert one(tmp_path, name, text) == []
