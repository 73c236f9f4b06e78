"""The master's sockets: numbered links, each at first a stranger, then a client or a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ganger.config import MasterSettings
from ganger.core.events import Connected, Disconnected, Received
from ganger.master.gate import WORKER, Gate
from ganger.net.link import Link
from ganger.protocol.codec import Decoder, decode_from_client, decode_from_worker, decode_hello, encode
from ganger.protocol.ids import ConnectionId
from ganger.protocol.messages import FromClient, FromWorker

WARNING = 30
GREETING_BYTES_MAX = 64 * 1024
"""The longest frame of a peer that has not been admitted."""


class Peer:
    """What the master knows of one link."""

    __slots__ = ("decode", "identifier", "link", "nonce", "timeout")

    def __init__(self, identifier: ConnectionId, link: Link, nonce: bytes) -> None:
        self.identifier = identifier
        self.link = link
        self.nonce = nonce
        self.decode: Decoder[FromClient] | Decoder[FromWorker] | None = None
        self.timeout: asyncio.TimerHandle | None = None


class Connections:
    """All links of a master; the pump's `Transport`.

    Args:
        settings: Limits.
        gate: Who may enter.
        offer: Takes events for the core.
        log: Receives (level, text).
    """

    def __init__(
        self,
        settings: MasterSettings,
        gate: Gate,
        offer: Callable[[object], None],
        log: Callable[[int, str], None],
    ) -> None:
        self.settings = settings
        self.gate = gate
        self.offer = offer
        self.log = log
        self._peers: dict[ConnectionId, Peer] = {}
        self._by_link: dict[Link, Peer] = {}
        self._count = 0

    def make_link(self) -> Link:
        """For a listener: a link for a new connection."""
        return _MasterLink(self)

    # --- the transport of the pump ---------------------------------------------------------------

    def send(self, connection: ConnectionId, message: object) -> None:
        """Encodes and queues a message."""
        peer = self._peers.get(connection)
        if peer is not None:
            peer.link.send(encode(message))

    def close(self, connection: ConnectionId) -> None:
        """Closes after what is queued has left."""
        peer = self._peers.get(connection)
        if peer is not None:
            peer.link.close()

    def close_all(self) -> None:
        """Ends every connection."""
        for peer in list(self._peers.values()):
            peer.link.close()

    # --- from the links --------------------------------------------------------------------------

    def on_made(self, link: Link) -> None:
        """A stranger is here: challenge it, and give it a moment to answer."""
        if len(self._peers) >= self.settings.connections_max:
            self.log(
                WARNING, f"connection refused: connections_max ({self.settings.connections_max}) are open"
            )
            link.abort("too many connections")
            return
        self._count += 1
        challenge = self.gate.challenge()
        peer = Peer(ConnectionId(self._count), link, challenge.nonce)
        self._peers[peer.identifier] = self._by_link[link] = peer
        loop = asyncio.get_running_loop()
        peer.timeout = loop.call_later(self.settings.handshake_s, link.abort, "it did not say who it is")
        link.send(encode(challenge))

    def on_body(self, link: Link, body: bytes | memoryview) -> None:
        """A frame came in."""
        peer = self._by_link.get(link)
        if peer is None:
            return
        if peer.decode is None:
            self._on_greeting(peer, body)
        else:
            self.offer(Received(peer.identifier, peer.decode(body)))

    def _on_greeting(self, peer: Peer, body: bytes | memoryview) -> None:
        hello = decode_hello(body)
        refusal = self.gate.check(peer.link, peer.nonce, hello)
        if refusal is not None:
            self.log(WARNING, f"refused a {hello.role} from {hello.runtime.host}: {refusal.reason}")
            peer.link.send(encode(refusal))
            peer.link.close()
            return
        if peer.timeout is not None:
            peer.timeout.cancel()
        peer.link.allow(self.settings.frame_bytes_max)
        peer.decode = decode_from_worker if hello.role == WORKER else decode_from_client
        proof = self.gate.own_proof(peer.nonce, hello)
        local = peer.link.peer_uid() is not None
        self.offer(Connected(peer.identifier, hello, proof, local))

    def on_lost(self, link: Link, reason: str) -> None:
        """A link has ended."""
        peer = self._by_link.pop(link, None)
        if peer is None:
            return
        self._peers.pop(peer.identifier, None)
        if peer.timeout is not None:
            peer.timeout.cancel()
        if link.reason:
            who = "a stranger" if peer.decode is None else "a peer"
            self.log(WARNING, f"closed the connection of {who}: {reason}")
        if peer.decode is not None:
            self.offer(Disconnected(peer.identifier))


class _MasterLink(Link):
    """A link that reports its own making."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections.on_body, connections.on_lost, GREETING_BYTES_MAX)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.on_made(self)
