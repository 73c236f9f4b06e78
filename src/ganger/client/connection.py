"""One connection to whichever master serves: greets, stays, comes back with growing pauses.

Clients and agents share it. Its owner is told of welcomes, messages and absences, and decides when
to give up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from ganger.errors import MasterUnreachable, Refused
from ganger.net.address import Endpoint
from ganger.net.endpoints import connect
from ganger.net.link import Link
from ganger.protocol.codec import encode
from ganger.protocol.messages import Challenge, Refusal, Runtime, Welcome, WorkerOffer
from ganger.security.handshake import Greeting, refused

RECONNECT_FIRST_S = 0.01
TELL_AFTER_S = 1.0
"""A master that does not answer is worth a line only after this time."""


class Introduction(Struct, frozen=True):
    """Who connects.

    Attributes:
        role: ``client`` or ``worker``.
        runtime: What this process runs on.
        secret: For masters over TCP; None where nobody needs to prove anything.
        session: A client's session.
        offer: A worker's offer.
    """

    role: str
    runtime: Runtime
    secret: bytes | None
    session: bytes = b""
    offer: WorkerOffer | None = None


class Owner(Protocol):
    """Whom the connection serves."""

    def on_welcome(self, welcome: Welcome) -> None:
        """A master has let us in; `link` of the connection can be used from now on."""
        ...

    def on_message(self, message: object) -> None:
        """It says something."""
        ...

    def on_away(self, reason: str) -> None:
        """It is away."""
        ...

    def on_refused(self, error: Refused) -> None:
        """It does not want us; the connection gives up."""
        ...

    def is_patient(self, away_s: float) -> bool:
        """Whether to try again, after so many seconds without a master."""
        ...


class MasterConnection:
    """The connection of one client or agent.

    Args:
        endpoints: Where masters may be.
        introduction: Who connects.
        owner: Whom it serves.
        decode: For what masters may send.
        frame_bytes_max: The longest message.
        delay_max_s: The longest pause between two attempts.
        log: Where absences are told.
    """

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        introduction: Introduction,
        owner: Owner,
        decode: Callable[[bytes | memoryview], object],
        frame_bytes_max: int,
        delay_max_s: float,
        log: logging.Logger,
    ) -> None:
        self.endpoints = endpoints
        self.introduction = introduction
        self.owner = owner
        self.decode = decode
        self.frame_bytes_max = frame_bytes_max
        self.delay_max_s = delay_max_s
        self.log = log
        self.link: Link | None = None
        self.master: Runtime | None = None
        self.epoch_seen = 0
        self._socket: Link | None = None
        self._lost = asyncio.Event()
        self._away_since_s = time.monotonic()
        self._refused = False

    async def run(self) -> None:
        """Stays connected until the owner loses patience, or a master refuses."""
        delay_s = 0.0
        while not self._refused and self.owner.is_patient(time.monotonic() - self._away_since_s):
            await asyncio.sleep(delay_s)
            delay_s = min(max(delay_s * 2, RECONNECT_FIRST_S), self.delay_max_s)
            for endpoint in self.endpoints:
                if await self._connect(endpoint):
                    await self._lost.wait()
                    delay_s = 0.0 if self.master is not None else delay_s
                    self._away_since_s = time.monotonic()

    async def _connect(self, endpoint: Endpoint) -> bool:
        who = self.introduction
        greeting = Greeting(who.role, who.runtime, None if endpoint.path else who.secret)
        self._lost.clear()
        self.master = None

        def on_body(link: Link, body: bytes | memoryview) -> None:
            if link is self.link:
                self.owner.on_message(self.decode(body))
            else:
                self._on_greeting(link, greeting, endpoint, body)

        def make_link() -> Link:
            # at once: it may be lost before `connect` returns
            self._socket = Link(on_body, self._on_lost, self.frame_bytes_max)
            return self._socket

        try:
            await connect(endpoint, make_link)
        except MasterUnreachable as error:
            self._socket = None
            late = time.monotonic() - self._away_since_s > TELL_AFTER_S
            self.log.log(logging.INFO if late else logging.DEBUG, "%s", error.message)
            return False
        return True

    def _on_greeting(
        self, link: Link, greeting: Greeting, endpoint: Endpoint, body: bytes | memoryview
    ) -> None:
        message = self.decode(body)
        who = self.introduction
        try:
            match message:
                case Challenge():
                    hello = greeting.answer(message, self.epoch_seen, session=who.session, offer=who.offer)
                    link.send(encode(hello))
                case Welcome():
                    greeting.check(message, self.epoch_seen)
                    self._socket = self.link = link
                    self.epoch_seen = message.epoch
                    self.master = message.runtime
                    self.log.info("joined the master at %s, epoch %d", endpoint, message.epoch)
                    self.owner.on_welcome(message)
                case Refusal():
                    raise refused(message)
                case _:
                    link.abort("it speaks before it has greeted")
        except Refused as error:
            self._refused = True
            self.owner.on_refused(error)
            link.abort(error.message)

    def _on_lost(self, link: Link, reason: str) -> None:
        if link is not self._socket and link is not self.link:
            return
        welcomed = self.link is not None
        self._socket = self.link = None
        self._lost.set()
        if welcomed:
            self.log.info("lost the master (%s); connecting again", reason)
            self.owner.on_away(reason)

    def close(self) -> None:
        """Ends the connection after what is queued has left."""
        link = self.link or self._socket
        if link is not None:
            link.close()
