"""How large the file journal may grow, and what it says about itself: frozen structs, no behaviour."""

from __future__ import annotations

import msgspec

from ganger.errors import ConfigurationError
from ganger.storage.frame import align

MIB = 1 << 20
FRAME_LENGTH_MAX = (1 << 32) - 1
SEGMENT_BYTES_MIN = 1 << 15


class JournalLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one journal, all in bytes.

    Attributes:
        segment_bytes: Size of a segment file once the journal has grown.
        frame_bytes_max: The longest batch; one that is longer than a segment gets a segment of its own.
        journal_bytes_max: What all files together may take, the reserve aside; 0 for no limit.
        reserve_bytes: Disk kept for `append_reserved`, beyond `journal_bytes_max`; 0 for none.
        disk_free_bytes_min: Free disk that ordinary appends leave to others.

    Raises:
        ConfigurationError: A limit that cannot be meant.
    """

    segment_bytes: int = 64 * MIB
    frame_bytes_max: int = 256 * MIB
    journal_bytes_max: int = 0
    reserve_bytes: int = 64 * MIB
    disk_free_bytes_min: int = 64 * MIB

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value < 0:
                raise ConfigurationError(f"the journal's {name} must not be negative, it is {value}")
        if self.segment_bytes < SEGMENT_BYTES_MIN:
            raise ConfigurationError(
                f"the journal's segment_bytes must be {SEGMENT_BYTES_MIN} or more, it is {self.segment_bytes}"
            )
        if not 0 < self.frame_bytes_max <= FRAME_LENGTH_MAX:
            raise ConfigurationError(
                f"the journal's frame_bytes_max must be 1 to {FRAME_LENGTH_MAX}, it is {self.frame_bytes_max}"
            )

    @property
    def first_segment_bytes(self) -> int:
        """Size of the first segment after an opening, quick to make; each next one is twice as large."""
        return align(self.segment_bytes // 16)

    @property
    def accept_bytes_min(self) -> int:
        """Room below which `accepting` says no, well before `append` has to."""
        return self.segment_bytes // 4


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
