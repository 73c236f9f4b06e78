"""Holds every slot of a peer at once, until a gate is opened.

It proves that all slots are there, which some peers start one by one and late, and it lets tasks queue up
behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.functions import hold
from bench.peers.peer import Handle
from bench.workloads.run import Run, check

HELD_TIMEOUT_S = 30.0
POLL_S = 0.01


class Gate:
    """Tasks that occupy all slots of a started peer; they end when it opens."""

    def __init__(self, run: Run) -> None:
        """Submit one task a slot and wait until all of them run.

        Raises:
            WrongResult: If they do not all run at the same time.
        """
        self._peer = run.peer
        self._path = os.path.join(tempfile.mkdtemp(), "gate")
        self._holding: list[Handle] = [run.peer.submit(hold, self._path, index) for index in range(run.slots)]
        deadline_s = time.monotonic() + HELD_TIMEOUT_S
        while not all(Path(f"{self._path}.{index}").exists() for index in range(run.slots)):
            check(time.monotonic() < deadline_s, "the slots did not all run a task at the same time")
            time.sleep(POLL_S)

    def open(self) -> None:
        """Let the tasks end, and wait for them."""
        Path(self._path).touch()
        for handle in self._holding:
            self._peer.get(handle)
