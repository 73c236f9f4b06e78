"""``ganger bench``: a quick look at this machine, on an embedded cluster; `make bench` is the measurement."""

from __future__ import annotations

import time
from statistics import median

import click

from ganger.cli import logs
from ganger.cli.amounts import show_seconds
from ganger.cli.documents import BenchDocument
from ganger.cli.invocation import Invocation
from ganger.cli.options import output_option, set_option, verbose_option
from ganger.cli.output import print_fields, show
from ganger.cli.plans import share_cores
from ganger.client.cluster import Cluster
from ganger.runtime.environment import runtime_of_this_process

WARM_UP_TASKS = 5_000
ROUND_TRIPS = 1_000
TASKS = 50_000
RUNS = 3
"""Throughput is the median of so many runs."""


@click.command()
@click.option(
    "--slots", type=click.IntRange(min=1), metavar="N", help="Executors.  [default: this machine's cores]"
)
@click.option(
    "--tasks",
    type=click.IntRange(min=100),
    default=TASKS,
    metavar="N",
    show_default=True,
    help="Tasks in each run.",
)
@set_option
@output_option
@verbose_option
@click.pass_obj
def command(invocation: Invocation, slots: int | None, tasks: int, output: str) -> None:
    """Measure this machine for a few seconds, on an embedded cluster with the journal in memory.

    A quick look, on a machine that may have other things to do. `make bench` in the source tree measures with
    care, beside other systems.
    """
    logs.configure(verbose=invocation.verbose, foreground=False)
    slots = slots or share_cores(1)
    began_s = time.perf_counter()
    with Cluster(slots=slots, settings=invocation.sections) as cluster:
        cluster.submit(bool).result()
        cold_start_s = time.perf_counter() - began_s
        cluster.gather(cluster.submit(bool) for _ in range(WARM_UP_TASKS))
        trips_s = sorted(_round_trip_s(cluster) for _ in range(ROUND_TRIPS))
        rate = median(tasks / _throughput_s(cluster, tasks) for _ in range(RUNS))
    runtime = runtime_of_this_process()
    document = BenchDocument(
        slots=slots,
        cold_start_s=cold_start_s,
        tasks=tasks,
        tasks_per_s=rate,
        round_trips=ROUND_TRIPS,
        round_trip_p50_s=trips_s[len(trips_s) // 2],
        round_trip_p99_s=trips_s[len(trips_s) * 99 // 100],
        python=runtime.python,
        ganger=runtime.ganger,
    )
    show(document, output, lambda: _print(document), [f"{rate:.0f}"])


def _round_trip_s(cluster: Cluster) -> float:
    began_s = time.perf_counter()
    cluster.submit(bool).result()
    return time.perf_counter() - began_s


def _throughput_s(cluster: Cluster, tasks: int) -> float:
    began_s = time.perf_counter()
    cluster.gather([cluster.submit(bool) for _ in range(tasks)])
    return time.perf_counter() - began_s


def _print(bench: BenchDocument) -> None:
    print_fields(
        (
            ("cold start to first result", show_seconds(bench.cold_start_s)),
            (f"{bench.tasks:,} tasks that do nothing", f"{bench.tasks_per_s:,.0f} tasks/s"),
            ("round trip, median", show_seconds(bench.round_trip_p50_s)),
            ("round trip, 99th percentile", show_seconds(bench.round_trip_p99_s)),
        )
    )
    click.echo(f"{bench.slots} slots, journal in memory, Python {bench.python}, ganger {bench.ganger}")
    click.echo("a quick look; for figures to rely on, beside other systems: make bench")
