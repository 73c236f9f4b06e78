"""Nobody passes the gate without proof; until then a connection costs a nonce and a bounded buffer.

The master speaks first (`Challenge`); the peer answers (`Hello`) with a proof over both nonces, or
by its user id over a unix socket. Only then does the core hear of it.
"""

from __future__ import annotations

import os

from ganger.net.link import Link
from ganger.protocol.messages import PROTOCOL_VERSION, Challenge, Hello, Refusal
from ganger.security.secret import check_proof, make_nonce, prove

CLIENT, WORKER = "client", "worker"


class Gate:
    """Checks greetings.

    Args:
        secret: What peers over TCP must know; None admits everyone there (``--insecure``).
        python: This process's Python version, for readable refusals.
    """

    def __init__(self, secret: bytes | None, python: str) -> None:
        self.secret = secret
        self.python = python

    def challenge(self) -> Challenge:
        """The first message on a connection."""
        return Challenge(PROTOCOL_VERSION, make_nonce())

    def check(self, link: Link, nonce: bytes, hello: Hello) -> Refusal | None:
        """Why this peer must not enter, or None."""
        if hello.protocol != PROTOCOL_VERSION:
            return Refusal(
                "version",
                f"this master speaks protocol {PROTOCOL_VERSION}, you speak {hello.protocol} "
                f"(ganger {hello.runtime.ganger})",
                "install the same version of ganger on both sides",
            )
        if hello.role not in (CLIENT, WORKER) or (hello.role == WORKER) != (hello.offer is not None):
            return Refusal("role", f"{hello.role!r} is not a role that this master knows", "")
        if hello.role == CLIENT and len(hello.session) != 16:
            return Refusal("role", "a client must name its session", "")
        return self._check_identity(link, nonce, hello)

    def _check_identity(self, link: Link, nonce: bytes, hello: Hello) -> Refusal | None:
        uid = link.peer_uid()
        if uid is not None:
            if uid in (os.getuid(), 0):
                return None
            return Refusal("user", f"this socket belongs to user {os.getuid()}, you are user {uid}", "")
        if self.secret is None or check_proof(self.secret, hello.role, nonce, hello.nonce, hello.proof):
            return None
        return Refusal(
            "secret",
            "the secret does not match this master's",
            "copy the master's secret file to this machine (0600), or name it in GANGER_SECRET_FILE",
        )

    def own_proof(self, nonce: bytes, hello: Hello) -> bytes:
        """The master's proof to the peer."""
        return prove(self.secret, "master", hello.nonce, nonce) if self.secret is not None else b""
