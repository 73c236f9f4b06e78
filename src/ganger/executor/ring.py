"""An executor's page of shared memory: what it has started, and a ring of the results it has finished.

The executor writes without waiting for anyone, the agent reads without the executor's help: a
finished result never waits for what stands behind it, and after a crash it is known what had
started. Each field has one writer. Positions grow for ever and wrap only when addressed.

Layout, native 64-bit words, each written and read in one piece: 0 index started, 8 when (monotonic
ns), 16 head (bytes written), 24 tail (bytes read), 32 the calls that are revoked (the last index and
how many before it); from byte 64 the ring of records: index, elapsed ns, length, kind, payload.

Revoking is a handshake: the executor writes that it starts a call and then reads the revocation, the
agent writes the revocation and then reads what has started, so one of them sees the other. What had
started by then is the executor's, the rest is the agent's again; where both have seen each other the
executor says that it skipped the call. (Processors that delay a write past the read behind it can
let a call run twice; then its first result counts.)
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time

from ganger.protocol.calls import Finished

HEADER_BYTES = 64
_STARTED, _HEAD, _TAIL, _REVOKED = 0, 16, 24, 32
_WORD = struct.Struct("@Q")
_PAIR = struct.Struct("@QQ")
_RECORD = struct.Struct("@QQIB")
_COUNT_BITS = 16
_COUNT_MAX = (1 << _COUNT_BITS) - 1
RECORD_BYTES = _RECORD.size
_put, _get = _WORD.pack_into, _WORD.unpack_from
_put_pair, _get_pair = _PAIR.pack_into, _PAIR.unpack_from
_put_record, _get_record = _RECORD.pack_into, _RECORD.unpack_from

FILLER = 255
"""The kind of a record that only pads the end of the ring."""

FULL_PAUSE_S = 0.0002


def make_ring(ring_bytes: int) -> int:
    """A file descriptor of anonymous shared memory, gone with its last holder."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("ganger-ring")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, HEADER_BYTES + ring_bytes)
    return descriptor


class RingWriter:
    """The executor's side.

    Args:
        descriptor: From `make_ring`; may be closed afterwards.
    """

    __slots__ = ("_head", "_memory", "_size")

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self._size = len(self._memory) - HEADER_BYTES
        self._head = 0

    def start(self, index: int, now_ns: int) -> bool:
        """Publishes that a call starts. Returns False if it was revoked and must be skipped."""
        memory = self._memory
        _put_pair(memory, _STARTED, index, now_ns)
        word: int = _get(memory, _REVOKED)[0]
        last = word >> _COUNT_BITS
        return index > last or index <= last - (word & _COUNT_MAX)

    def publish(self, index: int, kind: int, elapsed_ns: int, payload: bytes) -> None:
        """Publishes how a call ended; waits while the ring is full."""
        memory, size = self._memory, self._size
        length = len(payload)
        need = RECORD_BYTES + length
        at = self._head % size
        if at + need > size:
            self._skip_rest(at)
            at = 0
        while self._head + need - _get(memory, _TAIL)[0] > size:
            time.sleep(FULL_PAUSE_S)
        start = HEADER_BYTES + at
        _put_record(memory, start, index, elapsed_ns, length, kind)
        body = start + RECORD_BYTES
        memory[body : body + length] = payload
        self._head += need
        _put(memory, _HEAD, self._head)

    def _skip_rest(self, at: int) -> None:
        rest = self._size - at
        while self._head + rest - _get(self._memory, _TAIL)[0] > self._size:
            time.sleep(FULL_PAUSE_S)
        if rest >= RECORD_BYTES:
            _put_record(self._memory, HEADER_BYTES + at, 0, 0, rest - RECORD_BYTES, FILLER)
        self._head += rest


class RingReader:
    """The agent's side.

    Args:
        descriptor: From `make_ring`; may be closed afterwards.
    """

    __slots__ = ("_memory", "_size", "_tail")

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self._size = len(self._memory) - HEADER_BYTES
        self._tail = 0

    def collect(self) -> list[Finished]:
        """Everything published since the last call."""
        memory, size, tail = self._memory, self._size, self._tail
        head = _get(memory, _HEAD)[0]
        found: list[Finished] = []
        if head == tail:
            return found
        make = Finished
        while tail < head:
            at = tail % size
            if at + RECORD_BYTES > size:
                tail += size - at
                continue
            start = HEADER_BYTES + at
            index, elapsed_ns, length, kind = _get_record(memory, start)
            body = start + RECORD_BYTES
            tail += RECORD_BYTES + length
            if kind != FILLER:
                found.append(make(index, kind, elapsed_ns, memory[body : body + length]))
        self._tail = tail
        _put(memory, _TAIL, tail)
        return found

    def started(self) -> tuple[int, int]:
        """The index of the call that started last (0 for none), and when (monotonic ns)."""
        index, now_ns = _get_pair(self._memory, _STARTED)
        return index, now_ns

    def revoke(self, first: int, last: int) -> None:
        """The calls from `first` to `last` must be skipped, where they have not started."""
        count = min(last - first + 1, _COUNT_MAX)
        _put(self._memory, _REVOKED, last << _COUNT_BITS | count)

    def close(self) -> None:
        """Lets go of the memory."""
        self._memory.close()
