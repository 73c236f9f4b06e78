"""The way to a master, checked before it is tried: proof at both ends, or knowingly none."""

from __future__ import annotations

from ganger.errors import Refused
from ganger.net.address import Endpoint, parse
from ganger.net.reach import check_reach
from ganger.security.secret import read_secret, secret_file

BEYOND_HINT = (
    "reach it through an SSH tunnel to a port of this machine, "
    "or give --insecure if everyone on that network may run code as you"
)
SECRET_HINT = "copy the master's secret file to it (0600), name it in GANGER_SECRET_FILE, or give --insecure"


def check_way(address: str, *, insecure: bool) -> tuple[Endpoint, ...]:
    """The endpoints of an address; empty for ``local``.

    Raises:
        AddressError: It cannot be read.
        Refused: It needs ``--insecure``, or a secret that this user does not have.
    """
    endpoints = parse(address)
    check_reach(endpoints, insecure=insecure, hint=BEYOND_HINT)
    needing = [endpoint for endpoint in endpoints if not endpoint.path]
    if needing and not insecure and read_secret() is None:
        raise Refused(
            f"there is no secret in {secret_file()} to tell whether your master answers at {needing[0]}",
            hint=SECRET_HINT,
        )
    return endpoints
