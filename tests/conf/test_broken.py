"""A corpus of broken files, each with every problem that is to be reported.

`broken/NAME.toml` beside `broken/NAME.expected`. After a wanted change of
words: `JOBRUN_REWRITE_EXPECTED=1 pytest tests/conf/test_broken.py`, then read
the diff.
"""

import os
import shutil
from pathlib import Path

import pytest
from conf.folder import Folder

CORPUS = Path(__file__).parent / "broken"
FILES = sorted(CORPUS.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_broken_file(path: Path, folder: Folder) -> None:
    """TRAPS, job files: no line attribute before 3.14, BOM, non-UTF-8, deep nesting: all have a line."""
    shutil.copy(path, folder.config)
    found = "\n".join(folder.problems()) + "\n"
    expected = path.with_suffix(".expected")
    if os.environ.get("JOBRUN_REWRITE_EXPECTED"):
        expected.write_text(found, "utf-8")
    assert found.strip()
    assert found == expected.read_text("utf-8")


def test_the_corpus_is_there() -> None:
    assert len(FILES) >= 30
