"""``ganger run``: the script takes this process over, with the address of a cluster in its environment."""

from __future__ import annotations

import os
import socket
import sys

import click

from ganger.cli.options import GRAMMAR, verbose_option
from ganger.cli.runtime_file import left_address
from ganger.errors import AddressError
from ganger.net.address import LOCAL, Endpoint, find, parse

PROBE_S = 2.0
"""How long a listener may take to accept; the runtime file of a cluster that was killed is still there."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--address",
    metavar="ADDRESS",
    help=f"The cluster: {GRAMMAR}, or local.  [default: GANGER_ADDRESS, "
    "else this user's `ganger up`, else local]",
)
@verbose_option
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(address: str | None, script: str, arguments: tuple[str, ...]) -> None:
    """Run a Python script with a cluster.

    `ganger.connect()` in the script reaches the cluster that the other commands would; where there is
    none, it starts one of the script's own (`local`). Options of this command stand before the script.
    """
    place = address or _find()
    parse(place)
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, "GANGER_ADDRESS": place}
    os.execve(sys.executable, [sys.executable, script, *arguments], environment)


def _find() -> str:
    try:
        place = find()
    except AddressError:
        return LOCAL
    if place == left_address() and not any(map(_answers, parse(place))):
        click.echo(f"nothing answers at {place} any more; the script gets a cluster of its own", err=True)
        return LOCAL
    return place


def _answers(endpoint: Endpoint) -> bool:
    family = socket.AF_UNIX if endpoint.path else socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(endpoint.path or (endpoint.host, endpoint.port))
        except OSError:
            return False
    return True
