"""``ganger up``: a cluster on this machine, in the foreground; this user's programs find it."""

from __future__ import annotations

import logging
import os

import click

from ganger.cli import logs
from ganger.cli.amounts import show_count
from ganger.cli.documents import ClusterDocument
from ganger.cli.foreground import Foreground
from ganger.cli.invocation import Invocation
from ganger.cli.meeting_place import meeting_place
from ganger.cli.options import output_option, place_options, set_option, verbose_option
from ganger.cli.output import show
from ganger.cli.plans import MEMORY, make_name, offer, plan_master, plan_worker, share_cores, show_journal
from ganger.cli.runtime_file import published
from ganger.host.plan import HostPlan
from ganger.net.address import parse
from ganger.net.reach import check_reach

logger = logging.getLogger("ganger.host")

DEFAULT_LISTEN = "127.0.0.1:7777"
BEYOND_HINT = "listen on 127.0.0.1; for workers on other machines see: ganger master --help"


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
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many workers.",
)
@place_options
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
    output: str,
) -> None:
    """Run a master and a worker on this machine, until Ctrl-C.

    Programs of the same user find it with `ganger.connect()`, and the other commands by themselves. The
    journal outlives it: after `ganger up` on the same folder everything acknowledged goes on.
    """
    logs.configure(verbose=invocation.verbose, foreground=True)
    slots = slots or share_cores(workers)
    check_reach(parse(listen), insecure=False, hint=BEYOND_HINT)
    with meeting_place() as socket_path, published() as publish:
        master = plan_master([listen, f"unix:{socket_path}"], journal, invocation.sections)
        plans = [
            plan_worker(
                f"unix:{socket_path}",
                name=make_name(),
                slots=slots,
                resources=offer(resources, workers),
                preload=preload,
                insecure=False,
                sections=invocation.sections,
            )
            for _ in range(workers)
        ]

        def on_master(addresses: list[str]) -> None:
            address = addresses[0]
            publish(address)
            document = ClusterDocument(address=address, journal=show_journal(master), pid=os.getpid())
            show(document, output, lambda: _greet(document, workers, slots), [address])

        def on_worker(name: str) -> None:
            logger.info("worker %s is ready", name)

        Foreground(HostPlan(master, plans), on_master, on_worker).run()


def _greet(cluster: ClusterDocument, workers: int, slots: int) -> None:
    counts = f"{show_count(workers, 'worker')}, {show_count(slots, 'slot')} each"
    journal = cluster.journal if cluster.journal != MEMORY else "in memory: nothing outlives this process"
    click.echo(f"a cluster runs at {cluster.address} ({counts})")
    click.echo(f"  journal   {journal}")
    click.echo("  connect   ganger.connect(), or on another terminal: ganger status")
    click.echo("  stop      Ctrl-C")
