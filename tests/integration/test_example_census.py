"""The census counts the same on a cluster that loses workers as in a loop; its parts hold by themselves."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import pytest
from census.counting import LONGEST_KEPT, Census, FunctionSpan, census_of_file, census_of_source, merge
from census.report import differences
from census.sources import Source, find_sources, sample
from census.tree import FAN_IN, plain_loop, submit_tree
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from ganger import Client

EXAMPLE = Path(__file__).parents[2] / "examples" / "codebase_census.py"

T = TypeVar("T")

SOURCE = b"""\
import os.path
import os
from collections.abc import Iterable
from . import neighbour
from .neighbour import thing

class Outer:
    async def wait(self):
        def inner():
            return 1
        return inner
"""


class Value(Generic[T]):
    """A future that has its result from the start."""

    def __init__(self, value: T) -> None:
        self.value = value


class SerialClient:
    """Runs each call at once in this process, and puts values in the place of futures."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, function: Callable[..., T], *arguments: object) -> Value[T]:
        self.calls += 1
        return Value(function(*(a.value if isinstance(a, Value) else a for a in arguments)))

    def submit_many(self, function: Callable[..., T], items: Iterable[object]) -> list[Value[T]]:
        return [self.submit(function, item) for item in items]


def write_modules(folder: Path, count: int) -> list[str]:
    paths = [folder / f"module_{number}.py" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("import os\n" + f"def f_{number}():\n" + "    pass\n" * (number % 7 + 1))
    return [str(path) for path in paths]


def test_a_file_is_counted_by_what_stands_in_it() -> None:
    census = census_of_source(SOURCE, "a.py")
    assert census == Census(
        files=1,
        size_bytes=len(SOURCE),
        lines=11,
        classes=1,
        functions=2,
        longest=(FunctionSpan("a.py", 8, "wait", 4), FunctionSpan("a.py", 9, "inner", 2)),
        importers={"os": 1, "collections": 1},
    )
    assert census.slowest[1] == "a.py"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (b"def f(:\n", "SyntaxError"),
        (b"# coding: no-such\n", "SyntaxError"),
        (b"x = '\xff'\n", "SyntaxError"),
    ],
)
def test_a_file_that_does_not_parse_is_counted_under_its_error(source: bytes, kind: str) -> None:
    census = census_of_source(source, "bad.py")
    assert (census.files, census.lines, census.unparsed) == (1, 1, {kind: 1})
    assert census.functions == 0


def test_old_escape_sequences_warn_nobody() -> None:
    assert census_of_source(b"x = '\\d'\n", "old.py").unparsed == {}


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        census_of_file(str(tmp_path / "absent.py"))


spans = st.builds(
    FunctionSpan, st.sampled_from("abc"), st.integers(1, 3), st.sampled_from("fg"), st.integers(1, 4)
)
counts = st.dictionaries(st.sampled_from(["os", "sys", "re"]), st.integers(1, 9))
number = st.integers(0, 10**6)
leaves = st.builds(
    Census,
    files=number,
    size_bytes=number,
    lines=number,
    classes=number,
    functions=number,
    longest=st.lists(spans, max_size=3).map(lambda found: merge(Census(longest=tuple(found))).longest),
    importers=counts,
    unparsed=counts,
    parse_ns=number,
    slowest=st.tuples(number, st.sampled_from("abc")),
)


@given(st.lists(leaves, max_size=9), st.integers(1, 4), st.randoms())
def test_any_order_and_grouping_of_merges_gives_one_total(
    parts: list[Census], fan_in: int, random: Random
) -> None:
    expected = merge(*parts)
    shuffled = list(parts)
    random.shuffle(shuffled)
    groups = [merge(*shuffled[start : start + fan_in]) for start in range(0, len(shuffled), fan_in)]
    found = merge(*groups)
    assert found == expected
    assert (found.parse_ns, found.slowest) == (expected.parse_ns, expected.slowest)
    assert merge(expected, Census()) == expected


def test_only_the_longest_functions_are_kept() -> None:
    source = b"".join(b"def f%d():\n" % n + b"    pass\n" * (n + 1) for n in range(LONGEST_KEPT + 3))
    lengths = [span.length_lines for span in census_of_source(source, "a.py").longest]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == LONGEST_KEPT + 4
    assert len(lengths) == LONGEST_KEPT


def test_a_difference_is_named_by_its_field() -> None:
    assert differences(Census(files=2, parse_ns=1), Census(files=2, parse_ns=9)) == []
    assert differences(Census(files=2), Census(files=3)) == ["files: the plain loop has 2, the cluster 3"]


def test_the_tree_gives_the_total_of_the_plain_loop(tmp_path: Path) -> None:
    paths = write_modules(tmp_path, FAN_IN * FAN_IN + 1)
    client = SerialClient()
    parts, root = submit_tree(cast("Client", client), paths)
    assert cast("Value[Census]", root).value == plain_loop(paths)
    assert len(parts) == len(paths)
    # One task per file; FAN_IN + 1 merges over them, 2 over those, and the root.
    assert client.calls == len(paths) + FAN_IN + 1 + 2 + 1


def test_the_tree_over_no_files_is_the_empty_census() -> None:
    parts, root = submit_tree(cast("Client", SerialClient()), [])
    assert parts == []
    assert cast("Value[Census]", root).value == Census()


def test_a_file_is_found_once_whichever_roots_hold_it(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    (packages / "inner").mkdir(parents=True)
    for name in ("a.py", "site-packages/b.py", "site-packages/inner/c.py", "site-packages/notes.txt"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    found = find_sources([str(tmp_path), str(packages), str(packages / "inner")])
    assert [source.key for source in found] == ["a.py", "b.py", "inner/c.py"]


def test_a_sample_is_the_same_each_time_and_hands_out_large_files_first() -> None:
    sources = [Source(f"/r/{n}.py", f"{n}.py", n) for n in range(1, 101)]
    chosen = sample(sources, 10, 0)
    assert chosen == sample(list(reversed(sources)), 10, 0)
    assert len(chosen) == 10
    assert [source.size_bytes for source in chosen] == sorted((s.size_bytes for s in chosen), reverse=True)


def test_without_a_number_of_files_a_sample_is_bounded_by_size() -> None:
    sources = [Source(f"/r/{n}.py", f"{n}.py", 10) for n in range(100)]
    assert len(sample(sources, None, 255)) == 25
    assert len(sample(sources, None, 1000)) == 100


def test_the_example_loses_an_executor_and_a_worker_and_its_totals_are_those_of_the_loop() -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), "--files", "300", "--slots", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("SIGKILL to process") == 2, run.stderr
    assert "The totals of the cluster and of the plain loop are equal." in run.stdout


def test_a_number_of_files_that_cannot_be_meant_is_refused() -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), "--files", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert run.returncode == 2
    assert "0 is less than 1" in run.stderr
    assert "Traceback" not in run.stderr
