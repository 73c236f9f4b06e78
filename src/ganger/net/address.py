"""One grammar for addresses, wherever one is taken.

``host:port[,host:port…]``, ``unix:/path``, ``file:PATH`` of a file that holds one, or ``local``.
Without one: ``GANGER_ADDRESS``, then the runtime file of this user's ``ganger up``.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from msgspec import Struct

from ganger.config import state_folder
from ganger.errors import AddressError

GRAMMAR_HINT = "write host:port, unix:/path, file:/path/to/a/file/with/one, or local"
LOCAL = "local"


class Endpoint(Struct, frozen=True):
    """One place to connect to: a unix socket's path, or a host and a port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether it cannot be reached from another machine."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def runtime_file() -> Path:
    """Where ``ganger up`` leaves its address for this user's clients."""
    return state_folder() / "address"


def parse(text: str) -> tuple[Endpoint, ...]:
    """The endpoints that an address names; empty for ``local``.

    Raises:
        AddressError: The text is not of the grammar; says what is.
    """
    text = text.strip()
    if text == LOCAL:
        return ()
    if text.startswith("file:"):
        path = Path(text.removeprefix("file:")).expanduser()
        try:
            return parse(path.read_text())
        except OSError as error:
            raise AddressError(f"cannot read the address file {path}: {error.strerror}") from error
    if text.startswith("unix:"):
        path_text = text.removeprefix("unix:")
        if not path_text.startswith("/"):
            raise AddressError(f"{text!r} is not an absolute path", hint="write unix:/path/to/socket")
        return (Endpoint(path=path_text),)
    return tuple(_parse_host(part) for part in text.split(","))


def _parse_host(text: str) -> Endpoint:
    host, colon, port_text = text.strip().rpartition(":")
    if not colon or not host or not port_text.isdecimal() or int(port_text) > 65535:
        raise AddressError(f"{text!r} is not an address", hint=GRAMMAR_HINT)
    return Endpoint(host=host.strip("[]"), port=int(port_text))


def find() -> str:
    """The address to use when none was given.

    Raises:
        AddressError: There is none; says where it looked.
    """
    if address := os.environ.get("GANGER_ADDRESS"):
        return address
    try:
        return runtime_file().read_text().strip()
    except OSError:
        raise AddressError(
            "no address was given and no cluster of yours runs on this machine",
            hint='start one with: ganger up   (or pass an address, or "local" for an embedded cluster)',
        ) from None
