"""``ganger up``: a cluster on this machine, in the foreground, which this user's programs find by themselves."""

from __future__ import annotations

import logging
import os

import click

from ganger.cli import logs
from ganger.cli.documents import ClusterDocument
from ganger.cli.foreground import Foreground
from ganger.cli.invocation import Invocation
from ganger.cli.meeting_place import meeting_place
from ganger.cli.options import output_option, place_options, set_option, verbose_option
from ganger.cli.output import show
from ganger.cli.plans import make_name, offer, plan_master, plan_worker, share_cores, show_journal
from ganger.cli.runtime_file import published, reachable
from ganger.host.plan import HostPlan
from ganger.net.address import parse

logger = logging.getLogger("ganger.host")

DEFAULT_LISTEN = "127.0.0.1:7777"


@click.command()
@click.option(
    "--listen",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where; port 0 picks a free one.",
)
@click.option(
    "--journal",
    metavar="DIR|memory",
    help="The journal's folder, or `memory` to keep nothing.  [default: journal in the user's state folder]",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many workers.")
@place_options
@click.option("--insecure", is_flag=True, help="Listen on any address, and let anybody in who can reach it.")
@set_option
@output_option
@verbose_option
@click.pass_obj
def command(
    invocation: Invocation,
    listen: str,
    journal: str | None,
    workers: int,
    slots: int | None,
    resources: tuple[tuple[str, float], ...],
    preload: str,
    insecure: bool,
    output: str,
) -> None:
    """Run a master and a worker on this machine, until Ctrl-C.

    Programs of the same user find it with `ganger.connect()`, and the other commands by themselves. The
    journal outlives it: after `ganger up` on the same folder everything acknowledged goes on.
    """
    logs.configure(verbose=invocation.verbose, foreground=True)
    slots = slots or share_cores(workers)
    with meeting_place() as socket_path, published() as publish:
        master = plan_master([listen, f"unix:{socket_path}"], journal, insecure, invocation.sections)
        plans = [
            plan_worker(
                f"unix:{socket_path}",
                name=make_name(),
                slots=slots,
                resources=offer(resources, workers),
                preload=preload,
                sections=invocation.sections,
            )
            for _ in range(workers)
        ]

        def on_master(addresses: list[str]) -> None:
            address = reachable(parse(addresses[0])[0])
            publish(address)
            document = ClusterDocument(address=address, journal=show_journal(master), pid=os.getpid())
            show(document, output, lambda: _greet(document, workers, slots), [address])

        def on_worker(name: str) -> None:
            logger.info("worker %s is ready", name)

        Foreground(HostPlan(master, plans), on_master, on_worker).run()


def _greet(cluster: ClusterDocument, workers: int, slots: int) -> None:
    journal = cluster.journal if cluster.journal != "memory" else "memory (nothing outlives this process)"
    count = "1 worker" if workers == 1 else f"{workers} workers"
    click.echo(
        f"a cluster of {count} with {slots} {'slot' if slots == 1 else 'slots'} each runs at {cluster.address}"
    )
    click.echo(f"  journal   {journal}")
    click.echo("  connect   ganger.connect()       on other terminals: ganger status")
    click.echo("  stop      Ctrl-C")
