"""Calls that wait to be sent: any thread puts them in, the connection's thread takes them out.

Where too many wait, callers wait too: threads on a condition, coroutines by a callback.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ganger.config import ClientSettings
from ganger.core.client import Entry

LARGE_BYTES = 4096
"""Payloads from this size on are counted in bytes, not only in number."""


class Outbox:
    """A bounded buffer.

    Args:
        settings: Its limits.
        wake: Tells the connection's thread that there is something to do.
    """

    def __init__(self, settings: ClientSettings, wake: Callable[[], None]) -> None:
        self.settings = settings
        self.wake = wake
        self.entries: deque[Entry] = deque()
        self._large_bytes = 0
        self._waiting = 0
        self._closed = False
        self._callbacks: list[Callable[[], None]] = []
        self._changed = threading.Condition()

    def put(self, entry: Entry) -> bool:
        """Buffers a call if that needs no waiting."""
        entries = self.entries
        size = len(entry[1])
        if size >= LARGE_BYTES or len(entries) >= self.settings.buffered_tasks_max:
            with self._changed:
                if not self.has_room:
                    return False
                self._large_bytes += size
        entries.append(entry)
        return True

    @property
    def has_room(self) -> bool:
        """Whether a call can be buffered without waiting."""
        settings = self.settings
        if len(self.entries) >= settings.buffered_tasks_max:
            return False
        return self._large_bytes < settings.buffered_bytes_max

    def wait(self) -> None:
        """Blocks until there is room, or the buffer is closed."""
        with self._changed:
            self._waiting += 1
            while not self.has_room and not self._closed:
                self.wake()
                self._changed.wait()
            self._waiting -= 1

    def when_room(self, callback: Callable[[], None]) -> None:
        """Calls back once, from the connection's thread, when there is room or the buffer is closed."""
        with self._changed:
            if not self.has_room and not self._closed:
                self._callbacks.append(callback)
                self.wake()
                return
        callback()

    def taken(self) -> None:
        """Calls were taken out; whoever waits is told."""
        if not (self._large_bytes or self._waiting or self._callbacks):
            return
        with self._changed:
            if not self.entries:
                self._large_bytes = 0
            callbacks: list[Callable[[], None]] = []
            if self.has_room or self._closed:
                callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    def close(self) -> None:
        """Nobody waits for room any more."""
        self._closed = True
        self.taken()

    def drop(self, unwanted: set[int]) -> None:
        """Takes out the calls of these futures (by identity); on the connection's thread only."""
        kept = [entry for entry in self.entries if id(entry[2]) not in unwanted]
        self.entries.clear()
        self.entries.extend(kept)
