"""Writing and deleting job files, only ever our own.

`add` writes one file per job into jobs.d, beginning with a line that says so;
`remove` deletes a file with that line. Whatever else stands in a file was
written by a person and is left alone. A file appears whole or not at all.
"""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from jobrun.conf.document import Document, parse_document
from jobrun.conf.model.checks import check_name
from jobrun.conf.paths import Places
from jobrun.conf.problems import Fault, Problem, did_you_mean, dotted, quoted
from jobrun.conf.read import check_documents, invalid, read_documents
from jobrun.conf.starter import STARTER
from jobrun.domain.errors import Conflict, JobrunError, NotFound, UsageError
from jobrun.domain.nontext import find_nontext

# What link(2) says on a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
OUR_LINE = "# Written by `jobrun add`, deleted by `jobrun remove`."


def add_job(places: Places, name: str, table: Mapping[str, Any]) -> Path:
    """Write the job to `jobs.d/NAME.toml` and return that path.

    The whole job file is checked with the new job in it before anything is
    written. Raises UsageError if the job has problems, Conflict if the name or
    the file is taken, JobFileInvalid if the files have problems already,
    JobrunError if the file cannot be written.
    """
    try:
        check_name(name)
    except Fault as fault:
        raise UsageError(f"{_sentence(fault.message)}.", fault.hint) from None
    path = places.jobs_dir / f"{name}.toml"
    documents, problems = read_documents(places.config)
    _refuse_taken_name(documents, name)
    _, problems = check_documents(places.config, documents, problems)
    if problems:
        raise invalid(places.config, problems)
    if os.path.lexists(path):
        raise Conflict(f"The file {path} is there already.", "It is left alone; choose another name.")
    text = _job_text(name, table)
    new = parse_document(str(path), text)
    if isinstance(new, Problem):
        raise UsageError(f"The job cannot be written: {new.message}.")
    _, problems = check_documents(places.config, [*documents, new])
    if problems:
        raise _table_error(name, problems)
    _write_new(path, text, mode=places.config.stat().st_mode & 0o666)
    return path


def _refuse_taken_name(documents: list[Document], name: str) -> None:
    for document in documents:
        if name in _jobs_of(document):
            place = f"{document.file}:{document.line(('jobs', name))}"
            raise Conflict(f"There is a job {quoted(name)} already, at {place}.", "Choose another name.")


def _job_text(name: str, table: Mapping[str, Any]) -> str:
    tables = {"jobs": {name: dict(table)}}
    nontext = find_nontext(tables)
    if nontext is not None:
        raise UsageError(
            f'"{nontext}" is not UTF-8, which a job file is.',
            "Use a name or a value that is; bytes that a command needs can stand in a script.",
        )
    try:
        return f"{OUR_LINE}\n\n{tomli_w.dumps(tables)}"
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"The job cannot be written as TOML: {error}.") from None


def _table_error(name: str, problems: list[Problem]) -> UsageError:
    inside = f"{dotted(('jobs', name))}."
    said = "; ".join(_sentence_of(p, inside) for p in problems)
    hint = next((p.hint for p in problems if p.hint), "")
    return UsageError(f"The job was not added: {said}.", hint)


def _sentence_of(problem: Problem, inside: str) -> str:
    first_line = problem.message.partition("\n")[0]
    return f"{problem.path.removeprefix(inside)}: {first_line}"


def remove_job(places: Places, name: str) -> Path:
    """Delete the file that `add_job` wrote for the job and return its path.

    Raises NotFound if no file has the job; Conflict, with file and line, if a
    person wrote it; JobFileInvalid if the daemon could not read what would be
    left, unless this very file has problems too: then it is one fewer.
    JobrunError if the file cannot be deleted.
    """
    documents, problems = read_documents(places.config)
    named: list[str] = []
    for document in documents:
        named += _jobs_of(document)
        if name not in _jobs_of(document):
            continue
        path = Path(document.file)
        place = f"{document.file}:{document.line(('jobs', name))}"
        if path.parent != places.jobs_dir or not document.text.startswith(OUR_LINE):
            raise Conflict(
                f"The job {quoted(name)} stands at {place}, in a file that `jobrun add` did not write.",
                "Remove it there by hand, then run `jobrun reload`.",
            )
        if document.table.keys() != {"jobs"} or len(_jobs_of(document)) != 1:
            raise Conflict(
                f"The job {quoted(name)} stands at {place}, beside other entries.",
                "Remove it there by hand, then run `jobrun reload`.",
            )
        _refuse_unreadable_rest(places, documents, document, problems)
        _delete(path)
        return path
    unread = f" {problems[0].file} could not be read." if problems else ""
    raise NotFound(f"No file has a job {quoted(name)}.{unread}", did_you_mean(name, named))


def _refuse_unreadable_rest(
    places: Places, documents: list[Document], removed: Document, unread: list[Problem]
) -> None:
    """Raise JobFileInvalid if a reload after the removal would be refused for other files' problems."""
    _, problems = check_documents(places.config, documents, unread)
    if any(problem.file == removed.file for problem in problems):
        return
    rest = [document for document in documents if document is not removed]
    _, problems = check_documents(places.config, rest, unread)
    if problems:
        raise invalid(places.config, problems, "Nothing was removed, for no daemon could read the rest")


def _jobs_of(document: Document) -> Mapping[str, Any]:
    jobs = document.table.get("jobs")
    return jobs if isinstance(jobs, dict) else {}


def example_text() -> str:
    """The text of a job file to start from."""
    return STARTER


def write_example(path: Path) -> Path:
    """Write the starter file; its folder is made if need be. Raises Conflict if something is there."""
    _write_new(path, STARTER, mode=None)
    return path


def _write_new(path: Path, text: str, *, mode: int | None) -> None:
    """Make the file with this text, durably, in one step, and never over another one.

    `mode` None: what the umask leaves of rw-rw-rw-.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            draft.unlink()
        try:
            with open(draft, "xb") as stream:  # noqa: PTH123 - the mode x is the point
                stream.write(text.encode())
                stream.flush()
                if mode is not None:
                    os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            _publish(draft, path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            raise Conflict(f"{path} is there already.", "It is left alone.") from None
        raise JobrunError(
            f"The file {path} cannot be written ({(error.strerror or str(error)).lower()}).",
            "Check its folder and the permissions.",
        ) from error


def _publish(draft: Path, path: Path) -> None:
    """Give the finished draft its name. Unlike a rename, a link refuses to replace a file."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        draft.rename(path)


def _delete(path: Path) -> None:
    try:
        path.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise JobrunError(
            f"The file {path} cannot be deleted ({(error.strerror or str(error)).lower()}).",
            "Check the permissions of its folder.",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
