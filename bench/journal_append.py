"""Appends of the file journal beside the bare system calls beneath them: batches of 1, 100, 1,000 events.

Usage: python bench/journal_append.py [--seconds 2] [--directory DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ganger.storage import Disk, FileJournal, JournalSettings
from ganger.storage.frame import frame_space

EVENT_BYTES = 200
BATCHES = (1, 100, 1_000)
BARE_BYTES = 512 << 20
WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on the disk to measure")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="journal-append-", dir=arguments.directory))
    try:
        print(f"{'':28}{'batches/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'CPU µs':>9}")
        for events in BATCHES:
            batch = os.urandom(EVENT_BYTES * events)
            bare(folder / "bare", batch, f"{events:>5} events, bare calls", arguments.seconds)
            journal(folder / "journal", batch, f"{events:>5} events, journal", arguments.seconds)
        overhead(folder / "overhead")
        opening(folder / "opening")
    finally:
        shutil.rmtree(folder)


def bare(path: Path, batch: bytes, name: str, seconds: float) -> None:
    """One pwrite and one fdatasync, into zeros that were written and synced before."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for start in range(0, BARE_BYTES, 1 << 20):
        os.pwrite(descriptor, bytes(1 << 20), start)
    os.fsync(descriptor)
    offset, space = 0, frame_space(len(batch))

    def append() -> None:
        nonlocal offset
        os.pwrite(descriptor, batch, offset)
        os.fdatasync(descriptor)
        offset = (offset + space) % (BARE_BYTES - space)

    measure(append, name, seconds)
    os.close(descriptor)
    path.unlink()


def journal(path: Path, batch: bytes, name: str, seconds: float) -> None:
    """The same through the journal with its default limits, making of segments included."""
    opened = FileJournal.open(path)
    for _ in opened.replay():
        continue
    opened.start(1, b"")
    measure(lambda: opened.append(batch), name, seconds)
    opened.close()
    shutil.rmtree(path)


def overhead(path: Path) -> None:
    """What the journal itself takes for a batch of 20 KB, where the system calls take nothing."""

    class NoDisk(Disk):
        def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
            return len(data)

        def sync(self, descriptor: int) -> None:
            return None

    batch = os.urandom(20_000)
    opened = FileJournal.open(path, limits=JournalSettings(segment_bytes=1 << 30, reserve_bytes=0))
    for _ in opened.replay():
        continue
    opened.start(1, b"")
    opened._head._disk = NoDisk()  # type: ignore[union-attr]
    count = 1_000
    start = time.perf_counter()
    for _ in range(count):
        opened.append(batch)
    each_us = (time.perf_counter() - start) / count * 1e6
    print(f"above the system calls, for a batch of 20 KB: {each_us:.1f} µs")


def opening(path: Path) -> None:
    """A fresh journal, and one with a long tail after a crash."""
    start = time.perf_counter()
    opened = FileJournal.open(path)
    list(opened.replay())
    opened.start(1, b"first")
    print(f"open and start a fresh journal: {(time.perf_counter() - start) * 1e3:.1f} ms")
    batch = os.urandom(20_000)
    for _ in range(5_000):
        opened.append(batch)
    opened._disk.close(opened._lock)  # as a killed process leaves it
    start = time.perf_counter()
    again = FileJournal.open(path)
    size = sum(len(found) for found in again.replay())
    replayed = time.perf_counter()
    again.start(2, b"second")
    started = time.perf_counter()
    print(f"replay of {size >> 20} MiB: {(replayed - start) * 1e3:.0f} ms")
    print(f"start behind it: {(started - replayed) * 1e3:.1f} ms")
    again.close()


def measure(append: Callable[[], None], name: str, seconds: float) -> None:
    for _ in range(WARM_UP):
        append()
    times: list[float] = []
    cpu, end = time.process_time(), time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        append()
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / len(times)
    times.sort()
    p50, p99, longest = times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]
    line = "".join(f"{value * 1e3:9.3f}" for value in (p50, p99, longest))
    print(f"{name:28}{len(times) / sum(times):10,.0f}{line}{cpu * 1e6:9.1f}", flush=True)


if __name__ == "__main__":
    main()
