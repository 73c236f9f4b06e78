"""One process at a time holds a journal's folder, and the one that does not is told which."""

from __future__ import annotations

import os
from pathlib import Path

from ganger.errors import JournalLocked
from ganger.storage.disk import FULL_ERRORS, Disk
from ganger.storage.faults import from_os_error
from ganger.storage.layout import LOCK_NAME

NOTE_BYTES_MAX = 256


def lock_directory(disk: Disk, directory: Path) -> int:
    """Locks the folder for this process, until the returned file is closed.

    Raises:
        JournalLocked: Another process holds it; the message says which.
        JournalFailed: It cannot be locked.
    """
    path = directory / LOCK_NAME
    try:
        descriptor = disk.lock(path)
    except BlockingIOError as error:
        raise JournalLocked(
            f"the journal in {directory} is held by {_holder(disk, path)}",
            hint="stop that master first, or give this one another --journal",
        ) from error
    except OSError as error:
        raise from_os_error("lock", path, error) from error
    note = f"{os.getpid()} {os.uname().nodename}\n".encode()[:NOTE_BYTES_MAX]
    try:
        disk.write(descriptor, note, 0)
        disk.truncate(descriptor, len(note))
    except OSError as error:
        if error.errno not in FULL_ERRORS:  # a full disk must open; only the name of the holder is missing
            disk.close(descriptor)
            raise from_os_error("write", path, error) from error
    return descriptor


def try_to_lock_idle(disk: Disk, directory: Path) -> int | None:
    """Locks a folder that no master holds, to look at it; changes nothing.

    Returns:
        The open file; -1 where the folder was never locked; None where a master holds it.

    Raises:
        JournalFailed: It cannot be locked.
    """
    path = directory / LOCK_NAME
    try:
        return disk.lock(path, create=False)
    except FileNotFoundError:
        return -1
    except BlockingIOError:
        return None
    except OSError as error:
        raise from_os_error("lock", path, error) from error


def _holder(disk: Disk, path: Path) -> str:
    try:
        descriptor = disk.open(path)
    except OSError:
        return "another process"
    try:
        words = disk.read(descriptor, NOTE_BYTES_MAX, 0).decode(errors="replace").split()
    finally:
        disk.close(descriptor)
    return f"process {words[0]} on {words[1]}" if len(words) == 2 else "another process"
