"""Help that is short, grouped, has examples, and tells the truth."""

import shlex
from collections.abc import Callable

import pytest

from jobrun.cli.manual import describe, everything
from jobrun.cli.reach import Reach
from jobrun.cli.registry import COMMANDS, GROUPS
from jobrun.cli.tree import build, root


@pytest.mark.parametrize("name", COMMANDS)
def test_the_registry_says_what_the_command_says(name: str) -> None:
    assert describe(build(name)).summary == COMMANDS[name].summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_and_every_command_has_an_example(name: str) -> None:
    doc = describe(build(name))
    assert all(option.help.endswith(".") for option in doc.options)
    assert 1 <= len(doc.examples) <= 3


@pytest.mark.parametrize(
    "words", [words for doc in everything() for words, _ in doc.examples if words.startswith("jobrun ")]
)
def test_every_example_can_be_parsed(words: str) -> None:
    line = shlex.split(words)[1:]
    line = line[: line.index(">")] if ">" in line else line
    command = root()
    context = command.make_context("jobrun", line, obj=Reach())
    name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    assert found.make_context(name, rest, parent=context).params is not None


def test_the_first_page(jobrun: Callable[..., object]) -> None:
    said = jobrun("--help")
    assert said == jobrun()
    assert said.code == 0
    assert all(f"{title}:" in said.out for title in GROUPS.values())
    assert all(f"  {name} " in said.out for name in COMMANDS)
    assert max(len(line) for line in said.out.splitlines()) <= 80
    assert len(said.out.splitlines()) < 60


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_per_command(name: str, jobrun: Callable[..., object]) -> None:
    said = jobrun(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: jobrun {name}")
    assert "Examples:" in said.out
    assert said == jobrun(name, "-h")


def test_the_version(jobrun: Callable[..., object]) -> None:
    from jobrun import __version__

    assert jobrun("--version").out == f"jobrun {__version__}\n"
