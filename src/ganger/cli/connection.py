"""The cluster that a command asks: found by the one grammar for addresses, reached or clearly not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganger.cli import logs
from ganger.cli.invocation import Invocation
from ganger.cli.runtime_file import left_address
from ganger.client.client import Client
from ganger.client.connecting import connect
from ganger.config import ClientSettings, load
from ganger.errors import InvalidOption, MasterUnreachable
from ganger.net.address import find, parse, runtime_file


@contextmanager
def connected(invocation: Invocation, address: str | None, timeout_s: float | None) -> Iterator[Client]:
    """A client of the cluster at an address, closed at the end.

    Args:
        invocation: Settings given as flags.
        address: Of the grammar; None to look for one.
        timeout_s: How long to try; None for the setting.

    Raises:
        AddressError: There is no address, or it cannot be read.
        InvalidOption: It is ``local``: such a cluster belongs to a program.
        MasterUnreachable: Nothing answers there.
        Refused: The master turned this client away.
    """
    logs.configure(verbose=invocation.verbose, foreground=False)
    settings = load(ClientSettings, {**invocation.sections.get("client", {}), "connect_timeout_s": timeout_s})
    place = address or find()
    if not parse(place):
        raise InvalidOption(
            "local is the embedded cluster of a program, and no other program can ask it",
            hint="give the --address of a running one, or start one with: ganger up",
        )
    try:
        client = connect(place, timeout_s=settings.connect_timeout_s)
    except MasterUnreachable as error:
        raise MasterUnreachable(error.message, hint=_hint(place)) from error
    with client:
        yield client


def _hint(place: str) -> str:
    if left_address() == place:
        return f"`ganger up` left this address in {runtime_file()}, and seems to be gone; start it again"
    return "is a master running there? start one with: ganger up   or: ganger master"
