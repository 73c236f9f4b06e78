"""What the reader sees is put into words here; the meaning stands in the text, never in colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from census.counting import Census
from census.faults import Shares

MODULES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall times of one run in seconds.

    Attributes:
        plain_s: the plain loop, from the first file to the total.
        start_s: starting the cluster.
        cluster_s: the cluster, from the first submission to the total, faults included.
        slots: how many tasks the cluster runs at a time.
    """

    plain_s: float
    start_s: float
    cluster_s: float
    slots: int


def progress_bar(console: Console) -> Progress:
    """Make the bar; it advances by bytes, because the time of a file follows its size."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TextColumn("{task.fields[files]} files"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def totals_table(total: Census) -> Table:
    """Tabulate what was counted."""
    table = _table("The census", "what", "how many")
    table.add_row("files", f"{total.files:,}")
    table.add_row("size", f"{total.size_bytes / 1e6:,.1f} MB")
    table.add_row("lines", f"{total.lines:,}")
    table.add_row("functions", f"{total.functions:,}")
    table.add_row("classes", f"{total.classes:,}")
    for kind, files in sorted(total.unparsed.items()):
        table.add_row(f"files with {kind}", f"{files:,}")
    return table


def longest_table(total: Census, roots: Sequence[str]) -> Table:
    """Tabulate the longest functions and where they stand."""
    table = Table(
        "lines",
        "function",
        "where",
        title="The longest functions",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.columns[0].justify = "right"
    for function in total.longest:
        where = f"{_shorten(function.path, roots)}:{function.line}"
        table.add_row(f"{function.length_lines:,}", Text(function.name), Text(where, overflow="fold"))
    return table


def imports_table(total: Census) -> Table:
    """Tabulate the modules that most files import."""
    table = _table("The most-used imports", "module", "files")
    ranked = sorted(total.importers.items(), key=lambda item: (-item[1], item[0]))
    for module, files in ranked[:MODULES_SHOWN]:
        table.add_row(module, f"{files:,}")
    return table


def shares_table(shares: Shares) -> Table:
    """Tabulate how many tasks each worker did, merges included."""
    table = Table(
        "worker",
        "process",
        "tasks",
        "share",
        title="Who did the work",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in table.columns[1:]:
        column.justify = "right"
    all_tasks = sum(shares.tasks_done.values())
    for (name, pid), tasks in sorted(shares.tasks_done.items()):
        label = f"{name} (killed)" if (name, pid) in shares.killed else name
        share = tasks / all_tasks if all_tasks else 0.0
        table.add_row(label, str(pid), f"{tasks:,}", f"{share:.0%}")
    return table


def slowest_line(total: Census, roots: Sequence[str]) -> Text:
    """Name the file that took longest on the cluster."""
    slowest_ns, path = total.slowest
    return Text(f"The slowest file took {slowest_ns / 1e6:,.0f} ms: {_shorten(path, roots)}")


def speed_table(timings: Timings) -> Table:
    """Set the two wall times side by side and say what they contain."""
    table = Table(
        "", "", "what it contains", title="How fast", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.columns[1].justify = "right"
    with_start = timings.plain_s / (timings.start_s + timings.cluster_s)
    table.add_row("plain loop", f"{timings.plain_s:.2f} s", "the same files and functions, in one process")
    table.add_row(
        "ganger",
        f"{timings.cluster_s:.2f} s",
        f"{timings.slots} slots, first submission to total, losses included",
    )
    table.add_row("speed-up", f"{timings.plain_s / timings.cluster_s:.2f} ×", "plain loop ÷ ganger")
    table.add_row(
        "with start",
        f"{with_start:.2f} ×",
        f"plus the {timings.start_s:.2f} s that the cluster took to start",
    )
    return table


def differences(expected: Census, found: Census) -> list[str]:
    """Name every field in which two censuses differ, timings aside.

    Returns:
        One line for each such field; none when the censuses are equal.
    """
    pairs: Iterable[tuple[str, object, object]] = (
        ("files", expected.files, found.files),
        ("size_bytes", expected.size_bytes, found.size_bytes),
        ("lines", expected.lines, found.lines),
        ("classes", expected.classes, found.classes),
        ("functions", expected.functions, found.functions),
        ("longest", expected.longest, found.longest),
        ("importers", expected.importers, found.importers),
        ("unparsed", expected.unparsed, found.unparsed),
    )
    return [f"{name}: the plain loop has {a}, the cluster {b}" for name, a, b in pairs if a != b]


def whole_report(total: Census, shares: Shares, timings: Timings, roots: Sequence[str]) -> RenderableType:
    """Put the tables one below the other."""
    return Group(
        totals_table(total),
        longest_table(total, roots),
        imports_table(total),
        slowest_line(total, roots),
        Text(),
        shares_table(shares),
        speed_table(timings),
    )


def _table(title: str, left: str, right: str) -> Table:
    table = Table(left, right, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.columns[1].justify = "right"
    return table


def _shorten(path: str, roots: Sequence[str]) -> str:
    # The longest root first: site-packages may lie inside the folder of the standard library.
    for root in sorted(roots, key=len, reverse=True):
        if path.startswith(root + "/"):
            path = path.removeprefix(root + "/")
            break
    # A name that is no valid text is shown with escapes.
    return path.encode("utf-8", "backslashreplace").decode()
