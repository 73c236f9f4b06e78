"""Listening and connecting, by endpoint."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable

from ganger.errors import AddressInUse, MasterUnreachable
from ganger.net.address import Endpoint
from ganger.net.link import Link


async def listen(endpoint: Endpoint, make_link: Callable[[], Link]) -> tuple[asyncio.Server, Endpoint]:
    """Opens a listener; port 0 picks a free one.

    Returns:
        The server, and the endpoint with its actual port.

    Raises:
        AddressInUse: Another process has it, or the address is not of this machine.
    """
    loop = asyncio.get_running_loop()
    try:
        if endpoint.path:
            mask = os.umask(0o177)
            try:
                server = await loop.create_unix_server(make_link, endpoint.path)
            finally:
                os.umask(mask)
            return server, endpoint
        server = await loop.create_server(make_link, endpoint.host, endpoint.port)
    except OSError as error:
        raise _listen_error(endpoint, error) from error
    port = server.sockets[0].getsockname()[1]
    return server, Endpoint(host=endpoint.host, port=port)


def _listen_error(endpoint: Endpoint, error: OSError) -> AddressInUse:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"{endpoint} is taken by another process", hint="choose another port, or port 0 for a free one"
        )
    return AddressInUse(f"cannot listen on {endpoint}: {error.strerror or error}")


async def connect(endpoint: Endpoint, make_link: Callable[[], Link]) -> Link:
    """Opens a connection.

    Raises:
        MasterUnreachable: Nothing answers there, or a process of another user does.
    """
    loop = asyncio.get_running_loop()
    try:
        if endpoint.path:
            _, link = await loop.create_unix_connection(make_link, endpoint.path)
            _check_owner(endpoint, link)
        else:
            _, link = await loop.create_connection(make_link, endpoint.host, endpoint.port)
    except (OSError, socket.gaierror) as error:
        raise MasterUnreachable(f"nothing answers at {endpoint}: {error.strerror or error}") from error
    return link


def _check_owner(endpoint: Endpoint, link: Link) -> None:
    """A unix socket of another user is not ours to talk to."""
    uid = link.peer_uid()
    if uid is not None and uid not in (os.getuid(), 0):
        link.abort("it belongs to another user")
        raise MasterUnreachable(f"the process at {endpoint} belongs to user {uid}, not to you")
