"""What a file journal says about itself: a frozen struct, no behaviour."""

from __future__ import annotations

import msgspec


class JournalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a file journal looks like at one moment.

    Attributes:
        directory: Where it stands.
        segments: How many segment files it has.
        snapshot_sequence: The last frame that its snapshot covers; 0 without a snapshot.
        size_bytes: What its files take, the reserve aside.
        sequence: The number of the last frame.
        epoch: The highest epoch that was seen.
        sealed: Whether the last frame is a seal.
        room_bytes: What ordinary appends may still write.
        reserve_bytes: What is left of the reserve.
        failure: Why nothing can be appended any more, or nothing.
    """

    directory: str
    segments: int
    snapshot_sequence: int
    size_bytes: int
    sequence: int
    epoch: int
    sealed: bool
    room_bytes: int
    reserve_bytes: int
    failure: str
