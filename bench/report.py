"""Writes the measured part of ``docs/reference/performance.md``, and its plots.

    python -m bench.report [--run ID] [--results FILE] [--to FILE]

Only what stands between the two markers is replaced; the prose around it is written by people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import tables
from bench.aims import list_aims
from bench.formatting import figure, table
from bench.paths import REPORT, RESULTS
from bench.peers import ENTRIES
from bench.plots import Bar, bar_chart, range_text
from bench.results import Results, Row, Spread, choose_rows, read_rows

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NEW_PAGE = f"""# Performance

How fast ganger is beside its peers, and what it costs. `bench/README.md` tells what each workload measures
and how to repeat it. Figures of two days or two machines cannot be compared, the ratios within one run can.

{BEGIN}
{END}
"""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: a metric of a workload; the whisker is the range, or reaches to another metric."""

    name: str
    title: str
    caption: str
    workload: str
    metric: str
    reaches_to: str | None = None


PLOTS = (
    Plot("throughput", "No-op tasks, one by one", "tasks/s, more is better", "submit", "tasks_per_s"),
    Plot(
        "round-trip",
        "Round trip of one task",
        "µs, p50 to p99, less is better",
        "round_trip",
        "p50_us",
        "p99_us",
    ),
    Plot("tree", "Tree of dependent tasks", "tasks/s, more is better", "tree", "tasks_per_s"),
    Plot("payload", "100 KiB there and back", "MB/s both ways, more is better", "payload_100k", "mb_per_s"),
    Plot("cold-start", "Cold start to first result", "s, less is better", "cold_start", "first_result_s"),
    Plot(
        "memory",
        "Memory of a queued task, where the queue lies",
        "bytes, less is better",
        "memory",
        "master_bytes_per_task",
    ),
)


def write_report(results_path: Path, page: Path, runs: tuple[str, ...] = ()) -> Path:
    """Write the measured part of ``page`` and the plots beside it.

    Args:
        results_path: The JSON lines.
        page: The Markdown file; it is made if it is not there.
        runs: The runs to report; by default the newest complete one, or else the newest.

    Returns:
        The path of the page.

    Raises:
        LookupError: If there is no such run, or the page has lost its markers.
    """
    results = Results(choose_rows(read_rows(results_path), runs))
    plots = _write_plots(results, page.with_suffix(""))
    text = page.read_text(encoding="utf-8") if page.exists() else NEW_PAGE
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LookupError(f"{page} has no lines {BEGIN} and {END}")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{BEGIN}\n\n{_measured(results, plots)}\n{END}{after}", encoding="utf-8")
    return page


def _measured(results: Results, plots: dict[str, str]) -> str:
    aims = table(["", "aim", "measured", ""], [aim.cells() for aim in list_aims(results)])
    master_cpu = tables.master_cpu_table(results)
    throughput = tables.throughput_table(results)
    parts = [
        _provenance(results.rows),
        "## Aims\n", aims,
        "## Throughput\n", plots.get("throughput", ""), throughput, plots.get("tree", ""),
        "## Latency and balance\n", plots.get("round-trip", ""), tables.latency_table(results),
        "## Payloads\n", plots.get("payload", ""), tables.payload_table(results),
        "## Start, idle, and queued tasks\n", plots.get("cold-start", ""), plots.get("memory", ""),
        tables.cost_table(results),
        "## The master as the cluster grows\n" if master_cpu else "", master_cpu,
        _absences(results),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _absences(results: Results) -> str:
    listed = tables.absences(results)
    return f"## What has no figure\n\n{listed}" if listed else ""


def _provenance(rows: Sequence[Row]) -> str:
    """Return when, where, with which command and which versions this was measured."""
    first, last = rows[0], rows[-1]
    machine = first.machine
    versions = sorted({f"{name} {number}" for row in rows for name, number in row.versions.items()})
    minutes = sum(row.took_s for row in rows) / 60
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(row.command for row in rows))
    loads = [row.load_1m for row in rows]
    mode = "" if first.complete else f"This is no complete run (mode {first.mode}): take it as a sample.\n"
    return (
        f"Measured on {last.at[:10]} with {commands} ({len(rows)} measurements, {minutes:.0f} min) on "
        f"{machine['cores']} cores ({machine['cpu']}, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Linux {machine['kernel']}), sources {first.sources or 'without a commit'}.\n"
        f"Versions: {', '.join(versions)}.\n"
        "Two slots everywhere (four for the sleeps), every peer with its own defaults. "
        "The figures are medians, least and greatest round stand in brackets. "
        f"Load of the machine before a measurement: {min(loads):.1f}–{max(loads):.1f}.\n{mode}"
    )


def _write_plots(results: Results, folder: Path) -> dict[str, str]:
    """Write the plots for which there are figures; return the Markdown that shows each."""
    shown = {}
    for plot in PLOTS:
        bars = list(_bars(results, plot))
        if bars:
            folder.mkdir(parents=True, exist_ok=True)
            picture = bar_chart(plot.title, plot.caption, bars)
            (folder / f"{plot.name}.svg").write_text(picture, encoding="utf-8")
            shown[plot.name] = f"![{plot.title}]({folder.name}/{plot.name}.svg)\n"
    return shown


def _bars(results: Results, plot: Plot) -> Iterator[Bar]:
    for peer, entry in ENTRIES.items():
        spread = results.spread(peer, plot.workload, plot.metric)
        if spread is None or spread.low <= 0:
            continue
        low, high = _whisker(results, plot, peer, spread)
        text = f"{figure(low)} / {figure(high)}" if plot.reaches_to else range_text(spread.median, low, high)
        yield Bar(entry.title, spread.median, low, high, text, ours=peer.startswith("ganger"))


def _whisker(results: Results, plot: Plot, peer: str, spread: Spread) -> tuple[float, float]:
    if plot.reaches_to is None:
        return spread.low, spread.high
    far = results.spread(peer, plot.workload, plot.reaches_to)
    return spread.median, far.median if far is not None else spread.median


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description="Write the measured part.")
    parser.add_argument(
        "--run", action="append", default=[], metavar="ID", help="report this run; repeatable"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--to", type=Path, default=REPORT, metavar="FILE", help="the page to write")
    options = parser.parse_args(arguments)
    try:
        page = write_report(options.results, options.to, tuple(options.run))
    except (LookupError, FileNotFoundError) as error:
        print(f"error: {error}\nhint: measure first with: python -m bench", file=sys.stderr)
        return 1
    print(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
