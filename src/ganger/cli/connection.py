"""The cluster that a command asks: found by the one grammar for addresses, reached or clearly not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ganger.cli import logs
from ganger.cli.invocation import Invocation
from ganger.cli.reach import check_way
from ganger.cli.runtime_file import left_address
from ganger.client.client import Client
from ganger.client.connecting import connect
from ganger.errors import InvalidOption, MasterUnreachable
from ganger.net.address import find, runtime_file


@contextmanager
def connected(invocation: Invocation) -> Iterator[Client]:
    """A client of the cluster that the options name, closed at the end.

    Raises:
        AddressError: There is no address, or it cannot be read.
        InvalidOption: It is ``local``: such a cluster belongs to a program.
        MasterUnreachable: Nothing answers there.
        Refused: The master turned this client away, or the way there is not safe.
    """
    logs.configure(verbose=invocation.verbose, foreground=False)
    place = invocation.address or find()
    if not check_way(place, insecure=invocation.insecure):
        raise InvalidOption(
            "local is the embedded cluster of a program, and no other program can ask it",
            hint="give the --address of a running one, or start one with: ganger up",
        )
    with _connect(place, invocation) as client:
        yield client


def _connect(place: str, invocation: Invocation) -> Client:
    try:
        with warnings.catch_warnings():
            # Another Python there is no matter: no function travels from here.
            warnings.simplefilter("ignore", RuntimeWarning)
            return connect(
                place,
                timeout_s=invocation.timeout_s,
                insecure=invocation.insecure,
                settings=invocation.sections,
            )
    except MasterUnreachable as error:
        raise MasterUnreachable(error.message, hint=_hint(place)) from error


def _hint(place: str) -> str:
    if left_address() == place:
        return f"`ganger up` left this address in {runtime_file()}, and seems to be gone; start it again"
    return "is a master running there? start one with: ganger up   or: ganger master"
