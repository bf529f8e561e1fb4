from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proc.support import Rig, rig_in


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    yield from rig_in(tmp_path)
