"""Users' callbacks run in a thread of their own, so that none can hold up the connection."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger("ganger")


class CallbackThread:
    """Runs callbacks one after another; the thread is started by the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Callable[[], object] | None] | None = None

    def run(self, callback: Callable[[], object]) -> None:
        """Has a callback run soon."""
        with self._lock:
            if self._queue is None:
                self._queue = queue.SimpleQueue()
                args = (self._queue,)
                threading.Thread(target=_work, args=args, name="ganger-callbacks", daemon=True).start()
        self._queue.put(callback)

    def close(self) -> None:
        """Ends the thread once it has run what is queued."""
        if self._queue is not None:
            self._queue.put(None)


def _work(callbacks: queue.SimpleQueue[Callable[[], object] | None]) -> None:
    while (callback := callbacks.get()) is not None:
        try:
            callback()
        except Exception:
            logger.exception("a done callback raised")
