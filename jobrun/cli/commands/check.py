"""`jobrun check`: every problem of the job file at once."""

import typer

from jobrun.cli import options
from jobrun.cli.output import remark, say, say_json
from jobrun.cli.reach import reach_of
from jobrun.domain.errors import ExitCode

EXAMPLES = (
    ("jobrun check", "check the job file and its jobs.d"),
    ("jobrun --config ./jobs.toml check --json", "the same for a program, of another file"),
)


def command(context: typer.Context, json: options.Json = False) -> int:
    """Check the job file and name every problem.

    Reads the job file and every file in jobs.d beside it as the daemon would, without asking or telling
    the daemon. Each problem has its file, line and place. The exit code is 4 if there is one.
    """
    from jobrun.cli.escape import visible
    from jobrun.conf.read import check_documents, read_documents

    places = reach_of(context).places
    documents, problems = read_documents(places.config)
    files = [document.file for document in documents]
    job_file, problems = check_documents(places.config, documents, problems)
    plan = job_file.plan if job_file is not None else None
    if json:
        say_json(
            {
                "config": str(places.config),
                "valid": not problems,
                "files": files,
                "jobs": sorted(plan.jobs) if plan is not None else [],
                "queues": sorted(plan.queues) if plan is not None else [],
                "problems": [
                    {
                        "file": str(problem.file),
                        "line": problem.line,
                        "path": problem.path,
                        "message": problem.message,
                        "hint": problem.hint or "",
                    }
                    for problem in problems
                ],
            }
        )
    elif problems:
        for problem in problems:
            for line in str(problem).split("\n"):
                say(visible(line))
        count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
        remark(f"jobrun: {places.config} has {count}; a daemon that runs keeps what it read before.")
    elif plan is not None:
        scheduled = sum(1 for job in plan.jobs.values() if job.schedules and job.enabled)
        read = files[0] if len(files) == 1 else f"{len(files)} files"
        jobs = "1 job" if len(plan.jobs) == 1 else f"{len(plan.jobs)} jobs"
        say(f"{read}: {jobs} ({scheduled} scheduled), no problem.")
        for file in files if len(files) > 1 else ():
            remark(f"Read {file}.")
    return ExitCode.INVALID_FILE if problems else ExitCode.OK
