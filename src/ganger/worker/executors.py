"""The agent's executors as processes: forked by the zygote, read through their rings, written by sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable

import psutil

from ganger.config import WorkerSettings
from ganger.core.worker import AgentEvent, Collected, ExecutorExited, ExecutorReady, ExecutorStarted, Revoked
from ganger.errors import PreloadFailed, WorkerEnded
from ganger.executor.ring import RingReader, make_ring
from ganger.net.link import Link
from ganger.protocol.calls import Finished
from ganger.protocol.codec import decode_from_executor, decode_from_zygote, encode
from ganger.protocol.executor_messages import Exited, Fork, Forked, Kill, LargeResult, Prepared
from ganger.protocol.framing import FrameParser, frame

ZYGOTE_MESSAGE_BYTES = 1 << 16
LAST_WORDS_S = 0.2
"""How long the socket of an executor that has exited is read for what it still holds."""


class Seat:
    """The process in one slot, and what the agent holds of it."""

    __slots__ = ("exit", "large", "link", "number", "pid", "reader", "ready", "socket_open")

    def __init__(self, number: int, reader: RingReader) -> None:
        self.number = number
        self.reader = reader
        self.link: Link | None = None
        self.pid = 0
        self.large: list[Finished] = []
        self.socket_open = True
        self.ready = False
        self.exit: tuple[int, int] | None = None


class Executors:
    """All executors of an agent.

    Args:
        zygote: The socket pair to the zygote.
        preload: What each executor calls first, or empty.
        paths: Where executors import from; this process's own path if empty.
        settings: Limits.
        frame_bytes_max: The longest message from an executor.
        tell: Takes events for the core.
        fail: Called when executors cannot be prepared.
    """

    def __init__(
        self,
        zygote: socket.socket,
        preload: str,
        paths: list[str],
        settings: WorkerSettings,
        frame_bytes_max: int,
        tell: Callable[[AgentEvent], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.zygote = zygote
        self.preload = preload
        self.paths = paths or sys.path
        self.settings = settings
        self.frame_bytes_max = frame_bytes_max
        self.tell = tell
        self.fail = fail
        self.seats: dict[int, Seat] = {}
        self._by_pid: dict[int, Seat] = {}
        self._forking: deque[Seat] = deque()
        self.changed = False
        self._parser = FrameParser(ZYGOTE_MESSAGE_BYTES)

    def open(self) -> None:
        """Begins to listen to the zygote."""
        self.zygote.setblocking(False)
        asyncio.get_running_loop().add_reader(self.zygote.fileno(), self._on_zygote)

    def close(self) -> None:
        """Lets the zygote go, and with it every executor."""
        asyncio.get_running_loop().remove_reader(self.zygote.fileno())
        self.zygote.close()

    @property
    def pids(self) -> list[int]:
        """The processes that are there."""
        return [seat.pid for seat in self.seats.values() if seat.pid]

    # --- effects ---------------------------------------------------------------------------------

    def start(self, number: int) -> None:
        """Has an executor forked for a slot."""
        ours, theirs = socket.socketpair()
        ring = make_ring(self.settings.ring_bytes)
        seat = self.seats[number] = Seat(number, RingReader(ring))
        self._forking.append(seat)
        request = frame(encode(Fork(self.preload, self.paths)))
        asyncio.get_running_loop().call_later(self.settings.executor_start_s, self._check_started, seat)
        socket.send_fds(self.zygote, [request], [theirs.fileno(), ring])
        os.close(ring)
        theirs.close()
        asyncio.get_running_loop().create_task(self._connect(seat, ours))

    async def _connect(self, seat: Seat, ours: socket.socket) -> None:
        def on_body(_: Link, body: bytes | memoryview) -> None:
            self._on_body(seat, body)

        def make_link() -> Link:
            # at once: the executor may say that it is ready before `create_connection` returns
            seat.link = Link(on_body, lambda *_: self._on_closed(seat), self.frame_bytes_max)
            return seat.link

        await asyncio.get_running_loop().create_connection(make_link, sock=ours)

    def _check_started(self, seat: Seat) -> None:
        if not seat.ready and seat.exit is None:
            limit = f"{self.settings.executor_start_s:g} s (executor_start_s)"
            self.fail(
                PreloadFailed(
                    f"an executor was not ready within {limit}", hint="does the preload take longer?"
                )
            )

    def send(self, number: int, message: object) -> None:
        """Sends a message to the executor of a slot."""
        link = self.seats[number].link
        if link is not None:
            link.send(encode(message))

    def revoke(self, number: int, first: int, last: int) -> None:
        """Has the executor skip calls that it has not started, and tells the core which those are."""
        seat = self.seats[number]
        seat.reader.revoke(first, last)
        self.tell(Revoked(number, last, self._collect(seat), *seat.reader.started()))

    def end(self, number: int) -> None:
        """Kills the executor of a slot, and what it started."""
        seat = self.seats[number]
        if seat.pid and seat.exit is None:
            self.zygote.send(frame(encode(Kill(seat.pid))))

    # --- looks -----------------------------------------------------------------------------------

    def look(self, number: int) -> None:
        """Tells the core what an executor has finished and started."""
        seat = self.seats[number]
        self.tell(Collected(number, self._collect(seat), *seat.reader.started()))

    def _collect(self, seat: Seat) -> list[Finished]:
        finished = seat.reader.collect()
        if seat.large:
            finished += seat.large
            seat.large = []
        return finished

    def resident_bytes(self) -> dict[int, int]:
        """Memory in use, by slot."""
        found = {}
        for seat in self.seats.values():
            if seat.pid and seat.exit is None:
                try:
                    found[seat.number] = psutil.Process(seat.pid).memory_info().rss
                except psutil.Error:
                    continue
        return found

    # --- what comes in ---------------------------------------------------------------------------

    def _on_body(self, seat: Seat, body: bytes | memoryview) -> None:
        if body:
            message = decode_from_executor(body)
            if type(message) is Prepared:
                self._on_prepared(seat, message)
                return
            if type(message) is LargeResult:
                seat.large.append(Finished(message.index, message.kind, message.elapsed_ns, message.payload))
        self.look(seat.number)

    def _on_prepared(self, seat: Seat, message: Prepared) -> None:
        if message.error:
            last = message.error.strip().rsplit("\n", 1)[-1]
            self.fail(PreloadFailed(f"preload {self.preload} failed: {last}\n{message.error}"))
        else:
            seat.ready = True
            self.tell(ExecutorReady(seat.number))

    def _on_zygote(self) -> None:
        try:
            data = self.zygote.recv(ZYGOTE_MESSAGE_BYTES)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self.zygote.fileno())
            self._on_zygote_ended()
            return
        for body in self._parser.feed(data):
            message = decode_from_zygote(body)
            if type(message) is Forked:
                seat = self._forking.popleft()
                seat.pid = message.pid
                self.changed = True
                self._by_pid[message.pid] = seat
                self.tell(ExecutorStarted(seat.number, message.pid))
            elif type(message) is Exited:
                self._on_exited(message.pid, message.code, message.peak_bytes)

    def _on_zygote_ended(self) -> None:
        """Executors die with their zygote; what they started must not outlive them."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.fail(WorkerEnded("the zygote process has ended", hint="was it killed? the worker starts anew"))

    def _on_exited(self, pid: int, code: int, peak_bytes: int) -> None:
        seat = self._by_pid.pop(pid)
        seat.exit = (code, peak_bytes)
        if seat.socket_open:
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._on_closed, seat)
        else:
            self._finish(seat)

    def _on_closed(self, seat: Seat) -> None:
        if not seat.socket_open:
            return
        seat.socket_open = False
        if seat.exit is not None:
            self._finish(seat)

    def _finish(self, seat: Seat) -> None:
        """Both the process and its socket are gone: the last results, then the end."""
        if self.seats.get(seat.number) is not seat or seat.exit is None:
            return
        self.look(seat.number)
        code, peak_bytes = seat.exit
        self.tell(ExecutorExited(seat.number, code, peak_bytes))
        seat.reader.close()
        if seat.link is not None:
            seat.link.close()
