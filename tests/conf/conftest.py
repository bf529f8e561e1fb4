from collections.abc import Callable
from pathlib import Path

import pytest
from conf.folder import Folder

from jobrun.domain.job import Job


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def job(folder: Folder) -> Callable[..., Job]:
    """The domain's job of the keys of one job table, and what stands above it."""

    def read(keys: str, above: str = "") -> Job:
        return folder.write(f"{above}\n[jobs.one]\n{keys}\n").file().plan.jobs["one"]

    return read


@pytest.fixture
def faults(folder: Folder) -> Callable[..., list[str]]:
    """The problems of the keys of one job table, without its place."""

    def read(keys: str, above: str = "") -> list[str]:
        folder.write(f"{above}\n[jobs.one]\n{keys}\n")
        return [text.partition(": ")[2].removeprefix("jobs.one.") for text in folder.problems()]

    return read
