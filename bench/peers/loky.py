"""loky: the executor of joblib, whose workers are started by fork and exec and survive a crash."""

from __future__ import annotations

from concurrent.futures import Executor

from loky import ProcessPoolExecutor

from bench.peers.process_pool import ExecutorPeer


class Loky(ExecutorPeer):
    """Its `ProcessPoolExecutor` with the defaults."""

    def make_executor(self, slots: int) -> Executor:
        """Return loky's executor."""
        executor: Executor = ProcessPoolExecutor(slots)
        return executor

    def stop(self) -> None:
        """Kill the workers at once: queued tasks cannot be dropped otherwise."""
        self._executor.shutdown(kill_workers=True)  # type: ignore[call-arg]
