"""What each command is, as plain values read off the command tree.

The one source of `--help`, the man page, docs/cli.md and the completions.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from jobrun.cli.registry import COMMANDS
from jobrun.cli.tree import OneCommand, build, general_params

GENERAL = ("config", "state_dir", "utc")


@dataclass(frozen=True, slots=True)
class OptionDoc:
    """One option: its spellings, the name of its value (empty for a flag), help and default."""

    flags: tuple[str, ...]
    metavar: str
    help: str
    default: str = ""
    choices: tuple[str, ...] = ()

    @property
    def spelling(self) -> str:
        """`-n, --limit N`."""
        return ", ".join(self.flags) + (f" {self.metavar}" if self.metavar else "")


@dataclass(frozen=True, slots=True)
class ArgumentDoc:
    """One positional argument."""

    name: str
    help: str
    required: bool
    many: bool
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """`JOB`, `[JOB]`, `RUN...`."""
        text = f"{self.name}..." if self.many else self.name
        return text if self.required else f"[{text}]"


@dataclass(frozen=True, slots=True)
class CommandDoc:
    """One command as people read about it."""

    name: str
    group: str
    summary: str
    paragraphs: tuple[str, ...]
    arguments: tuple[ArgumentDoc, ...]
    options: tuple[OptionDoc, ...]
    examples: tuple[tuple[str, str], ...]

    @property
    def usage(self) -> str:
        """`jobrun history [options] [JOB]`."""
        words = ["jobrun", self.name, *(["[options]"] if self.options else [])]
        for argument in self.arguments:
            if argument.name == "CMD":
                words.append("-- CMD..." if argument.required else "[-- CMD...]")
            else:
                words.append(argument.usage)
        return " ".join(words)


def describe(command: OneCommand) -> CommandDoc:
    """The documentation of one built command."""
    name = command.name or ""
    entry = COMMANDS[name]
    text = inspect.cleandoc(command.help or "")
    paragraphs = tuple(" ".join(part.split()) for part in text.split("\n\n"))
    params = [param for param in command.params if not getattr(param, "hidden", False)]
    return CommandDoc(
        name=name,
        group=entry.group,
        summary=paragraphs[0],
        paragraphs=paragraphs[1:],
        arguments=tuple(_argument(p) for p in params if p.param_type_name == "argument"),
        options=tuple(_option(p) for p in params if p.param_type_name == "option" and p.name not in GENERAL),
        examples=command.examples,
    )


def everything() -> list[CommandDoc]:
    """The documentation of every command, in the order of the help."""
    return [describe(build(name)) for name in COMMANDS]


def general_options() -> tuple[OptionDoc, ...]:
    """The options that every command accepts, before or after its name."""
    return tuple(_option(param) for param in general_params())


def _argument(param: Any) -> ArgumentDoc:
    name = (param.metavar or param.name or "").upper()
    choices = tuple(str(choice) for choice in getattr(param.type, "choices", ()))
    help_text = " ".join((param.help or "").split())
    return ArgumentDoc(name, help_text, param.required, param.nargs == -1, choices)


def _option(param: Any) -> OptionDoc:
    flags = tuple(sorted(param.opts, key=lambda flag: flag.startswith("--")))
    choices = tuple(str(choice) for choice in getattr(param.type, "choices", ()))
    metavar = "" if param.is_flag else (param.metavar or "|".join(choices) or param.type.name.upper())
    default = ""
    if not param.is_flag and param.default is not None and param.default != [] and param.show_default:
        default = str(getattr(param.default, "value", param.default))
    return OptionDoc(flags, metavar, " ".join((param.help or "").split()), default, choices)
