"""Reading a job file: the main file and its jobs.d, as one plan or as all of their problems.

`jobs.d/*.toml` beside the main file is read in name order; other names and
names that begin with a dot are passed over. The main file must exist, be it
empty: a file that vanished must not read as "no jobs".
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobrun.conf.accounts import Accounts
from jobrun.conf.build import Setting, build_job
from jobrun.conf.document import Document, read_document
from jobrun.conf.hosttime import host_timezone as find_host_timezone
from jobrun.conf.levels import Levels
from jobrun.conf.merge import WHEN
from jobrun.conf.model.checks import NAME
from jobrun.conf.model.options import JobTable
from jobrun.conf.origins import Origin, trace_origins
from jobrun.conf.paths import jobs_dir_of
from jobrun.conf.pools import build_pool
from jobrun.conf.problems import Fault, Problem, quoted, told
from jobrun.conf.sheets import Sheets, check_layer, collect
from jobrun.domain.errors import JobFileInvalid, NotFound, UsageError
from jobrun.domain.job import Job, Plan, Queue, Settings, Source

__all__ = ["JobFile", "Problem", "check_documents", "check_job_file", "read_documents", "read_job_file"]


class JobFile:
    """A job file without problems: its plan, and the means to explain it and to resolve further jobs."""

    def __init__(self, plan: Plan, levels: Levels, setting: Setting) -> None:
        self.plan = plan
        self._levels = levels
        self._setting = setting

    def origins(self, job: str) -> Mapping[str, Origin]:
        """Every key of a job with its value as TOML text and the place that decided it.

        Raises NotFound for an unknown job.
        """
        layer = self._levels.sheets.jobs.get(job)
        if layer is None:
            raise NotFound(f"There is no job {quoted(job)}.")
        return trace_origins(self._levels.merge(layer), self._levels.sheets.settings, self._setting.timezone)

    def adhoc(self, name: str, table: Mapping[str, Any]) -> Job:
        """A job that stands in no file, resolved as if it did; it has no schedule.

        Raises UsageError with everything that is wrong with the table.
        """
        faults = [] if all(NAME.fullmatch(part) for part in name.split(":")) else [_bad_name(name)]
        document = Document("", {}, prefix=("jobs", name))
        layer, own = check_layer(document, ("jobs", name), JobTable, dict(table))
        faults += own
        faults += [Fault("a submitted command has no schedule", at=(key,)) for key in WHEN if layer.says(key)]
        faults += [fault for _, fault in self._levels.check_extends(layer)]
        faults += self._levels.check_places(layer)
        merged = self._levels.merge(layer, without=WHEN)
        job, merge_faults = build_job(name, merged, self._setting, is_whole=not faults)
        faults += [fault for _, fault in merge_faults]
        if faults or job is None:
            problems = [document.problem(layer.path, fault) for fault in faults]
            lines = [(p.path, p.message.partition("\n")[0]) for p in problems]
            said = "; ".join(f"{path}: {message}" if path else message for path, message in lines)
            raise UsageError(f"The job cannot run: {said}.", next((p.hint for p in problems if p.hint), ""))
        return job


def read_job_file(config: Path, *, host_timezone: str) -> JobFile:
    """Read the job file. Raises JobFileInvalid with every problem."""
    job_file, problems = check_job_file(config, host_timezone=host_timezone)
    if job_file is None:
        raise invalid(config, problems)
    return job_file


def invalid(config: Path, problems: Sequence[Problem], so: str = "") -> JobFileInvalid:
    """The error that carries the problems of a job file; `so` says what did not happen for them."""
    begin = f"{so}: the job file" if so else "The job file"
    return JobFileInvalid(
        f"{begin} {told(str(config), problems)}.",
        "`jobrun check` shows what is wrong.",
        tuple(str(problem) for problem in problems),
    )


def check_job_file(config: Path, *, host_timezone: str | None = None) -> tuple[JobFile | None, list[Problem]]:
    """Read the job file and say all of its problems, sorted by file and line. No problems: a JobFile."""
    documents, problems = read_documents(config)
    return check_documents(config, documents, problems, host_timezone=host_timezone)


def read_documents(config: Path) -> tuple[list[Document], list[Problem]]:
    """The main file and those of jobs.d as far as they can be parsed, and why others cannot."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in _files(config, problems):
        found = read_document(path)
        if isinstance(found, Document):
            documents.append(found)
        elif path == config and not os.path.lexists(config):
            hint = "Make one with `jobrun init`, or name another with --config."
            problems.append(Problem(str(path), 0, "", "there is no such file", hint))
        else:
            problems.append(found)
    return documents, problems


def _files(config: Path, problems: list[Problem]) -> Iterator[Path]:
    yield config
    folder = jobs_dir_of(config)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names, sorted by code point
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        problems.append(Problem(str(folder), 0, "", f"cannot be read: {words}"))
        return
    for name in names:
        if name.endswith(".toml") and not name.startswith("."):
            yield folder / name


def check_documents(
    config: Path,
    documents: Sequence[Document],
    problems: Sequence[Problem] = (),
    *,
    host_timezone: str | None = None,
) -> tuple[JobFile | None, list[Problem]]:
    """The same for documents that are parsed already; `problems` are those met on the way."""
    sheets = collect(documents, str(config))
    found = [*problems, *sheets.problems]
    levels = Levels(sheets, is_whole=not problems)
    found += levels.problems()
    settings = _settings(sheets, host_timezone or find_host_timezone(os.environ))
    setting = Setting(config.parent, Accounts(os.getuid()), settings.timezone)
    jobs: dict[str, Job] = {}
    for name, layer in sheets.jobs.items():
        merged = levels.merge(layer)
        job, faults = build_job(name, merged, setting, is_whole=levels.is_whole(layer))
        found += [blamed.problem(fault) for blamed, fault in faults]
        if job is not None:
            jobs[name] = job
    if found:
        order = {str(config): -1} | {document.file: number for number, document in enumerate(documents)}
        return None, _sorted(found, order)
    plan = Plan(
        settings=settings,
        queues={name: Queue(name=name, concurrency=_places(layer)) for name, layer in sheets.queues.items()},
        pools={name: build_pool(name, layer) for name, layer in sheets.pools.items()},
        jobs=jobs,
        sources={
            name: Source(layer.document.file, layer.document.line(layer.path))
            for name, layer in sheets.jobs.items()
        },
        files=tuple(document.file for document in documents),
    )
    return JobFile(plan, levels, setting), []


def _sorted(problems: Sequence[Problem], order: Mapping[str, int]) -> list[Problem]:
    """By file and line, each once; on one line as they were met."""
    return sorted(dict.fromkeys(problems), key=lambda p: (order.get(p.file, len(order)), p.file, p.line))


def _settings(sheets: Sheets, host_timezone: str) -> Settings:
    values = dict(sheets.settings.values) if sheets.settings is not None else {}
    return Settings(**{"timezone": host_timezone, **values})


def _places(queue: Any) -> int | None:
    concurrency: int | str | None = queue.values.get("concurrency")
    return len(os.sched_getaffinity(0)) if concurrency == "cpus" else concurrency  # type: ignore[return-value]


def _bad_name(name: str) -> Fault:
    return Fault(f"{quoted(name)} cannot be a name", "Use letters, digits, '.', '_' and '-'.")
