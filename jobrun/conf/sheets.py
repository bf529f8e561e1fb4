"""From documents to levels: every table of every file, checked by itself.

The main file may hold all six kinds of tables. A file in jobs.d holds jobs
and templates alone, so that settings, defaults, queues and pools, which touch
many jobs, stand in one place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jobrun.conf.document import Document
from jobrun.conf.merge import Layer
from jobrun.conf.model.checks import check_name, kind_of
from jobrun.conf.model.faults import take, unknown_key
from jobrun.conf.model.options import DefaultsTable, JobTable, RunOptions, Table
from jobrun.conf.model.tables import JobFileTables, PoolTable, QueueTable, SettingsTable
from jobrun.conf.problems import Fault, Key, Problem
from jobrun.conf.rules import check_pool, check_table

_IN_JOBS_D = ("jobs", "templates")


@dataclass
class Sheets:
    """The tables of all files. Jobs, templates, queues and pools by name; problems as they were met."""

    settings: Layer | None = None
    defaults: Layer | None = None
    queues: dict[str, Layer] = field(default_factory=dict)
    pools: dict[str, Layer] = field(default_factory=dict)
    queue_defaults: dict[str, Layer] = field(default_factory=dict)
    templates: dict[str, Layer] = field(default_factory=dict)
    jobs: dict[str, Layer] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def collect(documents: Sequence[Document], main: str) -> Sheets:
    """Check every table of every document. `main` is the name of the main file."""
    sheets = Sheets()
    for document in documents:
        _Collector(document, sheets, is_main=document.file == main).run()
    return sheets


def check_layer(document: Document, path: Key, model: type[Table], raw: Any) -> tuple[Layer, list[Fault]]:
    """One table as a level, and all of its own faults."""
    values, bad, faults = take(model, raw)
    layer = Layer(document, path, values, bad)
    has_rules = issubclass(model, RunOptions) and isinstance(raw, dict)
    return layer, [*faults, *(check_table(layer) if has_rules else ())]


class _Collector:
    def __init__(self, document: Document, sheets: Sheets, *, is_main: bool) -> None:
        self._document = document
        self._sheets = sheets
        self._is_main = is_main

    def run(self) -> None:
        for key, raw in self._document.table.items():
            if key not in JobFileTables.model_fields:
                self._fault((), unknown_key(JobFileTables, (key,)))
            elif not self._is_main and key not in _IN_JOBS_D:
                hint = "Move it into the main file."
                self._fault((), Fault("a file in jobs.d holds jobs and templates only", hint, (key,)))
            elif not isinstance(raw, dict):
                self._fault((), Fault(f"expected {_form(key)}, not {_kind(raw)}", at=(key,)))
            else:
                self._table(key, raw)

    def _table(self, key: str, raw: dict[str, Any]) -> None:
        match key:
            case "jobrun":
                self._sheets.settings = self._layer((key,), SettingsTable, raw)
            case "defaults":
                self._sheets.defaults = self._layer((key,), DefaultsTable, raw)
            case "queues":
                for name, table in raw.items():
                    if self._is_name("queues", name):
                        self._queue(name, table)
            case "pools":
                for name, table in raw.items():
                    if self._is_name("pools", name):
                        self._pool(name, table)
            case "templates":
                self._named("templates", raw, self._sheets.templates)
            case "jobs":
                self._named("jobs", raw, self._sheets.jobs)

    def _queue(self, name: str, raw: Any) -> None:
        path = ("queues", name)
        layer = self._layer(path, QueueTable, raw)
        self._sheets.queues[name] = layer
        defaults = raw.get("defaults") if isinstance(raw, dict) else None
        if isinstance(defaults, dict):
            # The model has checked it as a part of the queue; here it becomes a level of its own.
            values, bad, _ = take(RunOptions, defaults)
            below = Layer(self._document, (*path, "defaults"), values, bad)
            self._sheets.queue_defaults[name] = below
            for fault in check_table(below):
                self._fault(below.path, fault)

    def _pool(self, name: str, raw: Any) -> None:
        layer = self._layer(("pools", name), PoolTable, raw)
        self._sheets.pools[name] = layer
        for fault in check_pool(layer):
            self._fault(layer.path, fault)

    def _named(self, key: str, raw: dict[str, Any], known: dict[str, Layer]) -> None:
        for name, table in raw.items():
            if not self._is_name(key, name):
                continue
            if name in known:
                first = known[name].place()
                fault = Fault(f"is defined twice; the first time at {first}", "Remove or rename one of them.")
                self._fault((key, name), fault)
                continue
            known[name] = self._layer((key, name), JobTable, table)

    def _is_name(self, key: str, name: str) -> bool:
        try:
            check_name(name)
        except Fault as fault:
            self._fault((key, name), fault)
            return False
        return True

    def _layer(self, path: Key, model: type[Table], raw: Any) -> Layer:
        layer, faults = check_layer(self._document, path, model, raw)
        for fault in faults:
            self._fault(path, fault)
        return layer

    def _fault(self, path: Key, fault: Fault) -> None:
        self._sheets.problems.append(self._document.problem(path, fault))


def _form(key: str) -> str:
    return f"[{key}.NAME] tables" if key in ("queues", "pools", "templates", "jobs") else f"a [{key}] table"


def _kind(raw: object) -> str:
    is_array_of_tables = isinstance(raw, list) and raw and isinstance(raw[0], dict)
    return "an array of tables ([[…]])" if is_array_of_tables else kind_of(raw)
