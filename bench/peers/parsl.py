"""parsl: its HighThroughputExecutor with one local block."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

from bench.functions import TASK_FUNCTIONS
from bench.peers.peer import BasePeer, Handle
from bench.processes import command_line, tree_pids


class Parsl(BasePeer):
    """Python apps on one executor; the client's kernel keeps the tasks, an interchange process too."""

    def start(self, slots: int) -> None:
        """Start the interchange and one block of ``slots`` workers."""
        logging.getLogger("parsl").setLevel(logging.ERROR)
        executor = HighThroughputExecutor(
            label="htex",
            address="127.0.0.1",
            max_workers_per_node=slots,
            cores_per_worker=min(1.0, (os.cpu_count() or 1) / slots),
            encrypted=False,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
        parsl.load(
            Config(
                executors=[executor],
                strategy="none",
                usage_tracking=0,
                initialize_logging=False,
                run_dir=os.path.join(os.getcwd(), "parsl-run"),
            )
        )
        self._apps: dict[Callable[..., object], Any] = {f: parsl.python_app(f) for f in TASK_FUNCTIONS}

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Call the app."""
        return self._apps[function](*arguments)

    def master_pids(self) -> list[int]:
        """Return the client and the interchange, which share the queue."""
        others = [pid for pid in tree_pids(os.getpid()) if "interchange" in command_line(pid)]
        return [os.getpid(), *others]

    def stop(self) -> None:
        """Stop the executor and forget the configuration."""
        parsl.dfk().cleanup()
        parsl.clear()
