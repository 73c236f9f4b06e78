"""The names of the files in a journal's folder, and which of them count.

::

    LOCK                                      held by the master; holds its process id
    journal-<first sequence>.segment          frames, in the order of their names
    snapshot-<last sequence covered>.snapshot a fold of all frames up to that one
    reserve                                   disk kept for finishing what was accepted
    *.tmp                                     unfinished; a crash may leave one, opening removes it
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ganger.errors import JournalError
from ganger.storage.disk import Disk
from ganger.storage.faults import corrupt, from_os_error

LOCK_NAME = "LOCK"
RESERVE_NAME = "reserve"
NEXT_NAME = "next-segment.tmp"
TEMPORARY_SUFFIX = ".tmp"

_SEGMENT = re.compile(r"journal-(\d{20})\.segment")
_SNAPSHOT = re.compile(r"snapshot-(\d{20})\.snapshot")


def segment_name(first_sequence: int) -> str:
    """The name of the segment that begins with this frame."""
    return f"journal-{first_sequence:020}.segment"


def snapshot_name(sequence: int) -> str:
    """The name of the snapshot that covers the frames up to this one."""
    return f"snapshot-{sequence:020}.snapshot"


class Layout(NamedTuple):
    """Which files make up the journal.

    Attributes:
        snapshot: The frame up to which the newest snapshot reaches; 0 without one.
        segments: The first frames of the segments that hold frames after it, ascending.
        covered: Names of segments and older snapshots that the newest snapshot makes superfluous.
        unfinished: Names of files that were never finished.
    """

    snapshot: int
    segments: tuple[int, ...]
    covered: tuple[str, ...]
    unfinished: tuple[str, ...]


def read_layout(disk: Disk, directory: Path) -> Layout:
    """Looks at the folder.

    Raises:
        JournalError: There is no such folder.
        JournalCorrupt: Segments are missing.
    """
    try:
        names = sorted(disk.names(directory))
    except FileNotFoundError as error:
        raise JournalError(f"there is no journal in {directory}", hint="check the path") from error
    except OSError as error:
        raise from_os_error("list", directory, error) from error
    snapshots = [int(match[1]) for name in names if (match := _SNAPSHOT.fullmatch(name))]
    firsts = [int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name))]
    snapshot = max(snapshots, default=0)
    covered = [first for first, following in pairwise(firsts) if following <= snapshot + 1]
    segments = tuple(firsts[len(covered) :])
    _refuse_a_gap(directory, snapshot, segments)
    return Layout(
        snapshot=snapshot,
        segments=segments,
        covered=tuple(
            [segment_name(first) for first in covered]
            + [snapshot_name(sequence) for sequence in snapshots if sequence < snapshot]
        ),
        unfinished=tuple(name for name in names if name.endswith(TEMPORARY_SUFFIX)),
    )


def _refuse_a_gap(directory: Path, snapshot: int, segments: tuple[int, ...]) -> None:
    if segments and segments[0] > snapshot + 1:
        missing = f"the files with the frames {snapshot + 1} to {segments[0] - 1} are missing"
        raise corrupt(directory / segment_name(segments[0]), 0, missing)
    if snapshot and not segments:
        raise corrupt(directory / snapshot_name(snapshot), 0, "the segment that follows it is missing")
