"""One measurement, in a process of its own: one peer, one workload, one JSON object in a file.

    python -m bench.measure PEER WORKLOAD SIZES RESULT

``SIZES`` is a JSON object (slots, tasks, duration_s, spawned_ns), ``RESULT`` the file to write. It runs
with the interpreter of the peer's environment and imports nothing but the standard library and that peer,
and of the benchmark only the one workload: a cold start pays for what is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from typing import Any

from bench.peers import ENTRIES, load_peer
from bench.workloads import load_workload
from bench.workloads.run import Run

STOP_TIMEOUT_S = 10.0


def main(arguments: list[str]) -> None:
    """Measure, write the result, stop the peer, and leave without waiting for its threads."""
    peer_name, workload_name, sizes, result_path = arguments
    run: Run | None = None
    result: dict[str, Any]
    try:
        measure = load_workload(workload_name)
        run = Run(peer=load_peer(peer_name), **json.loads(sizes))
        result = {"outcome": "measured", "metrics": measure(run), "versions": _versions(peer_name)}
    except BaseException as error:
        traceback.print_exc()
        result = {"outcome": "failed", "detail": f"{type(error).__name__}: {error}"}
    with open(result_path, "w", encoding="utf-8") as result_file:
        json.dump(result, result_file)
    if run is not None and run.started:
        _stop(run)
    sys.stderr.flush()
    os._exit(0)


def _versions(peer_name: str) -> dict[str, str]:
    from importlib.metadata import version  # slow to import, and not part of a cold start

    versions = {"python": sys.version.split()[0]}
    distribution = ENTRIES[peer_name].distribution
    if distribution is not None:
        versions[distribution] = version(distribution)
    return versions


def _stop(run: Run) -> None:
    # In a thread, for some peers hang here after a failure; whatever is left is killed by the runner.
    stopping = threading.Thread(target=run.peer.stop, daemon=True)
    stopping.start()
    stopping.join(STOP_TIMEOUT_S)


if __name__ == "__main__":
    main(sys.argv[1:])
