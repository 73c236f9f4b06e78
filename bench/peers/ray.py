"""ray: a head with its control store and raylet on this machine, the dashboard left out."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import ray

from bench.functions import TASK_FUNCTIONS
from bench.peers.peer import RESULT_TIMEOUT_S, BasePeer, Handle
from bench.processes import command_line, tree_pids

OBJECT_STORE_BYTES = 2 << 30
MASTER_PROGRAMS = ("gcs_server", "raylet")


class Ray(BasePeer):
    """Remote functions on a local head; the client that submits also keeps its queued tasks."""

    def start(self, slots: int) -> None:
        """Start a head with ``slots`` CPUs on the loopback address."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
        ray.init(
            num_cpus=slots,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=tempfile.gettempdir(),
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        self._remote: dict[Callable[..., object], Any] = {f: ray.remote(f) for f in TASK_FUNCTIONS}

    def submit(self, function: Callable[..., object], *arguments: object) -> Handle:
        """Call the remote function."""
        return self._remote[function].remote(*arguments)

    def get(self, handle: Handle) -> object:
        """Get one object."""
        result: object = ray.get(handle, timeout=RESULT_TIMEOUT_S)
        return result

    def gather(self, handles: Sequence[Handle]) -> list[object]:
        """Get all objects in one call."""
        return list(ray.get(list(handles)))

    def master_pids(self) -> list[int]:
        """Return the client, the control store and the raylet, which share the queue."""
        servers = [pid for pid in tree_pids(os.getpid()) if _program(pid) in MASTER_PROGRAMS]
        return [os.getpid(), *servers]

    def stop(self) -> None:
        """Stop the head."""
        ray.shutdown()


def _program(pid: int) -> str:
    return os.path.basename(command_line(pid).split(" ", 1)[0])
