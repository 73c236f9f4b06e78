"""A private folder for the socket between a foreground master and its own worker; nobody's remains.

A worker that joined by port could reach a stranger's master, if the port were taken; by its own socket
it cannot. The folder goes at the end, and that of a cluster which was killed goes when the next one starts:
its lock is free.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "ganger-up-"
LOCK_NAME = "lock"


@contextlib.contextmanager
def meeting_place() -> Iterator[str]:
    """The path of a socket that does not exist yet, in a folder that only this user may enter."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    draft = folder / f"{LOCK_NAME}.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.rename(folder / LOCK_NAME)  # locked before anybody can see it
        yield str(folder / "master")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK_NAME, os.O_RDWR)
        except OSError:
            continue  # it went meanwhile, or its owner has not locked it yet
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
