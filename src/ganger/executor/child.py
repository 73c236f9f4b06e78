"""The executor: reads runs from its agent, makes the calls, publishes each result as it finishes."""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
import types
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple, NoReturn

from ganger.executor.calls import Call
from ganger.executor.ring import RingWriter
from ganger.protocol.calls import SKIPPED
from ganger.protocol.codec import decode_to_executor, encode
from ganger.protocol.executor_messages import LargeResult, Learn, Leave, Prepared, Run, ToExecutor
from ganger.protocol.framing import FrameParser, frame

READ_BYTES = 1 << 18
WAKE = frame(b"")
_now_ns = time.monotonic_ns


class ExecutorLimits(NamedTuple):
    """What may be how long, in bytes: a message, a result in the ring, a result at all."""

    frame_bytes_max: int
    ring_result_bytes_max: int
    payload_bytes_max: int


class Executor:
    """One executor's state.

    Attributes:
        inbox: Messages that were received and not handled yet; whoever handles them takes them from here.

    Args:
        sock: The agent's socket pair.
        ring: Where results go.
        limits: What may be how long.
    """

    def __init__(self, sock: socket.socket, ring: RingWriter, limits: ExecutorLimits) -> None:
        self.sock = sock
        self.ring = ring
        self.ring_result_bytes_max = limits.ring_result_bytes_max
        self.payload_bytes_max = limits.payload_bytes_max
        self.inbox: deque[ToExecutor] = deque()
        self._parser = FrameParser(limits.frame_bytes_max)
        self.forked_off = False
        self._functions: dict[bytes, bytes] = {}
        self._calls: dict[int, Call] = {}

    def on_fork(self) -> None:
        """In a child that user code forked: its call ends there, and the agent never hears of it."""
        self.forked_off = True
        self.sock.close()

    def end_forked_child(self) -> NoReturn:
        """Ends a process that a task forked and let return, as `multiprocessing` ends its own."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def serve(self) -> None:
        """Works until the agent says so, or is gone."""
        for message in self.messages():
            if type(message) is Run:
                if not self._on_run(message):
                    return
            elif type(message) is Learn:
                self.learn(message)
            elif type(message) is Leave:
                return

    def messages(self) -> Iterator[ToExecutor]:
        """Blocks for messages until the agent is gone."""
        while self.inbox or self.receive():
            while self.inbox:
                yield self.inbox.popleft()

    def receive(self) -> bool:
        """Takes in what the socket has. Returns False if the agent is gone.

        Raises:
            BlockingIOError: The socket does not block, and has nothing.
        """
        data = self.sock.recv(READ_BYTES)
        for body in self._parser.feed(data):
            self.inbox.append(decode_to_executor(body))
        return bool(data)

    def learn(self, message: Learn) -> None:
        """Takes in functions and specs."""
        for function in message.functions:
            self._functions[function.digest] = function.body
        for spec in message.specs:
            self._calls[spec.id] = Call(spec, self._functions[spec.function])

    def _on_run(self, run: Run) -> bool:
        """Makes the calls. Returns False if the executor must end."""
        if run.devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = run.devices
        call = self._calls[run.spec]
        if call.is_async:
            return self._serve_async(run)
        start, publish, outcome = self.ring.start, self.ring.publish, call.outcome
        limit = self.ring_result_bytes_max
        inputs = run.inputs
        index = run.first
        began_ns = _now_ns()
        for position, payload in enumerate(run.payloads):
            if start(index, began_ns):
                kind, body = outcome(payload, inputs[position] if inputs is not None else None)
                if self.forked_off:
                    self.end_forked_child()
                ended_ns = _now_ns()
                if len(body) <= limit:
                    publish(index, kind, ended_ns - began_ns, body)
                else:
                    self._send_large(call, index, kind, ended_ns - began_ns, body)
                began_ns = ended_ns
            else:
                publish(index, SKIPPED, 0, b"")
            index += 1
        self.wake()
        return True

    def _serve_async(self, run: Run) -> bool:
        from ganger.executor.coroutines import CoroutineServer

        return CoroutineServer(self).serve(run)

    def call(self, spec: int) -> Call:
        """The call of a spec that was learnt."""
        return self._calls[spec]

    def publish(self, call: Call, index: int, kind: int, elapsed_ns: int, body: bytes) -> None:
        """Publishes one outcome, by the ring or the socket."""
        if len(body) <= self.ring_result_bytes_max:
            self.ring.publish(index, kind, elapsed_ns, body)
        else:
            self._send_large(call, index, kind, elapsed_ns, body)

    def _send_large(self, call: Call, index: int, kind: int, elapsed_ns: int, body: bytes) -> None:
        """Sends an outcome over the socket; one over the limit becomes an error."""
        if len(body) > self.payload_bytes_max:
            kind, body = call.too_long(kind, body, self.payload_bytes_max)
        self.sock.sendall(frame(encode(LargeResult(index, kind, elapsed_ns, body))))

    def wake(self) -> None:
        """Tells the agent that there is something to read."""
        self.sock.sendall(WAKE)


def run_executor(sock: socket.socket, ring: int, preload: str, limits: ExecutorLimits) -> None:
    """The life of an executor process, after the fork.

    Args:
        sock: The agent's socket pair, blocking.
        ring: The descriptor of its ring.
        preload: ``module:function`` to call first, or empty.
        limits: What may be how long.
    """
    sys.modules["__main__"] = types.ModuleType("__main__")
    executor = Executor(sock, RingWriter(ring), limits)
    os.close(ring)
    os.register_at_fork(after_in_child=executor.on_fork)
    error = prepare(preload) if preload else ""
    try:
        sock.sendall(frame(encode(Prepared(error))))
        if not error:
            executor.serve()
    except (BrokenPipeError, ConnectionResetError):
        return


def prepare(preload: str) -> str:
    """Runs the preload function. Returns what went wrong, or nothing."""
    module_name, _, function_name = preload.partition(":")
    try:
        getattr(import_module(module_name), function_name)()
    except BaseException:
        return traceback.format_exc()
    return ""
