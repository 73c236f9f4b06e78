"""While `ganger up` runs, one file of mode 0600 tells this user's programs where its cluster is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ganger.net.address import Endpoint, runtime_file
from ganger.security.secret import make_private_folder

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what is listened on, not listening)
"""How this machine reaches a master that listens on all of its addresses."""


def publish(address: str) -> None:
    """Writes the file; one that another cluster left is replaced at once, never half.

    Raises:
        ConfigurationError: The folder is open to other users.
        OSError: It cannot be written.
    """
    path = runtime_file()
    make_private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{address}\n")
    draft.replace(path)


def withdraw(address: str) -> None:
    """Removes the file, unless it has become another cluster's."""
    path = runtime_file()
    with contextlib.suppress(FileNotFoundError):
        if path.read_text().strip() == address:
            path.unlink()


@contextlib.contextmanager
def withdrawn(published: list[str]) -> Iterator[None]:
    """Withdraws at the end whatever was published meanwhile."""
    try:
        yield
    finally:
        for address in published:
            withdraw(address)


def reachable(endpoint: Endpoint) -> str:
    """The address at which this machine reaches a listener."""
    return str(Endpoint(endpoint.path, ANYWHERE.get(endpoint.host, endpoint.host), endpoint.port))


def left_address(path: Path | None = None) -> str:
    """What the file says, or nothing if there is none."""
    try:
        return (path or runtime_file()).read_text().strip()
    except OSError:
        return ""
