"""Crossing from the connection's thread to an event loop, which may be closed by then.

Nothing here holds a loop: one client serves any number of them, at the same time and one after another.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from ganger.client.future import Future

T = TypeVar("T")


def call_on(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Has a loop call back, from any thread; a loop that is closed has nobody left to tell."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


async def told_by(register: Callable[[Callable[[], None]], None]) -> None:
    """Waits until the callback that is given to `register` is called, on whatever thread."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    register(partial(call_on, loop, partial(_settle, waiter)))
    await waiter


async def answer_of(answer: concurrent.futures.Future[T]) -> T:
    """The result of a thread's future; unlike `asyncio.wrap_future`, a cancelled wait leaves it alone."""
    await told_by(lambda callback: answer.add_done_callback(lambda _: callback()))
    return answer.result()


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Inbox(Generic[T]):
    """Futures that have ended, in the order in which they did, for a coroutine of the running loop.

    The connection's thread appends and wakes the loop once, however many end meanwhile. A context
    manager: at its end the futures that are still expected forget it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._expected: dict[Future[T], Callable[[], None]] = {}
        self._ended: deque[Future[T]] = deque()
        self._arrived = asyncio.Event()
        self._called = False

    def expect(self, futures: Iterable[Future[T]]) -> None:
        """Each of these comes here when it has ended."""
        for future in futures:
            callback = self._expected[future] = partial(self._put, future)
            future.when_done(callback)

    def _put(self, future: Future[T]) -> None:
        self._ended.append(future)
        if not self._called:
            self._called = True
            call_on(self._loop, self._arrive)

    def _arrive(self) -> None:
        self._called = False
        self._arrived.set()

    async def get(self) -> Future[T]:
        """The next one."""
        while not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        future = self._ended.popleft()
        del self._expected[future]
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future, callback in self._expected.items():
            future.forget(callback)
        self._expected.clear()
