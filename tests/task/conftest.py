from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.task.support import INTERPRETERS, WorkerRig, worker_in


@pytest.fixture(params=INTERPRETERS, ids=lambda path: Path(path).name)
def interpreter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(tmp_path: Path, interpreter: str) -> Iterator[WorkerRig]:
    """A worker that is not started yet, under each interpreter."""
    with worker_in(tmp_path, interpreter) as rig:
        yield rig
