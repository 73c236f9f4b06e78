"""``ganger status``: the cluster in numbers."""

from __future__ import annotations

import click

from ganger.cli.amounts import show_bytes, show_count, show_seconds
from ganger.cli.connection import connected
from ganger.cli.documents import StatusDocument
from ganger.cli.invocation import Invocation
from ganger.cli.options import client_options, output_option
from ganger.cli.output import print_fields, show
from ganger.protocol.views import StatusView


@click.command()
@client_options
@output_option
@click.pass_obj
def command(invocation: Invocation, output: str) -> None:
    """Show the cluster in numbers.

    With `--output quiet` nothing is printed: the exit code says whether a master answers.
    """
    with connected(invocation) as client:
        status = client.status()
    show(StatusDocument(status=status), output, lambda: _print(status))


def _print(status: StatusView) -> None:
    tasks = ", ".join(f"{count:,} {state}" for state, count in status.tasks.items())
    journal = status.journal if status.accepting else f"{status.journal} (no room: it takes no new tasks)"
    print_fields(
        (
            ("up for", f"{show_seconds(status.uptime_s)}, epoch {status.epoch}"),
            ("journal", journal),
            ("workers", f"{status.workers:,} with {show_count(status.slots, 'slot')}"),
            ("sessions", status.sessions),
            ("unfinished", tasks),
            ("submitted", status.submitted),
            ("succeeded", status.succeeded),
            ("failed", status.failed),
            ("cancelled", status.cancelled),
            (
                "held",
                f"arguments {show_bytes(status.payload_bytes)}, results {show_bytes(status.result_bytes)}",
            ),
        )
    )
