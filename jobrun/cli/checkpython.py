"""What `doctor` looks at in the interpreters of Python jobs; it speaks only of one that does not serve."""

from collections.abc import Iterator

from jobrun.cli.checkup import PROBLEM, Finding, Scene, readable
from jobrun.domain.job import Plan, PythonCall

_MOST_NAMED = 3
_PATIENCE = 10.0


def interpreters(scene: Scene) -> list[Finding]:
    """The checks of this file."""
    return readable("python", lambda: _broken_ones(scene))


def _broken_ones(scene: Scene) -> Iterator[Finding]:
    from jobrun.conf.read import check_job_file

    job_file, problems = check_job_file(scene.reach.places.config)
    if job_file is None or problems:
        return
    for sentence, jobs in sorted(_sentences(job_file.plan).items()):
        more = len(jobs) - _MOST_NAMED
        named = ", ".join(jobs[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        hint = "`jobrun check --imports` tries what they import, too."
        yield Finding("python", PROBLEM, f"{sentence} (needed by {named})", hint)


def _sentences(plan: Plan) -> dict[str, list[str]]:
    """What is wrong with which jobs' interpreter. Each interpreter is started once."""
    from jobrun.cli.trying import ask_interpreter, interpreter_trouble, kind_of

    known: dict[tuple[str, object], str] = {}
    found: dict[str, list[str]] = {}
    for name, job in plan.jobs.items():
        if not isinstance(job.body, PythonCall):
            continue
        kind, sentence = kind_of(job)
        if kind is not None:
            key = (kind.interpreter, kind.who.switch)
            if key not in known:
                known[key] = interpreter_trouble(kind, ask_interpreter(kind, (), _PATIENCE))
            sentence = known[key]
        if sentence:
            found.setdefault(sentence, []).append(name)
    return found
