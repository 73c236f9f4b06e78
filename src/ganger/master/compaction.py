"""Keeps the journal short: when enough segments are sealed, another process folds them into a snapshot."""

from __future__ import annotations

import asyncio
import logging
import sys

from ganger.storage.file_journal import FileJournal

logger = logging.getLogger("ganger.master")

CHECK_S = 1.0


class Compaction:
    """Watches a file journal's size.

    Args:
        journal: What to keep short.
        snapshot_bytes: Growth since the last snapshot beyond which the next is folded.
    """

    def __init__(self, journal: FileJournal, snapshot_bytes: int) -> None:
        self.journal = journal
        self.snapshot_bytes = snapshot_bytes
        self._folded_bytes = 0

    async def run(self) -> None:
        """Until it is cancelled. A fold that fails is tried again after as much growth."""
        while True:
            await asyncio.sleep(CHECK_S)
            if self.journal.status().size_bytes - self._folded_bytes > self.snapshot_bytes:
                await self.fold()

    async def fold(self) -> bool:
        """Folds everything up to now. Returns whether a snapshot was adopted."""
        status = self.journal.status()
        sequence = self.journal.rotate()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ganger.master.fold", status.directory, str(sequence)
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if code:
            logger.warning("folding the journal failed (code %d); it stays as it is", code)
        else:
            self.journal.adopt_snapshot(sequence)
            logger.info("folded the journal through frame %d", sequence)
        self._folded_bytes = self.journal.status().size_bytes
        return not code
