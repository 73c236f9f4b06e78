"""``ganger master``: a master alone, in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import click
import uvloop

from ganger.cli import logs
from ganger.cli.documents import ClusterDocument
from ganger.cli.foreground import leave_terminal
from ganger.cli.invocation import Invocation
from ganger.cli.options import output_option, set_option, verbose_option
from ganger.cli.output import show
from ganger.cli.plans import plan_master, show_journal
from ganger.master.server import MasterPlan, MasterServer


@click.command()
@click.option(
    "--listen",
    multiple=True,
    default=["127.0.0.1:7777"],
    show_default=True,
    metavar="ADDRESS",
    help="HOST:PORT or unix:/path; port 0 picks a free one. May be repeated.",
)
@click.option(
    "--journal",
    metavar="DIR|memory",
    help="The journal's folder, or `memory` to keep nothing.  [default: journal in the user's state folder]",
)
@click.option("--insecure", is_flag=True, help="Listen on any address, and let anybody in who can reach it.")
@set_option
@output_option
@verbose_option
@click.pass_obj
def command(
    invocation: Invocation, listen: tuple[str, ...], journal: str | None, insecure: bool, output: str
) -> None:
    """Run a master, until Ctrl-C.

    Workers join it with `ganger worker --join ADDRESS`. An address that other machines can reach is
    refused without `--insecure`: this version has no identities that would protect it.
    """
    logs.configure(verbose=invocation.verbose, foreground=True)
    plan = plan_master(list(listen), journal, invocation.sections, insecure=insecure)

    def on_ready(addresses: list[str]) -> None:
        address = addresses[0]
        document = ClusterDocument(address=address, journal=show_journal(plan), pid=os.getpid())
        show(document, output, lambda: _greet(document, addresses), [address])

    leave_terminal()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(plan, on_ready))


async def _serve(plan: MasterPlan, on_ready: Callable[[list[str]], None]) -> None:
    await MasterServer(plan).run(on_ready)


def _greet(cluster: ClusterDocument, addresses: list[str]) -> None:
    click.echo(f"a master listens on {', '.join(addresses)}")
    click.echo(f"  journal   {cluster.journal}")
    click.echo(f"  workers   ganger worker --join {cluster.address}")
    click.echo(f'  connect   ganger.connect("{cluster.address}")')
    click.echo("  stop      Ctrl-C")
