"""A process that is killed in the middle of its appends has lost nothing that it was told was safe."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ganger.storage import FileJournal, JournalSettings, verify

APPEND = """
import sys
from pathlib import Path
from ganger.storage import FileJournal, JournalSettings
journal = FileJournal.open(Path(sys.argv[1]), limits=JournalSettings(segment_bytes=1 << 20, reserve_bytes=0))
count = sum(1 for _ in journal.replay())
journal.start(journal.epoch + 1, b"%d" % count)
out = sys.stdout.buffer
while True:
    out.write(b"%d\\n" % count)
    out.flush()
    count += 1
    journal.append(b"%d" % count + bytes(count % 5000))
"""
LIVES = 4
ACKNOWLEDGED_PER_LIFE = 400


def test_every_acknowledged_batch_survives_sigkill_again_and_again(tmp_path: Path) -> None:
    acknowledged = -1
    for _ in range(LIVES):
        with subprocess.Popen([sys.executable, "-c", APPEND, str(tmp_path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _, line in zip(range(ACKNOWLEDGED_PER_LIFE), child.stdout, strict=False):
                acknowledged = int(line)
            os.kill(child.pid, signal.SIGKILL)
            for line in child.stdout:
                acknowledged = int(line)
        journal = FileJournal.open(tmp_path, limits=JournalSettings(segment_bytes=1 << 20, reserve_bytes=0))
        numbers = [int(batch.rstrip(b"\0") or b"0") for batch in journal.replay()]
        journal.close()
        assert numbers == list(range(len(numbers)))
        assert len(numbers) - 1 - acknowledged in (0, 1)
    assert acknowledged >= LIVES * (ACKNOWLEDGED_PER_LIFE - 1)
    report = verify(tmp_path)
    assert report.good
    assert report.epoch == LIVES
