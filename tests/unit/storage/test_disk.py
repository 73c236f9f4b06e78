"""The real disk does what its methods say, also where a system call is missing."""

import errno
import os
from pathlib import Path

import pytest

from ganger.storage import disk as module
from ganger.storage.disk import Disk, write_all, write_zeros


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_what_is_written_is_read_back_at_its_offset(path: Path) -> None:
    disk = Disk()
    descriptor = disk.create(path)
    write_all(disk, descriptor, b"hello", 3)
    write_zeros(disk, descriptor, 8, 8 + 3 * (1 << 20) + 5)
    disk.sync(descriptor)
    assert disk.read(descriptor, 5, 3) == b"hello"
    assert disk.size(descriptor) == 8 + 3 * (1 << 20) + 5
    assert disk.read(descriptor, 100, disk.size(descriptor) - 2) == b"\0\0"
    disk.truncate(descriptor, 4)
    assert disk.read(descriptor, 100, 0) == b"\0\0\0h"
    disk.close(descriptor)


def test_a_read_that_is_cut_short_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    descriptor = disk.create(path)
    write_all(disk, descriptor, b"0123456789", 0)
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: whole(fd, min(length, 3), offset))
    assert disk.read(descriptor, 8, 1) == b"12345678"
    assert disk.read(descriptor, 80, 5) == b"56789"
    disk.close(descriptor)


def test_a_file_is_made_once_and_opened_only_if_it_exists(path: Path) -> None:
    disk = Disk()
    with pytest.raises(FileNotFoundError):
        disk.open(path)
    disk.close(disk.create(path))
    with pytest.raises(FileExistsError):
        disk.create(path)
    disk.close(disk.open(path, writable=True))
    disk.rename(path, path.with_name("other"))
    assert disk.names(path.parent) == ["other"]
    disk.unlink(path.with_name("other"))
    assert disk.names(path.parent) == []


def test_room_is_allocated_for_real(path: Path) -> None:
    disk = Disk()
    descriptor = disk.create(path)
    disk.allocate(descriptor, 1 << 20)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20
    disk.close(descriptor)
    assert disk.free_bytes(path.parent) > 0


def test_where_nothing_can_be_allocated_zeros_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_allocate", module._no_allocation)
    disk = Disk()
    descriptor = disk.create(path)
    write_all(disk, descriptor, b"kept", 0)
    disk.allocate(descriptor, 1 << 20)
    assert path.read_bytes() == b"kept" + bytes((1 << 20) - 4)
    assert path.stat().st_blocks * 512 >= 1 << 20
    disk.close(descriptor)


def test_an_allocation_without_room_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(module, "_allocate", full)
    disk = Disk()
    descriptor = disk.create(path)
    with pytest.raises(OSError, match="full"):
        disk.allocate(descriptor, 4096)
    disk.close(descriptor)


@pytest.mark.parametrize("answer", [0, errno.ENOTSUP, errno.EIO, None])
def test_where_fdatasync_is_missing_the_drive_is_flushed_or_the_file_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None
) -> None:
    called: list[str] = []

    def full_sync(descriptor: int, command: int) -> int:
        called.append("drive")
        if answer:
            raise OSError(answer, "no")
        return 0

    monkeypatch.setattr(module.fcntl, "fcntl", full_sync)
    monkeypatch.setattr(os, "fsync", lambda descriptor: called.append("file"))
    if answer is None:
        monkeypatch.delattr(module.fcntl, "F_FULLFSYNC", raising=False)
    else:
        monkeypatch.setattr(module.fcntl, "F_FULLFSYNC", 51, raising=False)
    if answer == errno.EIO:
        with pytest.raises(OSError, match="no"):
            module._flush(0)
        assert called == ["drive"]
    else:
        module._flush(0)
        assert called == {0: ["drive"], errno.ENOTSUP: ["drive", "file"], None: ["file"]}[answer]


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    disk = Disk()
    disk.make_directory(tmp_path / "a" / "b" / "c")
    disk.make_directory(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700


def test_work_in_the_background_is_waited_for(path: Path) -> None:
    disk = Disk()
    done: list[int] = []
    wait = disk.in_background(lambda: (disk.pause(0.001), done.append(1))[0])
    wait()
    assert done == [1]
