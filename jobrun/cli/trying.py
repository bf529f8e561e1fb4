"""Importing what Python jobs name, in their own interpreters, before they are due.

One short-lived process for each kind of worker. A target whose import ends
that process, or does not come to an end, is told; the others are tried again
in a new one.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from jobrun.conf.document import Document
from jobrun.domain.job import Job, Plan, PythonCall, is_warm
from jobrun.proc.refusal import SpawnRefused
from jobrun.proc.workerspec import WorkerKind, worker_kind
from jobrun.task import trying

_STEP = 0.05
_ENTRY = Path(trying.__file__)


class Wanted(NamedTuple):
    """Something to import, and the key of the job file that asks for it."""

    kind: WorkerKind
    target: str
    path: tuple[str, ...]


class Broken(NamedTuple):
    """What cannot be imported: the key that asks for it, and a sentence."""

    path: tuple[str, ...]
    sentence: str


class Answer(NamedTuple):
    """What a process said: its version (empty: it said nothing), a word for each target, how it ended."""

    python: str
    said: dict[str, str | None]
    end: str

    @property
    def is_too_old(self) -> bool:
        """Whether jobs cannot run in this Python."""
        return tuple(int(part) for part in self.python.split(".")[:2]) < trying.OLDEST


def wanted_imports(plan: Plan) -> tuple[list[Wanted], list[Broken]]:
    """What jobs and the functions of their pools need, and the jobs that could not even be started."""
    wanted: list[Wanted] = []
    broken: list[Broken] = []
    for name, job in plan.jobs.items():
        if not isinstance(job.body, PythonCall):
            continue
        kind, refused = kind_of(job)
        if kind is None:
            broken.append(Broken(("jobs", name, "python"), refused))
            continue
        wanted.append(Wanted(kind, job.body.target, ("jobs", name, "python")))
        if is_warm(job):
            pool = plan.pool(job.body.pool)
            functions = (
                ("on_worker_start", pool.on_start),
                ("on_worker_stop", pool.on_stop),
                ("autoscaler", pool.autoscaler),
            )
            wanted += [Wanted(kind, name, ("pools", pool.name, key)) for key, name in functions if name]
    return wanted, broken


def kind_of(job: Job) -> tuple[WorkerKind | None, str]:
    """What a Python job's process would be like; None, and why it could not be started."""
    try:
        return worker_kind(job, os.environ), ""
    except SpawnRefused as refused:
        return None, refused.sentence


def try_imports(wanted: Iterable[Wanted], timeout: float) -> list[Broken]:
    """Import them all; `timeout` is in seconds, for each import."""
    kinds: dict[str, list[Wanted]] = {}
    for item in wanted:
        kinds.setdefault(item.kind.key, []).append(item)
    broken: list[Broken] = []
    for items in kinds.values():
        wrong = _try_kind(items[0].kind, list(dict.fromkeys(item.target for item in items)), timeout)
        broken += [Broken(item.path, wrong[item.target]) for item in items if item.target in wrong]
    return list(dict.fromkeys(broken))


def _try_kind(kind: WorkerKind, targets: list[str], timeout: float) -> dict[str, str]:
    """What is wrong with which target."""
    wrong: dict[str, str] = {}
    while targets:
        answer = ask_interpreter(kind, targets, timeout)
        if not answer.python or answer.is_too_old:
            return wrong | dict.fromkeys(targets, interpreter_trouble(kind, answer))
        wrong |= {target: error for target, error in answer.said.items() if error is not None}
        open_ones = [target for target in targets if target not in answer.said]
        if open_ones:
            wrong[open_ones[0]] = f"its import does not come back ({answer.end})"
        targets = open_ones[1:]
    return wrong


def interpreter_trouble(kind: WorkerKind, answer: Answer) -> str:
    """What is wrong with an interpreter; empty if nothing is."""
    oldest = ".".join(str(part) for part in trying.OLDEST)
    if not answer.python:
        return f"the interpreter {kind.interpreter} is no Python, or a broken one ({answer.end})"
    if answer.is_too_old:
        return f"the interpreter {kind.interpreter} is Python {answer.python}; jobs need {oldest} or newer"
    return ""


def ask_interpreter(kind: WorkerKind, targets: Sequence[str], timeout: float) -> Answer:
    """Have the interpreter of a kind import targets, in the kind's environment, directory and account."""
    asked = json.dumps({"python_path": list(kind.python_path), "targets": list(targets)}).encode()
    switch: dict[str, Any] = {}
    if kind.who.switch is not None:
        uid, gid, groups = kind.who.switch
        switch = {"user": uid, "group": gid, "extra_groups": groups}
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as given:
        given.write(asked)
        given.seek(0)
        try:
            child = subprocess.Popen(
                [kind.interpreter, str(_ENTRY)],
                stdin=given,
                stdout=told,
                stderr=subprocess.DEVNULL,
                env=dict(kind.env),
                cwd=kind.cwd,
                umask=kind.umask,
                start_new_session=True,
                **switch,
            )
        except OSError as error:
            return Answer("", {}, (error.strerror or str(error)).lower())
        try:
            end = _see_through(child, told, timeout)
        finally:
            # Its session, with whatever the imports have started.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        told.seek(0)
        return _read(told.read(), end)


def _see_through(child: "subprocess.Popen[bytes]", told: IO[bytes], timeout: float) -> str:
    """Wait for its end, or until it has said nothing new for `timeout` seconds. How it ended, in words."""
    size, deadline = 0, time.monotonic() + timeout
    while True:
        try:
            code = child.wait(_STEP)
        except subprocess.TimeoutExpired:
            now_size = os.fstat(told.fileno()).st_size
            if now_size != size:
                size, deadline = now_size, time.monotonic() + timeout
            if time.monotonic() > deadline:
                return f"nothing for {timeout:g} s"
        else:
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _read(raw: bytes, end: str) -> Answer:
    python, said = "", {}
    for line in raw.decode(errors="replace").splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            break
        if not isinstance(answer, dict):
            break
        python = python or str(answer.get("python") or "")
        if "target" in answer:
            said[str(answer["target"])] = answer["error"]
    return Answer(python, said, end)


def line_of(documents: Iterable[Document], path: tuple[str, ...]) -> tuple[str, int]:
    """The file and line of a key, or of the nearest table around it; ("", 0) if no file has its table."""
    for document in documents:
        table: Any = document.table
        for part in path[:2]:
            table = table.get(part) if isinstance(table, dict) else None
        if table is not None:
            return document.file, document.line(path)
    return "", 0
