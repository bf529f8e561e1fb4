"""The reader of places, held against tomllib: every key tomllib knows has its line."""

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from jobrun.conf.lines import Lines

ALL_FORMS = '''\
# a comment with [brackets] and = "signs"
top = 1

[plain] # after a header
a = "x # no comment = 3"
b.c.d = 'literal \\ [x]'
"quoted key" = 2
"esc\\u0061ped" = 3
'single' = 4
text = """
[not.a.header]
not_a_key = 1 \\""" still inside """
after_text = 1
raw = \'\'\'
also "inside"
no = 2\'\'\'
after_raw = 1
ends = """two quotes at the end"""""
after_ends = 2

[plain . spaced . "x.y"]
list = [ # a comment ]
  1,
  [2, 3],
  { in = 1, more = { deep = 2 } },
  "]",
]
after_list = 1979-05-27 07:32:00
inline = { a.b = 1, "c d" = [1, 2], e = """x""" }

[[many]]
name = 1
[many.sub]
x = 1
[[many]]
name = 2
[[many.inner]]
y = 1
[[many.inner]]
y = 2
'''


def line_of(text: str, needle: str, nth: int = 1) -> int:
    """The line of the nth line that contains the needle."""
    found = [n for n, row in enumerate(text.split("\n"), 1) if needle in row]
    return found[nth - 1]


@pytest.mark.parametrize(
    ("path", "needle", "nth"),
    [
        (("top",), "top", 1),
        (("plain",), "[plain]", 1),
        (("plain", "b", "c", "d"), "b.c.d", 1),
        (("plain", "quoted key"), "quoted", 1),
        (("plain", "escaped"), "esc", 1),
        (("plain", "single"), "'single'", 1),
        (("plain", "after_text"), "after_text", 1),
        (("plain", "after_raw"), "after_raw", 1),
        (("plain", "after_ends"), "after_ends", 1),
        (("plain", "spaced", "x.y"), "spaced", 1),
        (("plain", "spaced", "x.y", "list", 1, 0), "[2, 3]", 1),
        (("plain", "spaced", "x.y", "list", 2, "more", "deep"), "deep", 1),
        (("plain", "spaced", "x.y", "list", 3), '"]"', 1),
        (("plain", "spaced", "x.y", "after_list"), "after_list", 1),
        (("plain", "spaced", "x.y", "inline", "e"), "inline", 1),
        (("many", 0, "name"), "name", 1),
        (("many", 0, "sub", "x"), "x = 1", 1),
        (("many", 1, "name"), "name", 2),
        (("many", 1, "inner", 1, "y"), "y = 2", 1),
    ],
)
def test_every_form_has_its_line(path: tuple[str | int, ...], needle: str, nth: int) -> None:
    lines = Lines(ALL_FORMS)
    assert lines.has(path)
    assert lines.of(path) == line_of(ALL_FORMS, needle, nth)


def test_an_unknown_path_gets_the_line_of_what_is_around_it() -> None:
    lines = Lines(ALL_FORMS)
    assert lines.of(("plain", "a", "no", "such")) == lines.of(("plain", "a"))
    assert lines.of(("nothing",)) == 1


def test_text_before_a_syntax_error_keeps_its_lines() -> None:
    lines = Lines("[a]\nb = 1\nc 2\nd = 3\n")
    assert lines.of(("a", "b")) == 2
    assert not lines.has(("a", "d"))
    assert lines.last_table == ("a",)


def paths(value: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {at} if at else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= paths(inner, (*at, key))
    return found


scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=12), st.floats(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(st.text(max_size=8), values, max_size=5)


@given(documents, st.booleans())
def test_every_path_of_any_document_is_found(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    parsed = tomllib.loads(text)
    lines = Lines(text)
    for path in paths(parsed):
        assert lines.has(path), (path, text)


@given(st.dictionaries(st.text("abcdé .\"'", min_size=1, max_size=5), st.integers(0, 9), min_size=1))
def test_every_line_is_the_one_tomllib_would_fail_at(table: dict[str, int]) -> None:
    """Cut after a key's line, tomllib knows the key; cut before it, it does not."""
    text = tomli_w.dumps({"t": table})
    lines, rows = Lines(text), text.split("\n")
    for key in table:
        line = lines.of(("t", key))
        assert key in tomllib.loads("\n".join(rows[:line]))["t"]
        assert key not in tomllib.loads("\n".join(rows[: line - 1])).get("t", {})


@given(st.text(alphabet="[]{}=\"'\\#,.\n ab1", max_size=80))
def test_no_text_brings_it_down(text: str) -> None:
    Lines(text)


def test_hostile_depth_ends_quickly() -> None:
    """TRAPS, job files: deep nesting raises another exception; here it is bounded work."""
    for text in ("a = " + "[" * 100_000, "a = " + "{b=" * 100_000, ".".join(["a"] * 200_000) + " = 1"):
        Lines(text)
