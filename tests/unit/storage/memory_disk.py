"""A disk in memory that keeps apart what was written and what is durable, and that fails as it is told."""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ganger.storage.disk import Disk

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The machine stops here; no code of ours may catch it."""


@dataclass(eq=False)
class File:
    """An inode: `data` is what a reader sees, `durable` what is there after a power cut."""

    data: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    dirty: list[tuple[int, bytes]] = field(default_factory=list)
    resized: bool = False


@dataclass
class Fault:
    """What one call does instead of succeeding: raises, after `short` bytes where it is a write."""

    error: BaseException
    short: int = 0


class MemoryDisk(Disk):
    """Counts calls, and lets a test put a fault in the place of any of them.

    Attributes:
        calls: Every call so far, as (name of the method, name of the file).
        fault: Asked before each call; answers with a fault or None.
        free: Bytes that are free.
    """

    def __init__(self, free: int = 1 << 40) -> None:
        self.files: dict[str, File] = {}
        self.durable_files: dict[str, File] = {}
        self.pending: list[dict[str, File | None]] = []
        self.open_files: dict[int, tuple[str, File]] = {}
        self.directories: set[str] = set()
        self.locked: dict[int, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault | None] = lambda call, name: None
        self.free = free
        self.off = False
        self.later: list[Callable[[], None]] | None = None
        self._next_descriptor = 100

    # ---------------------------------------------------------------- endings

    def kill(self) -> "MemoryDisk":
        """The process is gone, the machine is not: what was written can be read, durable or not."""
        other = MemoryDisk(self.free)
        other.files, other.durable_files, other.pending = self.files, self.durable_files, self.pending
        other.directories = self.directories
        return other

    def cut_power(self, seed: int) -> "MemoryDisk":
        """The machine is gone: of what was not synced, any sectors and any changes of names may be there."""
        dice = random.Random(seed)
        names = dict(self.durable_files)
        count = dice.randint(0, len(self.pending))
        ordered = dice.random() < 0.5
        kept = [at < count if ordered else dice.random() < 0.5 for at in range(len(self.pending))]
        for change, keep in zip(self.pending, kept, strict=True):
            if keep:
                _change(names, change)
        other = MemoryDisk(self.free + sum(len(file.data) for file in set(self.files.values())))
        other.directories = set(self.directories)
        for name, file in names.items():
            data = bytearray(_after_power_cut(file, dice))
            other.files[name] = other.durable_files[name] = File(data, bytearray(data))
        other.free -= sum(len(file.data) for file in other.files.values())
        return other

    # ------------------------------------------------------------------ calls

    def _call(self, call: str, path: str) -> Fault | None:
        if self.off:
            raise PowerCut
        self.calls.append((call, Path(path).name))
        fault = self.fault(call, Path(path).name)
        if fault is not None:
            self.off = isinstance(fault.error, PowerCut)
            if not fault.short:
                raise fault.error
        return fault

    def _path(self, descriptor: int) -> str:
        return self.open_files[descriptor][0]

    def _opened(self, path: str, file: File) -> int:
        self._next_descriptor += 1
        self.open_files[self._next_descriptor] = (path, file)
        return self._next_descriptor

    def _take(self, size: int) -> None:
        if size > self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.free -= size

    def make_directory(self, path: Path) -> None:
        self._call("make_directory", str(path))
        self.directories.add(str(path))

    def names(self, directory: Path) -> list[str]:
        self._call("names", str(directory))
        if str(directory) not in self.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return [Path(name).name for name in self.files if Path(name).parent == directory]

    def create(self, path: Path) -> int:
        self._call("create", str(path))
        if str(path) in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._create(str(path))
        return self._opened(str(path), self.files[str(path)])

    def _create(self, path: str) -> None:
        self.files[path] = File()
        self.pending.append({path: self.files[path]})

    def open(self, path: Path, *, writable: bool = False) -> int:
        self._call("open", str(path))
        if str(path) not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._opened(str(path), self.files[str(path)])

    def close(self, descriptor: int) -> None:
        del self.open_files[descriptor]
        self.locked.pop(descriptor, None)

    def size(self, descriptor: int) -> int:
        return len(self.open_files[descriptor][1].data)

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        self._call("read", self._path(descriptor))
        return bytes(self.open_files[descriptor][1].data[offset : offset + length])

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        fault = self._call("write", self._path(descriptor))
        if fault is not None:
            if isinstance(fault.error, PowerCut):
                self._write(descriptor, bytes(data[: fault.short]), offset)
                raise fault.error
            data = data[: fault.short]
        self._write(descriptor, bytes(data), offset)
        return len(data)

    def _write(self, descriptor: int, data: bytes, offset: int) -> None:
        file = self.open_files[descriptor][1]
        grown = offset + len(data) - len(file.data)
        if grown > 0:
            self._take(grown)
            file.data.extend(bytes(grown))
            file.resized = True
        file.data[offset : offset + len(data)] = data
        file.dirty.append((offset, data))

    def sync(self, descriptor: int) -> None:
        file = self.open_files[descriptor][1]
        try:
            self._call("sync", self._path(descriptor))
        except OSError:
            file.dirty.clear()  # the system takes the pages for written from now on
            raise
        _grow_or_cut(file.durable, len(file.data))
        for offset, data in file.dirty:
            file.durable[offset : offset + len(data)] = data[: max(0, len(file.durable) - offset)]
        file.dirty.clear()
        file.resized = False

    def sync_directory(self, path: Path) -> None:
        self._call("sync_directory", str(path))
        for change in self.pending:
            _change(self.durable_files, change)
        self.pending.clear()

    def allocate(self, descriptor: int, size_bytes: int) -> None:
        self._call("allocate", self._path(descriptor))
        file = self.open_files[descriptor][1]
        self._take(max(0, size_bytes - len(file.data)))
        file.data.extend(bytes(max(0, size_bytes - len(file.data))))
        file.resized = True

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self._call("truncate", self._path(descriptor))
        file = self.open_files[descriptor][1]
        self.free += max(0, len(file.data) - size_bytes)
        _grow_or_cut(file.data, size_bytes)
        file.resized = True

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", str(target))
        replaced = self.files.get(str(target))
        self.free += len(replaced.data) if replaced is not None else 0
        self.files[str(target)] = self.files.pop(str(source))
        self.pending.append({str(source): None, str(target): self.files[str(target)]})
        for descriptor, (path, file) in self.open_files.items():
            if path == str(source):
                self.open_files[descriptor] = (str(target), file)

    def unlink(self, path: Path) -> None:
        self._call("unlink", str(path))
        if str(path) not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.free += len(self.files.pop(str(path)).data)
        self.pending.append({str(path): None})

    def free_bytes(self, directory: Path) -> int:
        self._call("free_bytes", str(directory))
        return self.free

    def lock(self, path: Path, *, create: bool = True) -> int:
        self._call("lock", str(path))
        if str(path) in self.locked.values():
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        if str(path) not in self.files:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._create(str(path))
        descriptor = self._opened(str(path), self.files[str(path)])
        self.locked[descriptor] = str(path)
        return descriptor

    def pause(self, seconds: float) -> None:
        self._call("pause", "")

    def in_background(self, work: Callable[[], None]) -> Callable[[], None]:
        """Runs the work at once, or, where `later` is a list, when it is waited for."""
        if self.later is None:
            work()
            return lambda: None
        return work


def _change(names: dict[str, File], change: dict[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _grow_or_cut(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


def _after_power_cut(file: File, dice: random.Random) -> bytes:
    data = bytearray(file.durable)
    if file.resized and dice.random() < 0.5:
        _grow_or_cut(data, len(file.data))
    for offset, written in file.dirty:
        start = offset
        while start < offset + len(written):
            end = min(offset + len(written), (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if dice.random() < 0.5 and end <= len(data):
                data[start:end] = written[start - offset : end - offset]
            start = end
    return bytes(data)
