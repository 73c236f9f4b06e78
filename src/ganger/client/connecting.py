"""Finding a cluster and opening a session with it, or making an embedded one: one call for both.

What is given explicitly wins; without an address the environment and this user's running cluster are
looked at, in that order. Nobody connects across machines unless they say that this is insecure.
"""

from __future__ import annotations

import asyncio
import math
import platform
import warnings
from collections.abc import Iterable, Mapping

from ganger import config
from ganger.client.aio import AsyncClient
from ganger.client.calls import Calls
from ganger.client.client import Client
from ganger.client.cluster import Cluster
from ganger.client.engine import Engine
from ganger.errors import InvalidOption, Refused
from ganger.net.address import Endpoint, find, parse
from ganger.net.reach import check_reach
from ganger.runtime.environment import runtime_of_this_process
from ganger.security.secret import read_secret, secret_file

Sections = Mapping[str, Mapping[str, object]]
NAMES_MAX = 3
"""Workers that a warning names one by one."""


def connect(
    address: str | None = None,
    *,
    timeout_s: float | None = None,
    insecure: bool = False,
    settings: Sections | None = None,
) -> Client:
    """A client of a running cluster; ``"local"`` makes an embedded one, so a script runs on either unchanged.

    Args:
        address: ``host:port[,host:port…]``, ``unix:/path``, ``file:PATH`` of a file that holds one, or
            ``local``. By default ``GANGER_ADDRESS``, then this user's ``ganger up``.
        timeout_s: How long to try to reach a master; by default `connect_timeout_s`.
        insecure: Connect without proof that the master is this user's, and beyond this machine. Whoever is on
            that network can then run code as you.
        settings: Limits by section, such as ``{"client": {"map_window": 100}}``. The sections ``master``,
            ``worker`` and ``journal`` are for an embedded cluster, and of no effect on another.

    Raises:
        AddressError: No address was given and no cluster found, or the address cannot be read.
        MasterUnreachable: No master answered in time.
        Refused: The master turned this client away, or the address needs ``insecure=True``.
        ConfigurationError: A setting that does not exist, or cannot be meant.
    """
    client = _open(address, timeout_s, insecure, settings)
    if text := _difference(client):
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return client


async def aconnect(
    address: str | None = None,
    *,
    timeout_s: float | None = None,
    insecure: bool = False,
    settings: Sections | None = None,
) -> AsyncClient:
    """The same for asynchronous code: arguments and errors are those of `connect`."""
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, _open, address, timeout_s, insecure, settings)
    try:
        client = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise
    if text := await loop.run_in_executor(None, _difference, client):
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return AsyncClient(client)


def _close_unwanted(opening: asyncio.Future[Client]) -> None:
    """Nobody waits any more for the client that came of this."""
    if not opening.cancelled() and opening.exception() is None:
        opening.get_loop().run_in_executor(None, opening.result().close)


def _open(address: str | None, timeout_s: float | None, insecure: bool, settings: Sections | None) -> Client:
    sections = _sections(settings, timeout_s)
    endpoints = parse(find() if address is None else address)
    if not endpoints:
        return Cluster(settings=sections)
    check_reach(
        endpoints,
        insecure=insecure,
        hint="reach it through an SSH tunnel to a port of this machine, "
        "or pass insecure=True if everyone on that network may run code as you",
    )
    client_settings = config.load(config.ClientSettings, sections.get("client"))
    engine = Engine(
        endpoints,
        client_settings,
        runtime_of_this_process(),
        None if insecure else _secret_for(endpoints),
        config.load(config.MasterSettings, sections.get("master")).frame_bytes_max,
    )
    engine.start()
    try:
        engine.wait_connected(client_settings.connect_timeout_s)
    except BaseException:
        engine.close()
        raise
    return Client(engine, Calls(engine, shares_path=False))


def _sections(settings: Sections | None, timeout_s: float | None) -> dict[str, Mapping[str, object]]:
    sections = config.check_sections(settings)
    if timeout_s is not None:
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
            raise InvalidOption(f"timeout_s must be a number of seconds, it is {timeout_s!r}")
        if timeout_s <= 0 or not math.isfinite(timeout_s):
            raise InvalidOption(f"timeout_s must be positive and finite, it is {timeout_s!r}")
        sections["client"] = {**sections.get("client", {}), "connect_timeout_s": float(timeout_s)}
    return sections


def _secret_for(endpoints: tuple[Endpoint, ...]) -> bytes | None:
    """The secret, where one of the endpoints needs it: over a unix socket the kernel vouches for the peer."""
    secret = read_secret()
    tcp = next((endpoint for endpoint in endpoints if not endpoint.path), None)
    if secret is None and tcp is not None:
        raise Refused(
            f"there is no secret in {secret_file()} to tell whether your master answers at {tcp}",
            hint="copy the master's secret file to it (0600), name it in GANGER_SECRET_FILE, "
            "or pass insecure=True",
        )
    return secret


def _difference(client: Client) -> str:
    """Where another Python than this one runs; closes the client if that cannot be learnt."""
    try:
        master = client._engine.connection.master
        pythons = {worker.name: worker.python for worker in client.workers()}
    except BaseException:
        client.close()
        raise
    return python_difference(platform.python_version(), master.python if master else "", pythons)


def python_difference(ours: str, master: str, workers: Mapping[str, str]) -> str:
    """Says which of a cluster's processes run another minor version of Python than this one.

    Args:
        ours: This process's version.
        master: The master's, or empty if it is not known.
        workers: The workers' by their names.

    Returns:
        A sentence and a hint, or nothing if there is no difference.
    """
    mine = _minor(ours)
    groups: dict[str, list[str]] = {}
    for name, version in workers.items():
        groups.setdefault(_minor(version), []).append(name)
    groups.pop(mine, None)
    parts = [f"{_names(names)} {version}" for version, names in sorted(groups.items())]
    if master and _minor(master) != mine:
        parts.insert(0, f"the master {_minor(master)}")
    if not parts:
        return ""
    return (
        f"this client runs Python {mine}, but {', '.join(parts)}: "
        "functions, classes and values may fail to load on the other side\n"
        "hint: run the same minor version of Python everywhere"
    )


def _names(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(ordered[:NAMES_MAX])
    more = len(ordered) - NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
