"""Without identities nobody talks across machines unless they say so: the rule for both ends."""

from __future__ import annotations

from collections.abc import Iterable

from ganger.errors import Refused
from ganger.net.address import Endpoint


def check_reach(endpoints: Iterable[Endpoint], *, insecure: bool, hint: str) -> None:
    """Refuses addresses that can be reached from other machines.

    Args:
        endpoints: Where to listen, or to connect.
        insecure: Whether whoever runs this has said that everyone on that network may run code here.
        hint: What to do instead, in the words of the caller's own interface.

    Raises:
        Refused: One of them lies beyond this machine, and `insecure` is false.
    """
    for endpoint in endpoints:
        if not endpoint.on_loopback and not insecure:
            raise Refused(
                f"{endpoint} can be reached from other machines, "
                "and this version has no identities to protect it",
                hint=hint,
            )
