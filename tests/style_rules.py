"""The house style, one function per rule: each takes a parsed file and yields the lines that break it."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
NAMES_OF_NO_CONCEPT = {"utils.py", "util.py", "helpers.py", "misc.py"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError|for now|placeholder|stub)\b")
# Where users read: the name of a package or module directly below src/ganger.
PUBLIC_ROOMS = {"__init__", "client", "config", "errors", "integrations", "ports"}
PURE_ROOMS = {"core", "protocol"}
ROUNDABOUT_IO = {"open", "print", "input", "breakpoint", "__import__", "eval", "exec"}
BROAD = {"Exception", "BaseException"}
SAID_ELSEWHERE = {"overload", "override", "setter"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Offence = tuple[int, str]


class Source(NamedTuple):
    """A Python file, read and parsed once for all the rules."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: Path, text: str) -> "Source":
        """Parses a file whose path is given relative to the root of the checkout."""
        return cls(path, text, ast.parse(text))

    @property
    def room(self) -> str:
        """The package or module directly below src/ganger, or "" for a file elsewhere."""
        below = self.path.parts[2:] if self.path.parts[:2] == ("src", "ganger") else ()
        return below[0].removesuffix(".py") if below else ""

    @property
    def docstring(self) -> str:
        """The module's docstring, or ""."""
        return ast.get_docstring(self.tree) or ""


Rule = Callable[[Source], Iterator[Offence]]


def sources_below(*folders: str) -> list[Source]:
    """Reads every Python file below the given folders of the checkout that git would keep."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    visible = [
        path for path in paths if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    return [Source.of(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in visible]


def offences(rule: Rule, sources: list[Source]) -> list[str]:
    """Returns what breaks a rule, a line each, as `file:line: what`."""
    return [f"{source.path}:{line}: {what}" for source in sources for line, what in rule(source)]


# ------------------------------------------------------------------------------------------ shape of a file


def module_without_docstring(source: Source) -> Iterator[Offence]:
    """A module opens with its invariant or its one job."""
    if not source.docstring.strip():
        yield 1, "the module has no docstring"


def file_too_long(source: Source) -> Iterator[Offence]:
    """A long file says in its docstring why it is longer than others."""
    count = len(source.text.splitlines())
    if count > FILE_LINES_MAX and "longer than" not in source.docstring:
        yield 1, f"{count} lines, more than {FILE_LINES_MAX}, and no `longer than` in the docstring says why"


def function_too_long(source: Source) -> Iterator[Offence]:
    """A function fits on a screen and a half."""
    for function in _functions(source.tree):
        count = (function.end_lineno or function.lineno) - function.lineno + 1
        if count > FUNCTION_LINES_MAX:
            yield function.lineno, f"{function.name} has {count} lines, more than {FUNCTION_LINES_MAX}"


def name_of_no_concept(source: Source) -> Iterator[Offence]:
    """A file is one concept and named after it."""
    if source.path.name in NAMES_OF_NO_CONCEPT:
        yield 1, "the name of the file says no concept"


# ----------------------------------------------------------------------------------------- words and errors


def unfinished_work(source: Source) -> Iterator[Offence]:
    """What is on main is finished; what is not is an issue."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := UNFINISHED.search(line):
            yield number, f"a mark of unfinished work: {found.group()}"


def swallowed_exception(source: Source) -> Iterator[Offence]:
    """No handler takes everything without a name, and none takes everything and does nothing."""
    for handler in ast.walk(source.tree):
        if not isinstance(handler, ast.ExceptHandler):
            continue
        if handler.type is None:
            yield handler.lineno, "a bare `except:`"
        elif BROAD & set(_names_in(handler.type)) and all(map(_does_nothing, handler.body)):
            yield handler.lineno, f"`except {ast.unparse(handler.type)}` that does nothing"


def public_name_without_docstring(source: Source) -> Iterator[Offence]:
    """Where users read, every public class, function and method has a docstring."""
    if source.room in PUBLIC_ROOMS:
        yield from _undocumented(source.tree.body)


def skipped_test(source: Source) -> Iterator[Offence]:
    """A skip hides what is missing; only `skipif(sys.platform …)` may mark a platform's own tests."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute) or node.attr not in {
            "skip",
            "skipif",
            "importorskip",
            "xfail",
        }:
            continue
        owner = ast.unparse(node.value)
        line = source.text.splitlines()[node.lineno - 1]
        if owner.startswith(("pytest", "unittest")) and not (
            node.attr == "skipif" and "sys.platform" in line
        ):
            yield node.lineno, f"a test that does not run: {owner}.{node.attr}"


# ------------------------------------------------------------------------------------------- the pure rooms


def any_in_a_pure_room(source: Source) -> Iterator[Offence]:
    """The core and the protocol say what each value is."""
    if source.room not in PURE_ROOMS:
        return
    for node in ast.walk(source.tree):
        imported = isinstance(node, ast.ImportFrom) and any(alias.name == "Any" for alias in node.names)
        if imported or (isinstance(node, ast.Attribute) and node.attr == "Any"):
            yield node.lineno, "`Any` in a pure room"


def io_in_a_pure_room(source: Source) -> Iterator[Offence]:
    """Lint contracts see imports; this sees the builtins that reach outside without one."""
    if source.room not in PURE_ROOMS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ROUNDABOUT_IO:
            yield node.lineno, f"`{node.func.id}()` in a pure room"


# -------------------------------------------------------------------------------------------------- helpers


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _names_in(expression: ast.expr) -> list[str]:
    members = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return [ast.unparse(member).rpartition(".")[2] for member in members]


def _does_nothing(statement: ast.stmt) -> bool:
    bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return bare or isinstance(statement, ast.Pass | ast.Continue)


def _undocumented(body: list[ast.stmt]) -> Iterator[Offence]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        marks = {_names_in(mark)[0] for mark in node.decorator_list}
        if ast.get_docstring(node) is None and not marks & SAID_ELSEWHERE:
            yield node.lineno, f"the public name {node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body)
