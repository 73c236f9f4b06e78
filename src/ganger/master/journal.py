"""Opens the journal that a plan names."""

from __future__ import annotations

from pathlib import Path

from ganger.config import JournalSettings
from ganger.ports import Journal
from ganger.storage.file_journal import FileJournal
from ganger.storage.memory import MemoryJournal


def open_journal(directory: str, settings: JournalSettings) -> Journal:
    """The file journal in a directory, or the one that keeps nothing.

    Raises:
        JournalError: It is locked, damaged, or of another format.
    """
    if not directory:
        return MemoryJournal()
    return FileJournal.open(Path(directory).expanduser().absolute(), limits=settings)
