"""One process at a time holds a journal."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganger.errors import JournalFailed, JournalLocked
from ganger.storage import Disk, FileJournal
from ganger.storage.lock import try_to_lock_idle
from tests.unit.storage.journals import DIRECTORY, SMALL, started
from tests.unit.storage.memory_disk import Fault, MemoryDisk

HOLD = """
import sys
from pathlib import Path
from ganger.storage import FileJournal, JournalSettings
journal = FileJournal.open(Path(sys.argv[1]), limits=JournalSettings(reserve_bytes=0))
print("held", flush=True)
sys.stdin.read()
"""

LIVE_ON_IN_A_CHILD = """
import os
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
"""


def test_a_journal_held_by_another_process_is_refused_with_its_number(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(JournalLocked, match=rf"process {holder.pid} on ") as caught:
            FileJournal.open(tmp_path, limits=SMALL)
        assert caught.value.hint
        holder.kill()
    FileJournal.open(tmp_path, limits=SMALL).close()


def test_a_journal_cannot_be_opened_twice_in_one_process(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limits=SMALL)
    with pytest.raises(JournalLocked, match=f"process {os.getpid()}"):
        FileJournal.open(tmp_path, limits=SMALL)
    journal.close()
    FileJournal.open(tmp_path, limits=SMALL).close()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limits=SMALL)
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(sender)
        os.read(receiver, 1)  # lives until the test has ended
        os._exit(0)
    try:
        journal.close()
        FileJournal.open(tmp_path, limits=SMALL).close()
    finally:
        os.close(sender)
        os.waitpid(child, 0)
        os.close(receiver)


def test_a_child_that_outlives_a_killed_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = HOLD.replace("print", LIVE_ON_IN_A_CHILD + "print")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()
        wait_until_free(tmp_path)


def wait_until_free(directory: Path) -> None:
    while (lock := try_to_lock_idle(Disk(), directory)) is None:  # the child may not have run yet
        time.sleep(0.01)
    Disk().close(lock)


def test_a_holder_that_left_no_note_is_still_a_holder() -> None:
    disk = MemoryDisk()
    started(disk)
    disk.files[str(DIRECTORY / "LOCK")].data[:] = b""
    with pytest.raises(JournalLocked, match="another process"):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)
    disk.fault = lambda call, name: Fault(OSError(errno.EACCES, "no")) if call == "open" else None
    with pytest.raises(JournalLocked, match="another process"):
        FileJournal.open(DIRECTORY, limits=SMALL, disk=disk)


def test_a_full_disk_only_costs_the_note_in_the_lock() -> None:
    disk = MemoryDisk(free=0)
    FileJournal.open(DIRECTORY, limits=SMALL, disk=disk).close()
    assert disk.files[str(DIRECTORY / "LOCK")].data == b""


def test_a_look_at_a_folder_tells_whether_a_master_holds_it(tmp_path: Path) -> None:
    disk = Disk()
    assert try_to_lock_idle(disk, tmp_path) == -1
    journal = FileJournal.open(tmp_path, limits=SMALL)
    assert try_to_lock_idle(disk, tmp_path) is None
    journal.close()
    lock = try_to_lock_idle(disk, tmp_path)
    assert lock is not None
    assert lock >= 0
    disk.close(lock)
    failing = MemoryDisk()
    failing.fault = lambda call, name: Fault(OSError(5, "gone"))
    with pytest.raises(JournalFailed):
        try_to_lock_idle(failing, tmp_path)
