"""``ganger worker``: runs one here; ``list`` and ``drain`` look after those of a cluster."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from ganger.cli import logs
from ganger.cli.amounts import show_bytes, show_count, show_resources, show_seconds
from ganger.cli.documents import DrainDocument, WorkerDocument, WorkersDocument
from ganger.cli.invocation import Invocation
from ganger.cli.options import (
    client_options,
    insecure_option,
    output_option,
    place_options,
    set_option,
    verbose_option,
)
from ganger.cli.output import print_rows, show

if TYPE_CHECKING:
    from ganger.client.client import Client
    from ganger.protocol.views import WorkerView

JOIN_HINT = "give the address that `ganger master` or `ganger up` printed"
LOOK_S = 0.1
"""How often `drain` looks whether the workers have left."""


@click.group(invoke_without_command=True)
@click.option("--join", metavar="ADDRESS", help="The master: host:port, unix:/path, or file:PATH.")
@click.option(
    "--name", metavar="NAME", help="Unique in the cluster.  [default: made of machine, process and chance]"
)
@place_options
@insecure_option
@set_option
@output_option
@verbose_option
@click.pass_context
def command(
    ctx: click.Context,
    join: str | None,
    name: str | None,
    slots: int | None,
    resources: tuple[tuple[str, float], ...],
    preload: str,
    output: str,
) -> None:
    """Run a worker in the foreground, until Ctrl-C; or see and drain the workers of a cluster.

    A worker whose master goes away keeps computing and comes back to it. On Ctrl-C it takes no more,
    finishes what runs, and leaves; a second Ctrl-C hurries it.
    """
    if ctx.invoked_subcommand is not None:
        if given := [each for each in ctx.params if _was_given(ctx, each)]:
            flag = f"--{given[0]}".replace("resources", "resource")
            raise click.UsageError(f"{flag} does not go with {ctx.invoked_subcommand}", ctx)
        return
    if join is None:
        raise click.UsageError("missing option --join, or the command list or drain", ctx)
    _run(ctx.obj, join, name, slots, resources, preload, output)


def _was_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _run(
    invocation: Invocation,
    join: str,
    name: str | None,
    slots: int | None,
    resources: tuple[tuple[str, float], ...],
    preload: str,
    output: str,
) -> None:
    from ganger.cli.foreground import Foreground
    from ganger.cli.plans import make_name, offer, plan_worker, share_cores
    from ganger.cli.reach import check_way
    from ganger.errors import InvalidOption
    from ganger.host.plan import HostPlan

    logs.configure(verbose=invocation.verbose, foreground=True)
    if not check_way(join, insecure=invocation.insecure):
        raise InvalidOption(
            "local is the embedded cluster of a program, and starts its own workers", hint=JOIN_HINT
        )
    plan = plan_worker(
        join,
        name=name or make_name(),
        slots=slots or share_cores(1),
        resources=offer(resources, 1),
        preload=preload,
        insecure=invocation.insecure,
        sections=invocation.sections,
    )

    def on_ready(name: str) -> None:
        document = WorkerDocument(name=name, slots=plan.slots, resources=plan.resources, pid=os.getpid())
        show(document, output, lambda: _greet(document, join), [name])

    Foreground(HostPlan(None, [plan]), lambda _: None, on_ready).run()


def _greet(worker: WorkerDocument, join: str) -> None:
    click.echo(f"worker {worker.name} has joined {join}")
    click.echo(f"  offers    {show_count(worker.slots, 'slot')}, {show_resources(worker.resources)}")
    click.echo("  stop      Ctrl-C, or on any terminal: ganger worker drain " + worker.name)


@command.command("list")
@client_options
@output_option
@click.pass_obj
def list_workers(invocation: Invocation, output: str) -> None:
    """Show the workers of a cluster."""
    from ganger.cli.connection import connected

    with connected(invocation) as client:
        workers = sorted(client.workers(), key=lambda worker: worker.name)
    show(
        WorkersDocument(workers=workers), output, lambda: _print(workers), [worker.name for worker in workers]
    )


@command.command("drain")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--no-wait", is_flag=True, help="Return once they were asked to, not once they have left.")
@client_options
@output_option
@click.pass_obj
def drain(
    invocation: Invocation,
    names: tuple[str, ...],
    no_wait: bool,
    output: str,
) -> None:
    """Let workers leave in peace, and wait until they have.

    They take no more, give back what they have not started, finish what runs, and end. Ctrl-C stops the
    waiting, not the draining.
    """
    from ganger.cli.connection import connected

    chosen = list(dict.fromkeys(names))
    with connected(invocation) as client:
        client.drain_workers(chosen)
        if not no_wait:
            _wait_until_gone(client, set(chosen))
    document = DrainDocument(drained=chosen, left=not no_wait)
    words = "is draining" if no_wait else "has left"
    show(document, output, lambda: click.echo("\n".join(f"worker {name} {words}" for name in chosen)), chosen)


def _wait_until_gone(client: Client, names: set[str]) -> None:
    while any(worker.name in names for worker in client.workers()):
        time.sleep(LOOK_S)


def _print(workers: list[WorkerView]) -> None:
    names = (
        "NAME",
        "HOST",
        "STATE",
        "SLOTS",
        "HOLDS",
        "DONE",
        "BUSY",
        "LOAD",
        "MEMORY FREE",
        "OFFERS",
        "PYTHON",
    )
    rows = [
        (
            worker.name,
            worker.host,
            worker.state,
            worker.slots,
            worker.assigned,
            worker.tasks_done,
            show_seconds(worker.busy_s),
            f"{worker.load:.1f}",
            show_bytes(worker.memory_free_bytes),
            show_resources(worker.resources),
            worker.python,
        )
        for worker in workers
    ]
    print_rows(names, rows, "there is no worker; start one with: ganger worker --join ADDRESS")
