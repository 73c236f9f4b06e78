"""Count the Python code that this machine has, first with a plain loop, then on a cluster that loses workers.

Every file of the standard library and of site-packages is parsed in a task of its own, and a tree of
dependent tasks adds the findings up. When a third of the bytes are counted, one executor is killed with
SIGKILL; when two thirds are, a whole worker. The run succeeds only if the cluster's totals equal those of the
plain loop.

Run it with ``make demo``, or ``python examples/codebase_census.py``.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from census.counting import Census
from census.faults import FAULTS, Fault, Shares
from census.report import Timings, differences, progress_bar, whole_report
from census.sources import Source, find_sources, installed_roots, read_once, sample
from census.tree import plain_loop, submit_tree
from rich.console import Console

import ganger
from ganger.errors import GangerError

WORKERS = 2
SIZE_BYTES_MAX = 64_000_000
"""Parsing takes about 0.2 s per MB on the machines that this was written on, so this much keeps the whole run
below a minute even where it takes twice as long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the census; return 0 if the totals are equal, 1 if they differ or an error ended the run."""
    options = _parse_arguments(arguments)
    narration = Console(stderr=True, highlight=False)
    try:
        return _take_census(options, narration)
    except (GangerError, OSError) as error:
        narration.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1


def _take_census(options: argparse.Namespace, narration: Console) -> int:
    page = Console(highlight=False)
    roots = installed_roots()
    sources = _choose_sources(roots, options.files, narration)

    narration.print("Counting with a plain loop …")
    begun = time.perf_counter()
    expected = plain_loop([source.path for source in sources])
    plain_s = time.perf_counter() - begun

    slots = WORKERS * options.slots
    narration.print(
        f"That took {plain_s:.2f} s. Starting a cluster: {WORKERS} workers, {slots} slots in all."
    )
    shares = Shares()
    begun = time.perf_counter()
    with ganger.Cluster(workers=WORKERS, slots=options.slots) as cluster:
        ready = time.perf_counter()
        total = _count_on(cluster, sources, () if options.calm else FAULTS, shares, narration)
        timings = Timings(plain_s, ready - begun, time.perf_counter() - ready, slots)
        shares.observe(cluster)

    page.print(whole_report(total, shares, timings, roots))
    return _verdict(expected, total, page)


def _choose_sources(roots: Sequence[str], files_max: int | None, narration: Console) -> list[Source]:
    found = find_sources(roots)
    sources = sample(found, files_max, SIZE_BYTES_MAX)
    size_mb = sum(source.size_bytes for source in sources) / 1e6
    narration.print(f"Found {len(found):,} Python files in:")
    for root in roots:
        narration.print(f"  {root}", markup=False)
    if len(sources) < len(found):
        narration.print(f"Taking a sample of {len(sources):,} files, {size_mb:.1f} MB, the same in each run.")
    else:
        narration.print(f"Taking all of them, {size_mb:.1f} MB.")
    narration.print("Reading each once, untimed, so that both sides find them in memory.")
    read_once(sources)
    return sources


def _count_on(
    cluster: ganger.Cluster,
    sources: Sequence[Source],
    faults: Sequence[Fault],
    shares: Shares,
    narration: Console,
) -> Census:
    """Run the tree, show how far it is, and strike in the middle of it."""
    # An attempt that dies with its executor or its worker is not the task's fault: it may be tried again.
    leaves, root = submit_tree(cluster.options(losses_max=5), [source.path for source in sources])
    size_bytes = sum(source.size_bytes for source in sources)
    waiting = list(faults)
    counted_bytes = 0
    with progress_bar(narration) as progress:
        bar = progress.add_task("Parsing", total=size_bytes, files=0)
        for files, future in enumerate(ganger.as_completed(leaves), start=1):
            counted_bytes += future.result().size_bytes
            progress.update(bar, completed=counted_bytes, files=f"{files:,}")
            if waiting and counted_bytes >= waiting[0].due * size_bytes:
                sentence = waiting[0].strike(cluster, shares)
                if sentence is not None:
                    waiting.pop(0)
                    narration.print(
                        f"After {files:,} files: {sentence}", style="bold", markup=False, soft_wrap=True
                    )
    for fault in waiting:
        narration.print(f"The work was over before {fault.name} could be killed.")
    return root.result()


def _verdict(expected: Census, total: Census, page: Console) -> int:
    if expected == total:
        page.print("\nThe totals of the cluster and of the plain loop are equal.", style="bold")
        return 0
    page.print("\nerror: the totals of the cluster and of the plain loop differ", style="bold")
    for line in differences(expected, total):
        page.print(f"  {line}", markup=False)
    page.print("hint: a file may have changed in between; run it again, and report it if it happens twice")
    return 1


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Count the Python code of this machine on a ganger cluster.")
    parser.add_argument("--files", type=_at_least_one, metavar="N", help="count a sample of N files")
    parser.add_argument(
        "--slots",
        type=_at_least_one,
        metavar="N",
        default=max(1, _cores() // WORKERS),
        help="slots of each of the two workers (default: half of the cores)",
    )
    parser.add_argument("--calm", action="store_true", help="kill nothing")
    return parser.parse_args(arguments)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())
