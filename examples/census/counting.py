"""The census of a file depends on its bytes alone, and a merge does not depend on its order.

Theory: ``merge`` is associative and commutative, and ``Census()`` is its neutral element. Sums and sums by
key are so by nature; "the longest functions" is so because functions have a total order, and one that is not
among the first k of a part cannot be among the first k of the whole. A tree of merges therefore gives the
same total as a loop, however the work was spread and however often an attempt was repeated.
"""

import ast
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

LONGEST_KEPT = 5


@dataclass(frozen=True, slots=True)
class FunctionSpan:
    """A function and how far it reaches.

    Attributes:
        path: the file it stands in.
        line: the line of its ``def``, counted from 1.
        name: its bare name.
        length_lines: lines from its ``def`` to its end, both included.
    """

    path: str
    line: int
    name: str
    length_lines: int

    def rank(self) -> tuple[int, str, int, str]:
        """Return the sort key that puts longer functions first and leaves no ties between two functions."""
        return (-self.length_lines, self.path, self.line, self.name)


@dataclass(frozen=True, slots=True)
class Census:
    """What was counted in one file or in many.

    The timings differ from run to run, so they take no part in comparisons.

    Attributes:
        files: files that were counted, those that do not parse included.
        size_bytes: their size on disk.
        lines: their lines.
        classes: class definitions.
        functions: function definitions, asynchronous and nested ones included.
        longest: the ``LONGEST_KEPT`` longest functions, the longest first.
        importers: for each top-level module, how many files import it absolutely.
        unparsed: for each kind of error, how many files did not parse because of it.
        parse_ns: time spent parsing and walking, in nanoseconds.
        slowest: the longest such time of one file in nanoseconds, and its path.
    """

    files: int = 0
    size_bytes: int = 0
    lines: int = 0
    classes: int = 0
    functions: int = 0
    longest: tuple[FunctionSpan, ...] = ()
    importers: Mapping[str, int] = field(default_factory=dict)
    unparsed: Mapping[str, int] = field(default_factory=dict)
    parse_ns: int = field(default=0, compare=False)
    slowest: tuple[int, str] = field(default=(0, ""), compare=False)


def census_of_file(path: str) -> Census:
    """Parse one file and count what is in it.

    A file that does not parse is a finding, not a failure: it is counted under its kind of error.

    Args:
        path: a Python source file.

    Returns:
        The census of that file alone.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        source = file.read()
    return census_of_source(source, path)


def census_of_source(source: bytes, path: str) -> Census:
    """Count what is in ``source``; ``path`` only names it. See `census_of_file`."""
    begun_ns = time.perf_counter_ns()
    lines = len(source.splitlines())
    try:
        nodes = list(ast.walk(_parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        taken_ns = time.perf_counter_ns() - begun_ns
        return Census(
            files=1,
            size_bytes=len(source),
            lines=lines,
            unparsed={type(error).__name__: 1},
            parse_ns=taken_ns,
            slowest=(taken_ns, path),
        )
    functions = list(_functions(nodes, path))
    classes = sum(isinstance(node, ast.ClassDef) for node in nodes)
    importers = dict.fromkeys(_imported_modules(nodes), 1)
    taken_ns = time.perf_counter_ns() - begun_ns
    return Census(
        files=1,
        size_bytes=len(source),
        lines=lines,
        classes=classes,
        functions=len(functions),
        longest=_longest(functions),
        importers=importers,
        parse_ns=taken_ns,
        slowest=(taken_ns, path),
    )


def merge(*parts: Census) -> Census:
    """Add censuses up, in any order and any grouping.

    Args:
        parts: the censuses of disjoint sets of files.

    Returns:
        The census of all those files; of no files when there are no parts.
    """
    return Census(
        files=sum(part.files for part in parts),
        size_bytes=sum(part.size_bytes for part in parts),
        lines=sum(part.lines for part in parts),
        classes=sum(part.classes for part in parts),
        functions=sum(part.functions for part in parts),
        longest=_longest(chain.from_iterable(part.longest for part in parts)),
        importers=_sum_by_key(part.importers for part in parts),
        unparsed=_sum_by_key(part.unparsed for part in parts),
        parse_ns=sum(part.parse_ns for part in parts),
        slowest=max((part.slowest for part in parts), default=(0, "")),
    )


def _parse(source: bytes) -> ast.Module:
    # Old code warns about its escape sequences while it is parsed; that is no part of a census.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _functions(nodes: Iterable[ast.AST], path: str) -> Iterator[FunctionSpan]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last_line = node.end_lineno or node.lineno
            yield FunctionSpan(path, node.lineno, node.name, last_line - node.lineno + 1)


def _longest(functions: Iterable[FunctionSpan]) -> tuple[FunctionSpan, ...]:
    return tuple(sorted(functions, key=FunctionSpan.rank)[:LONGEST_KEPT])


def _imported_modules(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                continue


def _sum_by_key(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
