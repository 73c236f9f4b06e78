"""The master's CPU per task: its core, pump and codec alone, with simulated workers and a full queue.

Workers report 32 tasks a message, as an agent under load does, and get as many again; the client
releases what it gets. Only decoding, stepping, placing and encoding are timed; what the simulated
peers do is not. Bytes in, bytes out, no sockets.
"""

from __future__ import annotations

import gc
import pickle
import time
from collections import deque
from typing import Any

TASKS_PER_MESSAGE = 32
QUEUED = 1_000_000
ELAPSED_NS = 1_500
PAYLOAD = pickle.dumps(((1,), {}), 5)
RESULT = pickle.dumps(2, 5)


class Wire:
    """The pump's transport: encodes each message, and keeps it for the simulated peer."""

    def __init__(self) -> None:
        self.sent: deque[tuple[int, Any]] = deque()

    def send(self, connection: int, message: object) -> None:
        """Encodes, as the real one does."""
        from ganger.protocol.codec import encode

        encode(message)
        self.sent.append((connection, message))

    def close(self, connection: int) -> None:
        """Nothing to close."""


class NoTimers:
    """Turns are made by hand."""

    def wake_at(self, monotonic_ns: int) -> None:
        """Not needed."""


class Bench:
    """A master with so many workers and a full queue.

    Args:
        workers: How many.
        queued: Tasks to begin with.
    """

    CLIENT = 1

    def __init__(self, workers: int, queued: int) -> None:
        from ganger.config import MasterSettings
        from ganger.core.events import Connected
        from ganger.core.master import Master
        from ganger.protocol import messages
        from ganger.runtime.environment import SystemClock
        from ganger.runtime.pump import Pump
        from ganger.storage.memory import MemoryJournal

        self.messages = messages
        runtime = messages.Runtime("3", "0", "bench", 1)
        self.wire = Wire()
        self.master = Master(MasterSettings(worker_lease_s=1e6, session_timeout_s=1e6), runtime)
        self.clock = SystemClock()
        self.master.begin(self.clock.now())
        self.pump = Pump(
            self.master,
            MemoryJournal(),
            self.wire,
            self.clock,
            NoTimers(),
            lambda *_: None,
            256,  # type: ignore[arg-type]
        )
        self.number = dict.fromkeys(range(2, workers + 2), 0)
        self.next_sequence = 0
        self._connect(Connected, messages.Hello(1, "client", runtime, b"", b"", 0, session=b"s" * 16))
        self._define()
        for connection in self.number:
            offer = messages.WorkerOffer(f"w{connection}", 2, {}, ["python"])
            hello = messages.Hello(1, "worker", runtime, b"", b"", 0, offer=offer)
            self.pump.offer(Connected(connection, hello, b"", False))  # type: ignore[arg-type]
            self.receive(connection, messages.Held([], [], []))
        self.learn()
        self.submit(queued)

    def _connect(self, connected: Any, hello: Any) -> None:
        self.pump.offer(connected(self.CLIENT, hello, b"", False))
        self.pump.turn()

    def _define(self) -> None:
        from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions

        define = self.messages.Define([FunctionBody(b"f", b"body")], [SpecBody(0, b"f", "f", TaskOptions())])
        self.receive(self.CLIENT, define)

    def learn(self) -> None:
        """Lets the master measure the function once, so that it prefetches as in steady state."""
        self.submit(1)
        for connection, message in self.take():
            if isinstance(message, self.messages.Assign):
                self.receive(connection, self.report(connection, message.groups[0].tasks))
        self.take()

    def receive(self, connection: int, message: object) -> float:
        """Gives the master a message as bytes; returns the CPU seconds that it took."""
        from ganger.core.events import Received
        from ganger.protocol.codec import decode_from_client, decode_from_worker, encode

        body = encode(message)
        decode: Any = decode_from_client if connection == self.CLIENT else decode_from_worker
        began_s = time.process_time()
        self.pump.offer(Received(connection, decode(body)))  # type: ignore[arg-type]
        self.pump.turn()
        return time.process_time() - began_s

    def submit(self, count: int) -> float:
        """Submits tasks, a thousand a message."""
        spent_s = 0.0
        while count:
            part = min(count, 1_000)
            group = self.messages.TaskGroup(0, self.next_sequence, [PAYLOAD] * part)
            spent_s += self.receive(self.CLIENT, self.messages.Submit([group]))
            self.next_sequence += part
            count -= part
        return spent_s

    def report(self, connection: int, tasks: list[int]) -> Any:
        """What a worker says when these have succeeded."""
        self.number[connection] += 1
        done = self.messages.DoneGroup(0, tasks, [RESULT] * len(tasks), ELAPSED_NS * len(tasks))
        return self.messages.Report(self.number[connection], [done], [], [], 0)

    def take(self) -> list[tuple[int, Any]]:
        """What the master has sent since the last call."""
        sent = list(self.wire.sent)
        self.wire.sent.clear()
        return sent


def microseconds_per_task(workers: int, queued: int, tasks: int) -> float:
    """CPU of the master for one task, from its submission to the release of its result.

    Args:
        workers: Simulated workers.
        queued: Tasks in the queue meanwhile.
        tasks: How many to run.
    """
    bench = Bench(workers, queued)
    held: deque[tuple[int, list[int]]] = deque()
    gc.collect()
    gc.freeze()
    gc.disable()
    spent_s, done = 0.0, 0
    while done < tasks:
        release: list[tuple[int, int]] = []
        for connection, message in bench.take():
            if isinstance(message, bench.messages.Assign):
                for group in message.groups:
                    for at in range(0, len(group.tasks), TASKS_PER_MESSAGE):
                        held.append((connection, group.tasks[at : at + TASKS_PER_MESSAGE]))
            elif isinstance(message, bench.messages.Results):
                release += _intervals(message.sequences)
        if release:
            spent_s += bench.receive(bench.CLIENT, bench.messages.Release(release, 0))
        spent_s += bench.submit(TASKS_PER_MESSAGE)
        connection, part = held.popleft()
        spent_s += bench.receive(connection, bench.report(connection, part))
        done += len(part)
    gc.enable()
    return spent_s / done * 1e6


def _intervals(sequences: list[int]) -> list[tuple[int, int]]:
    from ganger.core.intervals import intervals_of

    return intervals_of(sequences)


def measure(run: Any) -> dict[str, float]:
    """The workload: 1, 100 and 1,000 workers, a million queued."""
    scale = getattr(run, "scale", 1.0)
    tasks, queued = int(200_000 * scale) or 1_000, int(QUEUED * scale) or 1_000
    return {f"workers_{count}_us": microseconds_per_task(count, queued, tasks) for count in (1, 100, 1_000)}


if __name__ == "__main__":
    for workers, queued in ((1, 1_000), (1, QUEUED), (100, QUEUED), (1_000, QUEUED)):
        print(f"{workers} workers, {queued} queued: {microseconds_per_task(workers, queued, 200_000):.2f} µs")
