"""All calls of the storage to the operating system go through `Disk`, so that a simulated one can stand in.

One method is one system call; errors are the operating system's own (`OSError`), and `write` may
write less than it was given, as the call beneath may.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
ZEROS_BYTES = 1 << 20
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
UNSUPPORTED_ERRORS = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})

_held_locks: set[int] = set()


def _drop_locks_after_fork() -> None:
    # A lock belongs to the open file, which a forked child shares: it would outlive its holder.
    while _held_locks:
        os.close(_held_locks.pop())


os.register_at_fork(after_in_child=_drop_locks_after_fork)


def _flush(descriptor: int) -> None:
    """Flushes through the drive's own cache where ``fdatasync`` does not exist (macOS)."""
    full_sync: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is None:
        os.fsync(descriptor)
        return
    try:
        fcntl.fcntl(descriptor, full_sync)
    except OSError as error:
        if error.errno not in UNSUPPORTED_ERRORS:
            raise
        os.fsync(descriptor)  # a file system that knows no full flush


def _no_allocation(descriptor: int, offset: int, size_bytes: int) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


_sync: Callable[[int], None] = getattr(os, "fdatasync", _flush)
_allocate: Callable[[int, int, int], None] = getattr(os, "posix_fallocate", _no_allocation)


class Disk:
    """The real disk."""

    def make_directory(self, path: Path) -> None:
        """Makes a folder that only its owner can enter, and its parents, if it does not exist."""
        if path.is_dir():
            return
        for parent in reversed([parent for parent in path.parents if not parent.exists()]):
            parent.mkdir(exist_ok=True)
            self.sync_directory(parent.parent)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self.sync_directory(path.parent)

    def names(self, directory: Path) -> list[str]:
        """The names in a folder, in no order."""
        return os.listdir(directory)

    def create(self, path: Path) -> int:
        """Makes a new file and opens it for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    def open(self, path: Path, *, writable: bool = False) -> int:
        """Opens a file that exists."""
        return os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        """Closes a file; a lock on it ends, even if a child that was just forked still has it open."""
        if descriptor in _held_locks:
            _held_locks.discard(descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def size(self, descriptor: int) -> int:
        """Length of an open file in bytes."""
        return os.fstat(descriptor).st_size

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""
        data = os.pread(descriptor, length, offset)
        while 0 < len(data) < length:
            more = os.pread(descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """Writes at an offset; returns how many bytes were taken."""
        return os.pwrite(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        """Returns once the data of the file, and what is needed to find them, cannot be lost."""
        _sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Returns once what was created, renamed and removed in the folder cannot be lost."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def allocate(self, descriptor: int, size_bytes: int) -> None:
        """Takes disk for the first `size_bytes` of the file, which becomes at least that long."""
        try:
            _allocate(descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno not in UNSUPPORTED_ERRORS:
                raise
            write_zeros(self, descriptor, self.size(descriptor), size_bytes)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cuts the file to this length."""
        os.ftruncate(descriptor, size_bytes)

    def rename(self, source: Path, target: Path) -> None:
        """Gives a file another name, in one step, over whatever had it."""
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        """Removes a file."""
        os.unlink(path)

    def free_bytes(self, directory: Path) -> int:
        """What this user may still write to the file system."""
        state = os.statvfs(directory)
        return state.f_bavail * state.f_frsize

    def lock(self, path: Path, *, create: bool = True) -> int:
        """Opens a file and locks it against every other process.

        Raises:
            BlockingIOError: Another process holds it.
        """
        flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
        descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        _held_locks.add(descriptor)
        return descriptor

    def pause(self, seconds: float) -> None:
        """Lets others have the disk for a moment."""
        time.sleep(seconds)

    def in_background(self, work: Callable[[], None]) -> Callable[[], None]:
        """Starts some work beside the caller; what is returned waits for its end."""
        thread = threading.Thread(target=work, name="ganger-journal", daemon=True)
        thread.start()
        return thread.join


def write_all(disk: Disk, descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Writes all of `data`, however many calls it takes."""
    done = disk.write(descriptor, data, offset)
    while done < len(data):
        done += disk.write(descriptor, memoryview(data)[done:], offset + done)


def write_zeros(disk: Disk, descriptor: int, start: int, end: int) -> None:
    """Writes zeros from `start` to `end`, so that later writes there need no new metadata."""
    zeros = memoryview(bytes(min(ZEROS_BYTES, max(0, end - start))))
    for offset in range(start, end, ZEROS_BYTES):
        write_all(disk, descriptor, zeros[: end - offset], offset)
