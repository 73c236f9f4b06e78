"""The file journal: an ordered durable log of opaque batches in a folder, bytes in and bytes out.

How a batch gets there: `file_journal` (the life of a journal) → `head` (one write and one sync) →
`frame` (what is written) → `disk` (the system calls). Segments come from `segment_supply`, within the
limits that `room` keeps, most of them made ahead by `next_segment`. How it is read back:
`log_reader` → `frame_reader`, with the rules of what may be missing in `tail`; then `recovery` makes
it durable again. `snapshot` and `read_sealed` are for the process that folds old segments, `verify`
for whoever wants to know whether a journal is whole.
"""

from ganger.config import JournalSettings
from ganger.storage.disk import Disk
from ganger.storage.file_journal import FileJournal
from ganger.storage.log_reader import read_sealed
from ganger.storage.snapshot import SnapshotWriter
from ganger.storage.status import JournalStatus
from ganger.storage.verify import VerifyReport, verify

__all__ = [
    "Disk",
    "FileJournal",
    "JournalSettings",
    "JournalStatus",
    "SnapshotWriter",
    "VerifyReport",
    "read_sealed",
    "verify",
]
