"""`jobrun check`: every problem of the job file at once, and of what its Python jobs import."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobrun.cli import options
from jobrun.cli.moments import parse_span
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import ExitCode
from jobrun.domain.instants import seconds

if TYPE_CHECKING:
    from jobrun.conf.document import Document
    from jobrun.conf.problems import Problem
    from jobrun.domain.job import Plan

EXAMPLES = (
    ("jobrun check", "check the job file and its jobs.d"),
    ("jobrun check --imports", "and import what its Python jobs call"),
    ("jobrun --config ./jobs.toml check --json", "the same for a program, of another file"),
)


def command(
    context: typer.Context,
    imports: Annotated[
        bool, typer.Option("--imports", help="Import what Python jobs call, as they would.")
    ] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="With --imports: the most that one may take.")
    ] = "60s",
    json: options.Json = False,
) -> int:
    """Check the job file and name every problem.

    Reads the job file and every file in jobs.d beside it as the daemon would, without asking or telling
    the daemon. Each problem has its file, line and place. The exit code is 4 if there is one.

    With --imports, a file without problems is followed by its Python jobs: the function of each, and the
    hooks and the autoscaler of its pool, are imported in the job's own interpreter, environment, directory
    and account, and nothing is called. A script is not run; it is compiled, and the modules it always
    imports are looked for. What is missing is told with the line of the job file that asks for it, and the
    exit code is then 1. Variables that a job has from the daemon are taken from this command's environment.
    """
    from jobrun.conf.read import check_documents, read_documents

    limit = seconds(parse_span(timeout, "--timeout"))
    places = reach_of(context).places
    documents, problems = read_documents(places.config)
    files = [document.file for document in documents]
    job_file, problems = check_documents(places.config, documents, problems)
    plan = job_file.plan if job_file is not None else None
    tried = _try_imports(plan, documents, limit) if imports and plan is not None else None
    if json:
        say_json(
            {
                "config": str(places.config),
                "valid": not problems,
                "files": files,
                "jobs": sorted(plan.jobs) if plan is not None else [],
                "queues": sorted(plan.queues) if plan is not None else [],
                "problems": [_shape(problem) for problem in problems],
                "imports": None if tried is None else [_shape(problem) for problem in tried],
            }
        )
    elif problems:
        _tell(problems)
        from jobrun.conf.problems import told

        whose = told(str(places.config), problems)
        remark(f"jobrun: {whose}; a daemon that runs keeps what it read before.")
    elif plan is not None:
        scheduled = sum(1 for job in plan.jobs.values() if job.schedules and job.enabled)
        read = files[0] if len(files) == 1 else f"{len(files)} files"
        jobs = "1 job" if len(plan.jobs) == 1 else f"{len(plan.jobs)} jobs"
        say(f"{read}: {jobs} ({scheduled} scheduled), no problem.")
        for file in files if len(files) > 1 else ():
            remark(f"Read {file}.")
        _tell_imports(plan, tried)
    if problems:
        return ExitCode.INVALID_FILE
    return ExitCode.FAILED if tried else ExitCode.OK


def _tell(problems: "Sequence[Problem]") -> None:
    from jobrun.cli.escape import visible

    for problem in problems:
        for line in str(problem).split("\n"):
            say(visible(line))


def _tell_imports(plan: "Plan", tried: "Sequence[Problem] | None") -> None:
    if tried is None:
        return
    _tell(tried)
    if tried:
        remark(f"jobrun: the imports of Python jobs have {_count(tried)}.")
        return
    from jobrun.domain.job import PythonCall

    number = sum(isinstance(job.body, PythonCall) for job in plan.jobs.values())
    say(f"{number} Python {'job' if number == 1 else 'jobs'}, nothing missing.")


def _count(problems: "Sequence[Problem]") -> str:
    return f"{len(problems)} problems" if len(problems) > 1 else "1 problem"


def _shape(problem: "Problem") -> dict[str, Any]:
    return {
        "file": str(problem.file),
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint or "",
    }


def _try_imports(plan: "Plan", documents: "Sequence[Document]", limit: float) -> "list[Problem]":
    """What cannot be imported, in the order of the files."""
    from jobrun.cli.trying import line_of, try_imports, wanted_imports
    from jobrun.conf.problems import Problem, dotted

    wanted, broken = wanted_imports(plan)
    found = []
    for path, sentence in [*broken, *try_imports(wanted, limit)]:
        file, line = line_of(documents, path)
        found.append(Problem(file, line, dotted(path), sentence))
    order = {document.file: number for number, document in enumerate(documents)}
    return sorted(found, key=lambda problem: (order.get(problem.file, 0), problem.line))
