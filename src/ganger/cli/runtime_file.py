"""While `ganger up` runs, one file of mode 0600 tells this user's programs where its cluster is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ganger.net.address import runtime_file
from ganger.security.secret import make_private_folder


@contextlib.contextmanager
def published() -> Iterator[Callable[[str], None]]:
    """Gives a function that writes an address into the file; what it wrote goes at the end."""
    written: list[str] = []

    def publish(address: str) -> None:
        _write(runtime_file(), address)
        written.append(address)

    try:
        yield publish
    finally:
        if written and left_address() == written[-1]:  # else it has become another cluster's
            runtime_file().unlink(missing_ok=True)


def left_address() -> str:
    """What the file says, or nothing if there is none."""
    try:
        return runtime_file().read_text().strip()
    except OSError:
        return ""


def _write(path: Path, address: str) -> None:
    """Replaces the file in one step, so that nobody reads half of it."""
    make_private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{address}\n")
    draft.replace(path)
