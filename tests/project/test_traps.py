"""docs/traps.md: every line names tests, and they exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "traps.md"
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str]]:
    """The trap and what shows it, for each line of the tables."""
    cells = [line.strip("|").split(" | ") for line in PAGE.read_text("utf-8").splitlines() if "|" in line]
    return [
        (cell[0].strip(), cell[-1].strip()) for cell in cells if cell[0].strip() not in ("trap", "---|---")
    ]


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_page_has_its_sections_and_lines():
    sections = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sections == ["Time", "Processes", "State", "Output", "Operation"]
    assert len(rows()) > 60


@pytest.mark.parametrize(("trap", "shown"), rows())
def test_what_a_trap_is_shown_by_exists(trap, shown):
    named = NAMED.findall(shown)
    assert named or shown.startswith("later: "), trap
    missing = [f"{file}::{name}" for file, name in named if name not in functions_in(ROOT / file)]
    assert not missing
