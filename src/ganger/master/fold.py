"""``python -m ganger.master.fold DIR SEQUENCE``: folds sealed segments into a snapshot, beside the master.

It reads what no longer changes, applies it to a ledger of its own, and writes that ledger's image. The
master adopts the snapshot when this process has ended well, and only then removes what it covers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ganger.core.images import image
from ganger.core.ledger import Ledger
from ganger.errors import GangerError
from ganger.protocol.codec import decode_records, encode_records
from ganger.storage.log_reader import read_sealed
from ganger.storage.snapshot import SnapshotWriter

NICENESS = 10


def fold(directory: Path, sequence: int) -> int:
    """Writes the snapshot through a frame.

    Args:
        directory: The journal's folder.
        sequence: The last frame to fold in, in a sealed segment.

    Returns:
        How many tasks it holds.

    Raises:
        JournalError: The segments cannot be read, or the snapshot cannot be written.
    """
    ledger = Ledger()
    for batch in read_sealed(directory, sequence):
        for record in decode_records(batch):
            ledger.apply(record)
    with SnapshotWriter(directory, sequence, ledger.epoch) as writer:
        for record in image(ledger):
            writer.add(encode_records([record]))
        writer.publish()
    return len(ledger.tasks)


def main() -> int:
    """The command."""
    os.nice(NICENESS)
    try:
        fold(Path(sys.argv[1]), int(sys.argv[2]))
    except GangerError as error:
        sys.stderr.write(f"ganger: the journal could not be folded: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
