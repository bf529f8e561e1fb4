"""`jobrun doctor`: what this host offers, and what is wrong."""

from typing import Annotated

import typer

from jobrun.cli import options
from jobrun.cli.output import remark, say_json
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import ExitCode

EXAMPLES = (
    ("jobrun doctor", "look at everything"),
    ("jobrun doctor --deep", "read the whole database, too"),
)


def command(
    context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Check every page of the database.")] = False,
    json: options.Json = False,
) -> int:
    """Show what this host offers and what is wrong.

    One line for each check: ok, note (it works, but is worth knowing) or problem, with a hint. Nothing is
    changed. It works with the daemon down. The exit code is 1 if there is a problem.
    """
    from jobrun.cli.checkhost import host
    from jobrun.cli.checkpython import interpreters
    from jobrun.cli.checkup import PROBLEM, Scene, findings_shape, own_house

    scene = Scene(reach_of(context))
    findings = [*own_house(scene, deep=deep), *interpreters(scene), *host(scene)]
    problems = sum(finding.level == PROBLEM for finding in findings)
    if json:
        say_json(findings_shape(findings))
    else:
        from jobrun.cli.cells import Look
        from jobrun.cli.render import Cell, Table

        tones = {"ok": "good", "note": "warn", "problem": "bad"}
        table = Table(("check", "state", "what"))
        for finding in findings:
            what = f"{finding.text}. {finding.hint}" if finding.hint else finding.text
            table.rows.append((finding.name, Cell(finding.level, tones[finding.level]), what))
        Look(scene.reach).print(table)
        if problems:
            remark(f"jobrun: {problems} {'problems' if problems > 1 else 'problem'}.")
    return ExitCode.FAILED if problems else ExitCode.OK
