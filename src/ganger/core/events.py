"""What a core is told."""

from __future__ import annotations

from msgspec import Struct

from ganger.protocol.ids import ConnectionId
from ganger.protocol.messages import FromClient, FromWorker, Hello


class Connected(Struct, frozen=True):
    """A peer has proved who it is and says hello. `local`: over a unix socket of this machine."""

    connection: ConnectionId
    hello: Hello
    proof: bytes
    local: bool


class Disconnected(Struct, frozen=True):
    """A connection has ended."""

    connection: ConnectionId


class Received(Struct, gc=False):
    """A message of an admitted peer."""

    connection: ConnectionId
    message: FromClient | FromWorker
