"""Errors of the operating system become errors of the journal here, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from ganger.errors import JournalCorrupt, JournalError, JournalFailed, JournalFull
from ganger.storage.disk import FULL_ERRORS


def from_os_error(action: str, path: Path, error: OSError) -> JournalError:
    """The journal's error for a call that changed nothing: full where room is the reason, else failed.

    Args:
        action: What was tried: "write", "sync", …
        path: The file or folder.
        error: What the operating system said.
    """
    return full(action, path, error) if error.errno in FULL_ERRORS else failed(action, path, error)


def full(action: str, path: Path, error: OSError) -> JournalFull:
    """The error for a call that had no room and changed nothing."""
    return JournalFull(
        f"cannot {action} {path}: {error.strerror or error}",
        hint="free some disk; work that was accepted goes on meanwhile",
    )


def failed(action: str, path: Path, error: OSError) -> JournalFailed:
    """The error for a call after which nothing is known."""
    return JournalFailed(
        f"cannot {action} {path}: {error.strerror or error}",
        hint="check the disk and the system's log, then start again: what stands is read back and checked",
    )


def corrupt(path: Path, offset: int, reason: str) -> JournalCorrupt:
    """The error for a file that is not what was written.

    Args:
        path: The file.
        offset: Where in it, in bytes.
        reason: What is wrong there.
    """
    return JournalCorrupt(
        f"{path} is damaged at byte {offset}: {reason}",
        path=str(path),
        offset=offset,
        hint="nothing was changed; restore this file from a copy of the same journal",
    )
