"""Every example of docs/python-jobs.md is run, by the worker and with the arguments of its job."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.task.support import Call, WorkerRig

PAGE = (Path(__file__).parents[2] / "docs" / "python-jobs.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
JOBS: dict[str, dict[str, Any]] = {}
for _language, _text in BLOCKS:
    if _language == "toml":
        JOBS.update(tomllib.loads(_text)["jobs"])


@pytest.fixture
def page(rig: WorkerRig) -> Iterator[WorkerRig]:
    for language, text in BLOCKS:
        if language == "python":
            rig.write(text.partition("\n")[0].removeprefix("# "), text)
    yield rig.start()


def begin(page: WorkerRig, job: str, **more: Any) -> Call:
    target = JOBS[job]["python"]
    if target.endswith(".py"):
        target = str(page.home / target)
    facts = {"kwargs": JOBS[job].get("kwargs", {}), **more}
    return page.begin(target, *JOBS[job].get("args", []), **facts)


def run(page: WorkerRig, job: str, **more: Any) -> Call:
    return begin(page, job, **more).end()


def test_every_job_of_the_page_is_run_here():
    here = Path(__file__).read_text()
    assert [name for name in JOBS if f'"{name}"' not in here] == []
    assert {language for language, _ in BLOCKS} == {"toml", "python"}


@pytest.mark.parametrize(
    ("job", "result", "out"),
    [
        ("poll", {"orders": 3}, "asking https://shop.example/orders for 100\n"),
        ("totals", 66, ""),
        ("mirror", "mirrored shop", ""),
        ("report", {"month": 5}, ""),
        ("resize", None, "run 1 of job, try 1 of 3\n"),
        ("measure", {"files": 2}, ""),
        ("score", True, ""),
    ],
)
def test_jobs_that_succeed(page: WorkerRig, job: str, result: object, out: str):
    done = run(page, job)
    assert (done.code, done.result, done.out) == (0, result, out)


def test_progress(page: WorkerRig):
    def note(job: str) -> list[Any]:
        raw = Path(run(page, job).request["notes"]).read_bytes()[:1024]
        return [json.loads(raw)[name] for name in ("percent", "state", "meta")]

    assert note("totals") == [None, "writing", {}]
    assert note("resize") == [100.0, "crop", {"page": "c"}]


def test_errors(page: WorkerRig):
    done = run(page, "sync")
    assert (done.code, done.error["retry_in"]) == (75, 60_000_000)
    assert done.error["message"] == "ConnectionError: no answer"
    done = run(page, "load")
    assert (done.code, done.error["final"], done.error["message"]) == (1, True, "the file has no header")


def test_ends(page: WorkerRig):
    assert run(page, "convert", soft={"signal": None, "after": 0.1}).result == "half of it"
    assert run(page, "walk", soft={"signal": None, "after": 0.5}).result > 0


def test_checkpoints(page: WorkerRig):
    env = {"JOBRUN_CHECKPOINT_DIR": str(page.home / "kept"), "JOBRUN_CHECKPOINT_KEEP": "2"}
    assert run(page, "train", env=env).result == {"epochs": 30, "loss": 0.042}
    names = sorted(path.name for path in (page.home / "kept").iterdir())
    assert names == ["index.json", "model_step_20.json", "model_step_30.json"]
    # A second run has nothing left to do.
    done = run(page, "train", env=env, kwargs={"epochs": 31})
    assert done.result == {"epochs": 31, "loss": 0.038}
