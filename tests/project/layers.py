"""The rules of the house, read from the source without running it.

`violations(root)` walks a tree of Python files under `root/jobrun` and says,
one line each, where it leaves the plan of `docs/architecture.md`. Imports are
read wherever they stand: at the top, inside a function, under TYPE_CHECKING,
or as text given to `import_module`.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Which rooms a room may import. Whatever is not named here is refused.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "domain": frozenset(),
    "task": frozenset(),
    "store": frozenset({"domain"}),
    "proc": frozenset({"domain", "task"}),
    "conf": frozenset({"domain"}),
    "wire": frozenset({"domain"}),
    "daemon": frozenset({"domain", "store", "proc", "conf", "wire"}),
    "api": frozenset({"domain", "store", "proc", "conf", "wire"}),
    "cli": frozenset({"domain", "store", "proc", "conf", "wire", "task"}),
    "__main__": frozenset({"cli"}),
    "": frozenset(),
}
# The one door from the command line to the daemon's room, and only inside a function.
DOORS: dict[str, frozenset[str]] = {"jobrun.cli.commands.daemon": frozenset({"daemon"})}

# Each third-party package, and the only modules that may know it (a module or everything below it).
ONE_IMPORTER: dict[str, tuple[str, ...]] = {
    "apscheduler": ("jobrun.daemon.alarm",),
    "cronsim": ("jobrun.domain.calendar",),
    "psutil": ("jobrun.proc",),
    "pydantic": ("jobrun.conf",),
    "pydantic_core": ("jobrun.conf",),
    "rich": ("jobrun.cli.render",),
    "sqlite_utils": ("jobrun.store.migrations",),
    "tomli_w": ("jobrun.conf.write",),
    "typer": ("jobrun.cli",),
}
# Parts of the standard library that belong to one room.
OWNED: dict[str, tuple[str, ...]] = {
    "asyncio": ("jobrun.daemon", "jobrun.task"),  # in task/ for coroutine jobs, in their own process
    "sqlite3": ("jobrun.store", "jobrun.cli.complete"),
    "subprocess": ("jobrun.proc", "jobrun.cli"),
}
# What pure functions need. Anything else of the standard library has a clock, a die or a file in it.
PURE = frozenset(
    {"__future__", "abc", "bisect", "calendar", "collections", "dataclasses", "datetime", "decimal"}
    | {"difflib", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math"}
    | {"operator", "re", "signal", "string", "textwrap", "types", "typing"}
)
ZONE_READERS = ("jobrun.domain.calendar", "jobrun.domain.zones")
# Reads of the clock or the world that need no import.
IMPURE_ATTRIBUTES = frozenset({"now", "today", "utcnow"})
IMPURE_NAMES = frozenset({"open", "print", "input", "__import__", "exec", "eval"})

DYNAMIC_IMPORTERS = ("jobrun.cli.tree", "jobrun.task")
LONGEST_MODULE = 400
VAGUE = ("util", "helper", "manager", "data", "misc", "common")


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the module it names, where it stands, and whether only a function performs it."""

    target: str
    line: int
    lazy: bool


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file of the tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part of the name below `jobrun`: a package, a top module, or "" for the package itself."""
        return [*self.name.split("."), ""][1]


def modules(root: Path) -> Iterator[Module]:
    """Every module of `root/jobrun`, by its dotted name."""
    for path in sorted((root / "jobrun").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text("utf-8")
        yield Module(name, path.relative_to(root), text, ast.parse(text, str(path)))


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, relative ones resolved, `from x import y` as `x.y`."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node, lazy in _walk(module.tree, lazy=False):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, node.lineno, lazy)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = _resolve(package, source, level)
                for alias in names:
                    yield Import(f"{base}.{alias.name}" if base else alias.name, node.lineno, lazy)
            case ast.Call(func=func, args=[first, *_]) if _called(func) in ("import_module", "__import__"):
                literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
                yield Import(first.value if literal else "*", node.lineno, lazy)
            case _:
                pass


def _walk(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, lazy
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, lazy=lazy or inside)


def _resolve(package: str, source: str | None, level: int) -> str:
    if not level:
        return source or ""
    parts = package.split(".")
    kept = parts[: len(parts) - level + 1]
    return ".".join([*kept, source] if source else kept)


def _called(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def violations(root: Path) -> list[str]:
    """Every place where the tree under `root/jobrun` breaks a rule, as `path:line: sentence`."""
    found: list[str] = []
    for module in modules(root):
        found += _form(module)
        for imported in imports(module):
            complaint = _judge(module, imported)
            if complaint:
                found.append(f"{module.path}:{imported.line}: {complaint}")
        if module.room == "domain":
            found += _impure(module)
    return found


def _form(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > LONGEST_MODULE:
        yield f"{module.path}:1: {lines} lines; a module has at most {LONGEST_MODULE}"
    if not (ast.get_docstring(module.tree) or "").strip():
        yield f"{module.path}:1: no docstring that says what lives here"
    pieces = {piece for part in module.path.with_suffix("").parts for piece in part.lower().split("_")}
    for word in VAGUE:
        if pieces & {word, f"{word}s"}:
            yield f'{module.path}:1: a name like "{word}" says nothing'


def _judge(module: Module, imported: Import) -> str | None:
    top = imported.target.split(".")[0]
    if imported.target == "*":
        return (
            None
            if _within(module.name, DYNAMIC_IMPORTERS)
            else "an import whose name is only known at run time"
        )
    if top == "jobrun":
        return _judge_room(module, imported)
    if top in sys.stdlib_module_names:
        return _judge_standard(module, top)
    if top not in ONE_IMPORTER:
        return f"{top} is not one of our packages"
    if not _within(module.name, ONE_IMPORTER[top]):
        return f"{top} belongs to {' and '.join(ONE_IMPORTER[top])}"
    return None


def _judge_room(module: Module, imported: Import) -> str | None:
    room = imported.target.split(".")[1] if "." in imported.target else ""
    if room == module.room or room not in MAY_IMPORT:  # the package's own words, such as jobrun.__version__
        return None
    if room in DOORS.get(module.name, ()):
        return None if imported.lazy else f"{room} must be imported inside the function that needs it"
    if room not in MAY_IMPORT.get(module.room, ()):
        return f"{module.room or 'jobrun'} may not import {room} ({imported.target})"
    return None


def _judge_standard(module: Module, top: str) -> str | None:
    if top in OWNED and not _within(module.name, OWNED[top]):
        return f"{top} belongs to {' and '.join(OWNED[top])}"
    if module.room == "domain" and top not in PURE:
        if top == "zoneinfo" and module.name in ZONE_READERS:
            return None
        return f"the ground floor is pure: no {top}"
    return None


def _impure(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_ATTRIBUTES:
            yield f"{module.path}:{node.lineno}: the ground floor is pure: no clock (.{node.func.attr}())"
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_NAMES:
            yield f"{module.path}:{node.lineno}: the ground floor is pure: no {node.func.id}()"


def _within(name: str, homes: tuple[str, ...]) -> bool:
    return any(name == home or name.startswith(home + ".") for home in homes)
