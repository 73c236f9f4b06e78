"""What a core wants done, in order: nothing is sent before the records that stand before it are durable."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ganger.protocol.ids import ConnectionId
from ganger.protocol.records import Record


class Append(Struct, gc=False):
    """Journal a record. `lazy`: nobody waits for it, so it may ride with the next that somebody does."""

    record: Record
    lazy: bool = False


class Send(Struct, gc=False):
    """Send a message, after everything appended so far is durable."""

    connection: ConnectionId
    message: object


class Close(Struct, gc=False):
    """Close a connection, after what was sent before has left."""

    connection: ConnectionId


class Log(Struct, gc=False):
    """Something an operator should read. `level` as in `logging`."""

    level: int
    text: str


Effect: TypeAlias = Append | Send | Close | Log
