"""The tree of commands: a root that imports a command's module only when that command is asked for."""

import difflib
import re
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from jobrun.cli.reach import Reach
from jobrun.cli.registry import COMMANDS
from jobrun.domain.errors import UsageError


class OneCommand(TyperCommand):
    """A command whose help is laid out by `helptext`, and which knows its examples."""

    examples: tuple[tuple[str, str], ...] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words. Raises UsageError for one that is not text, unless it names a file."""
        words = list(args)
        rest = super().parse_args(ctx, args)
        if not all(map(str.isascii, words)):
            _refuse_nontext(self.params, ctx.params)
        return rest

    def get_help(self, ctx: Any) -> str:
        """The text of `--help`."""
        from jobrun.cli.helptext import command_help

        return command_help(self, ctx)


def _refuse_nontext(params: list[Any], values: dict[str, Any]) -> None:
    """Raise UsageError for a value that is not UTF-8. A path may have any bytes, until it is to be kept."""
    from jobrun.domain.nontext import find_nontext

    for param in params:
        nontext = find_nontext(values.get(param.name))
        if nontext is not None and not {"FILE", "DIR"} & set(re.split(r"\W", param.metavar or "")):
            label = param.opts[0] if param.param_type_name == "option" else param.metavar
            raise UsageError(
                f'{label}: "{nontext}" is not UTF-8.',
                "Only paths of files may have other bytes; is the terminal set to UTF-8?",
            )


class Root(TyperGroup):
    """The `jobrun` command. Its subcommands stand in the registry and are imported one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Import and build one command; None if there is none of that name."""
        return build(cmd_name, self) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str, TyperCommand, list[str]]:
        """The command that the words ask for. Raises UsageError with a suggestion."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"Did you mean `jobrun {close[0]}`?" if close else "See `jobrun --help` for all commands."
            raise UsageError(f'There is no command "{name}".', hint)
        return name, command, args[1:]

    def get_help(self, ctx: Any) -> str:
        """The text of `jobrun --help`."""
        from jobrun.cli.helptext import root_help

        return root_help(self, ctx)


def _set_config(context: typer.Context, value: str | None) -> None:
    if value is not None:
        context.obj.config = value


def _set_state_dir(context: typer.Context, value: str | None) -> None:
    if value is not None:
        context.obj.state_dir = value


def _set_utc(context: typer.Context, value: bool) -> None:
    if value:
        context.obj.utc = True


def _print_version(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:
        from jobrun import __version__

        typer.echo(f"jobrun {__version__}")
        raise typer.Exit


def _general(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The job file (or $JOBRUN_CONFIG).",
            expose_value=False,
            callback=_set_config,
        ),
    ] = None,
    state_dir: Annotated[
        str | None,
        typer.Option(
            "--state-dir",
            metavar="DIR",
            help="Where the daemon keeps its state (or $JOBRUN_STATE_DIR).",
            expose_value=False,
            callback=_set_state_dir,
        ),
    ] = None,
    utc: Annotated[
        bool,
        typer.Option(
            "--utc",
            help="Show and read times in UTC, not in the host's zone.",
            expose_value=False,
            callback=_set_utc,
        ),
    ] = False,
) -> None:
    """Options that every command accepts, before or after its name."""


def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            expose_value=False,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """A job runner and cron replacement for one host."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def root() -> Root:
    """The root command, its subcommands not yet imported."""
    app = typer.Typer(name="jobrun", cls=Root, add_completion=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_root)
    command = get_command(app)
    assert isinstance(command, Root)
    command.params = [*general_params(), *command.params]
    return command


def general_params() -> list[Any]:
    """The options that every command accepts."""
    app = typer.Typer(add_completion=False)
    app.command()(_general)
    return list(get_command(app).params)


def build(name: str, parent: Root | None = None) -> OneCommand:
    """Import one command's module and make its command. The name must be in the registry."""
    module = import_module(COMMANDS[name].module)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name=name, cls=OneCommand)(module.command)
    command = get_command(app)
    assert isinstance(command, OneCommand)
    command.examples = module.EXAMPLES
    general = parent.params if parent is not None else general_params()
    command.params += [param for param in general if param.name in ("config", "state_dir", "utc")]
    return command


def invoke(arguments: list[str]) -> int:
    """Parse and carry out one command line; the return value is the exit code."""
    command = root()
    try:
        with command.make_context(
            "jobrun", list(arguments), obj=Reach(), help_option_names=["--help", "-h"]
        ) as context:
            return command.invoke(context) or 0
    except typer.Exit as end:
        return end.exit_code
