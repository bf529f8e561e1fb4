"""`check --imports`: what a Python job would miss is found in its own interpreter, before it is due."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.cli.checkpython import interpreters
from jobrun.cli.checkup import Scene
from jobrun.cli.reach import Reach

MODULES = {
    "good.py": "import sys\nprint('noise'); sys.stdout.flush()\ndef f(): raise SystemExit(9)\nX = 1\n",
    "uses.py": "from jobrun.task import progress, checkpoint\nfrom good import f as g\n",
    "missing.py": "import json\nimport nonesuch_at_all\ndef f(): pass\n",
    "wrong.py": "def f(:\n    pass\n",
    "raises.py": "def low():\n    raise ValueError('two\\nlines')\nlow()\n",
    "leaves.py": "import sys\nsys.exit(3)\n",
    "dies.py": "import os\nos._exit(3)\n",
    "killed.py": "import os\nos.kill(os.getpid(), 9)\n",
    "hangs.py": "import threading\nthreading.Event().wait()\n",
    "threads.py": "from threading import *\nThread(target=Event().wait).start()\ndef f(): pass\n",
    "script.py": "import good\nraise SystemExit('never run')\n",
    "lost.py": "import os.path, xml.dom\ntry:\n    import no_such\nexcept ImportError: 0\nimport gone.away\n",
    "hooks.py": "def begin(): pass\n",
}

JOB_FILE = """
[pools.default]
on_worker_start = "hooks:begin"
on_worker_stop = "hooks:end"
autoscaler = "hooks:many"

[defaults]
cwd = "code"

[templates.t]
python = "good:f"
"""


@pytest.fixture
def check(tmp_path: Path, jobrun: Callable[..., object]) -> Callable[..., list[tuple[str, str]]]:
    """Check a job file with these jobs; what was found as (path, message), by line."""
    code = tmp_path / "code"
    code.mkdir()
    for name, text in MODULES.items():
        (code / name).write_text(text)

    def call(jobs: str, *words: str, head: str = JOB_FILE, expected: int = 1) -> list[tuple[str, str]]:
        (tmp_path / "jobs.toml").write_text(head + jobs)
        said = jobrun("check", "--imports", "--json", *words)
        assert (said.code, said.err) == (expected, "")
        shape = json.loads(said.out)
        assert shape["valid"]
        text = (head + jobs).split("\n")
        for problem in shape["imports"]:
            assert problem["file"] == str(tmp_path / "jobs.toml")
            assert problem["line"] == 0 or text[problem["line"] - 1]
        return [(problem["path"], problem["message"]) for problem in shape["imports"]]

    return call


def jobs(*targets: str, more: str = "") -> str:
    return "".join(f'[jobs.j{n}]\npython = "{target}"\n{more}\n' for n, target in enumerate(targets))


def test_nothing_is_missing(check: Callable[..., object], jobrun: Callable[..., object]) -> None:
    head = '[defaults]\ncwd = "code"\n'
    text = jobs("good:f", "uses:g", "json:dumps", "script.py").replace("script.py", "code/script.py")
    assert check(text, head=head, expected=0) == []
    said = jobrun("check", "--imports")
    assert said.out.splitlines()[-1] == "4 Python jobs, nothing missing."


def test_each_kind_of_miss_is_said_with_its_place(check: Callable[..., object], tmp_path: Path) -> None:
    code = tmp_path / "code"
    found = check(
        jobs(
            *("good:f", "good:g", "good:X", "nowhere.at:f", "missing:f", "wrong:f", "raises:f", "leaves:f"),
            *("code/lost.py", "code/none.py", "code/wrong.py"),
        )
    )
    assert dict(found) == {
        "pools.default.on_worker_stop": 'module "hooks" has no "end"',
        "pools.default.autoscaler": 'module "hooks" has no "many"',
        "jobs.j1.python": 'module "good" has no "g"',
        "jobs.j2.python": '"good:X" cannot be called',
        "jobs.j3.python": f'there is no module "nowhere" ({sys.executable}, in {code})',
        "jobs.j4.python": "ModuleNotFoundError: No module named 'nonesuch_at_all' "
        f"({code}/missing.py, line 2)",
        "jobs.j5.python": f"SyntaxError: invalid syntax ({code}/wrong.py, line 1)",
        "jobs.j6.python": f"ValueError: two ({code}/raises.py, line 2)",
        "jobs.j7.python": "its import ends the process (sys.exit)",
        "jobs.j8.python": f'there is no module "gone" ({code}/lost.py, line 5; {sys.executable})',
        "jobs.j9.python": f"there is no script {code}/none.py",
        "jobs.j10.python": f"SyntaxError: invalid syntax ({code}/wrong.py, line 1)",
    }


def test_an_import_that_does_not_come_back_costs_no_other(check: Callable[..., object]) -> None:
    head = '[defaults]\ncwd = "code"\n'
    found = check(
        jobs("dies:f", "good:g", "killed:f", "hangs:f", "threads:f", "raises:f"),
        "--timeout",
        "2s",
        head=head,
    )
    words = dict(found)
    assert words["jobs.j0.python"] == "its import does not come back (exit code 3)"
    assert words["jobs.j1.python"] == 'module "good" has no "g"'
    assert words["jobs.j2.python"] == "its import does not come back (SIGKILL)"
    assert words["jobs.j3.python"] == "its import does not come back (nothing for 2 s)"
    assert "jobs.j4.python" not in words
    assert "jobs.j5.python" in words


def test_lines_are_those_of_the_keys(check: Callable[..., object], jobrun: Callable[..., object]) -> None:
    check('[jobs.a]\ndescription = "x"\npython = "good:no"\n[jobs.b]\nextends = "t"\nargs = [1]\n')
    lines = jobrun("check", "--imports").out.splitlines()[1:]
    assert [line.split(":")[1] for line in lines] == ["4", "5", "14"]
    assert lines[2].endswith(':14: jobs.a.python: module "good" has no "no"')


def test_environment_path_and_directory_are_those_of_the_job(
    check: Callable[..., object], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "here.py").write_text(
        "import os\nassert os.environ['COLOUR'] == 'red', 'not red'\ndef f(): ...\n"
    )
    head = ""
    red = f'python_path = ["{other}"]\nenv = {{ COLOUR = "red" }}\n'
    found = check(
        f'[jobs.a]\npython = "here:f"\n{red}[jobs.b]\npython = "here:f"\n{red.replace("red", "blue")}'
        f'[jobs.c]\npython = "here:f"\n[jobs.d]\npython = "here:f"\ncwd = "gone"\n{red}',
        head=head,
    )
    words = dict(found)
    assert "jobs.a.python" not in words
    assert words["jobs.b.python"] == f"AssertionError: not red ({other}/here.py, line 2)"
    assert words["jobs.c.python"].startswith('there is no module "here"')
    assert words["jobs.d.python"] == f"cwd {tmp_path}/gone: no such file or directory (ENOENT)"


def fake_python(tmp_path: Path, version: str) -> Path:
    """A program that answers like a Python of another age."""
    path = tmp_path / f"python{version}"
    path.write_text(f'#!/bin/sh\ncat >/dev/null\necho \'{{"python": "{version}"}}\'\n')
    path.chmod(0o755)
    return path


def test_interpreters_that_do_not_serve(check: Callable[..., object], tmp_path: Path) -> None:
    old = fake_python(tmp_path, "3.6.15")
    head = '[defaults]\ncwd = "code"\n'
    text = "".join(
        f'[jobs.{name}]\npython = "good:f"\ninterpreter = "{path}"\nisolation = "fresh"\n'
        for name, path in (("old", old), ("none", "/bin/false"), ("gone", "/nowhere/python"))
    )
    assert dict(check(text, head=head)) == {
        "jobs.old.python": f"the interpreter {old} is Python 3.6.15; jobs need 3.9 or newer",
        "jobs.none.python": "the interpreter /bin/false is no Python, or a broken one (exit code 1)",
        "jobs.gone.python": "command /nowhere/python not found: no such file or directory (ENOENT)",
    }


def test_doctor_speaks_of_interpreters_only_if_something_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "jobs.toml"
    scene = Scene(Reach(str(config), str(tmp_path / "state")))
    config.write_text('[jobs.a]\npython = "no:thing"\n[jobs.b]\ncommand = "true"\n')
    assert interpreters(scene) == []
    old = fake_python(tmp_path, "3.8.1")
    config.write_text(
        "".join(f'[jobs.j{n}]\npython = "no:thing"\ninterpreter = "{old}"\n' for n in range(5))
        + '[jobs.z]\npython = "no:thing"\ninterpreter = "/nowhere/python"\n'
    )
    told = sorted((finding.level, finding.text) for finding in interpreters(scene))
    assert told == [
        ("problem", "command /nowhere/python not found: no such file or directory (ENOENT) (needed by z)"),
        (
            "problem",
            f"the interpreter {old} is Python 3.8.1; jobs need 3.9 or newer "
            "(needed by j0, j1, j2 and 2 more)",
        ),
    ]


def test_a_file_with_problems_is_not_tried(tmp_path: Path, jobrun: Callable[..., object]) -> None:
    (tmp_path / "jobs.toml").write_text('[jobs.a]\npython = "no:thing"\ncron = "0 25 * * *"\n')
    said = jobrun("check", "--imports", "--json")
    assert said.code == 4
    assert json.loads(said.out)["imports"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a job as another user")
def test_the_job_of_another_user_is_tried_as_that_user(check: Callable[..., object], tmp_path: Path) -> None:
    code = tmp_path / "code"
    for folder in (code, *code.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    (code / "who.py").write_text("import os\nassert os.geteuid() != 0, 'root'\ndef f(): ...\n")
    (code / "mine.py").write_text("def f(): ...\n")
    (code / "mine.py").chmod(0o600)
    python = "/usr/bin/python3"
    head = f'[defaults]\ncwd = "code"\ninterpreter = "{python}"\nuser = "nobody"\n'
    found = check(jobs("who:f", "mine:f"), head=head)
    assert [path for path, _ in found] == ["jobs.j1.python"]
    assert "PermissionError" in found[0][1]
