"""Many calls of one async function share an executor: each is a task on its loop, published as it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from functools import cache
from typing import TYPE_CHECKING, Any

from ganger.executor.calls import Call
from ganger.protocol.calls import SKIPPED, STOPPED
from ganger.protocol.executor_messages import CancelCall, Learn, Leave, Run

if TYPE_CHECKING:
    from ganger.executor.child import Executor


@cache
def executor_loop() -> asyncio.AbstractEventLoop:
    """The executor's one event loop; it lives as long as the process, so clients made on it stay usable."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


class CoroutineServer:
    """Runs coroutines while there are any, reading the agent's messages meanwhile.

    A plain call that comes in meanwhile waits in the executor's inbox, with what follows it, until the
    coroutines have ended: it must not run inside the loop.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.loop = executor_loop()
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._began_ns: dict[int, int] = {}
        self._leave = False

    def serve(self, run: Run) -> bool:
        """Runs the calls of `run` and whatever the agent sends meanwhile, until all have ended.

        Returns:
            False if the agent is gone or asked the executor to leave.
        """
        self._start(run)
        self._take_inbox()
        sock = self.executor.sock
        self.loop.add_reader(sock.fileno(), self._on_readable)
        try:
            while self._tasks:
                self.loop.run_until_complete(
                    asyncio.wait(list(self._tasks.values()), return_when="FIRST_COMPLETED")
                )
        finally:
            self.loop.remove_reader(sock.fileno())
        return not self._leave

    def _start(self, run: Run) -> None:
        call = self.executor.call(run.spec)
        for position, payload in enumerate(run.payloads):
            index = run.first + position
            now_ns = time.monotonic_ns()
            if not self.executor.ring.start(index, now_ns):
                self.executor.ring.publish(index, SKIPPED, 0, b"")
                continue
            self._began_ns[index] = now_ns
            inputs = run.inputs[position] if run.inputs is not None else None
            self._tasks[index] = self.loop.create_task(self._one(call, index, payload, inputs))

    async def _one(self, call: Call, index: int, payload: bytes, inputs: list[bytes] | None) -> None:
        try:
            if call.function is None:
                kind, body = call.broken or (STOPPED, b"")
            else:
                args, kwargs = call.arguments(payload, inputs)
                coroutine: Coroutine[Any, Any, Any] = call.function(*args, **kwargs)
                kind, body = call.success(await coroutine)
        except asyncio.CancelledError as error:
            _, body = call.failure(error)
            kind = STOPPED
        except BaseException as error:
            kind, body = call.failure(error)
        if self.executor.forked_off:
            self.executor.end_forked_child()
        elapsed_ns = time.monotonic_ns() - self._began_ns.pop(index)
        del self._tasks[index]
        try:
            self.executor.publish(call, index, kind, elapsed_ns, body)
            self.executor.wake()
        except (BrokenPipeError, ConnectionResetError):
            self._end()

    def _on_readable(self) -> None:
        if self.executor.receive():
            self._take_inbox()
        else:
            self._end()

    def _take_inbox(self) -> None:
        """Handles what came in, up to the first call that is none of a coroutine function."""
        inbox = self.executor.inbox
        while inbox:
            message = inbox[0]
            if type(message) is Run:
                if not self.executor.call(message.spec).is_async:
                    return
                self._start(message)
            elif type(message) is CancelCall:
                if task := self._tasks.get(message.index):
                    task.cancel()
            elif type(message) is Learn:
                self.executor.learn(message)
            elif type(message) is Leave:
                self._end()
            inbox.popleft()

    def _end(self) -> None:
        self._leave = True
        for task in self._tasks.values():
            task.cancel()
