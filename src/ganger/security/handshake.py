"""A peer's side of the greeting: answer the master's challenge, then check that it knew the secret too."""

from __future__ import annotations

from ganger.errors import Refused
from ganger.protocol.messages import (
    PROTOCOL_VERSION,
    Challenge,
    Hello,
    Refusal,
    Runtime,
    Welcome,
    WorkerOffer,
)
from ganger.security.secret import check_proof, make_nonce, prove


class Greeting:
    """One greeting on one connection.

    Args:
        role: ``client`` or ``worker``.
        runtime: What this process runs on.
        secret: The cluster's secret, or None where the kernel vouches for the peer (a unix socket) or
            nobody does (``--insecure``).
    """

    def __init__(self, role: str, runtime: Runtime, secret: bytes | None) -> None:
        self.role = role
        self.runtime = runtime
        self.secret = secret
        self._nonce = make_nonce()
        self._heard = b""

    def answer(
        self, challenge: Challenge, epoch_seen: int, *, session: bytes = b"", offer: WorkerOffer | None = None
    ) -> Hello:
        """The hello that answers a challenge.

        Raises:
            Refused: The master speaks another protocol.
        """
        if challenge.protocol != PROTOCOL_VERSION:
            raise Refused(
                f"the master speaks protocol {challenge.protocol}, this {self.role} {PROTOCOL_VERSION}",
                hint="install the same version of ganger on both sides",
            )
        self._heard = challenge.nonce
        proof = (
            prove(self.secret, self.role, challenge.nonce, self._nonce) if self.secret is not None else b""
        )
        return Hello(
            PROTOCOL_VERSION,
            self.role,
            self.runtime,
            self._nonce,
            proof,
            epoch_seen,
            session=session,
            offer=offer,
        )

    def check(self, welcome: Welcome, epoch_seen: int) -> None:
        """Accepts the master's welcome.

        Raises:
            Refused: It does not know the secret, or it is an old master that was replaced.
        """
        if welcome.epoch < epoch_seen:
            raise Refused(
                f"this master is of epoch {welcome.epoch}; a later one, of epoch {epoch_seen}, was seen"
            )
        if self.secret is None:
            return
        if not check_proof(self.secret, "master", self._nonce, self._heard, welcome.proof):
            raise Refused(
                "what answers there does not know the secret of this user's clusters",
                hint="if it is a master that was started with --insecure, connect with --insecure too",
            )


def refused(refusal: Refusal) -> Refused:
    """A refusal as the error to raise."""
    return Refused(f"the master refused the connection: {refusal.reason}", hint=refusal.hint)
