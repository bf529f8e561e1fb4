"""`jobrun completion`: the script that teaches a shell to complete jobrun's words."""

from enum import StrEnum
from typing import Annotated

import typer

from jobrun.cli.output import say

EXAMPLES = (
    ('eval "$(jobrun completion bash)"', "in ~/.bashrc"),
    ("jobrun completion zsh > ~/.zfunc/_jobrun", "a directory in zsh's $fpath"),
    ("jobrun completion fish > ~/.config/fish/completions/jobrun.fish", "for fish"),
)


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the shell completion script.

    Commands and options are in the script; names of jobs and queues and numbers of runs are asked for when
    they are needed.
    """
    from jobrun.cli.completions import script

    say(script(shell.value).rstrip("\n"))
