"""The client for asynchronous code: what may wait is awaited, and no event loop is ever blocked for it.

Calls, options, windows, questions and the connection are those of `Client`; here is only the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Self, TypeVar

from ganger.client import questions, waiting
from ganger.client.client import Client
from ganger.client.future import Future
from ganger.client.loops import Inbox, answer_of, told_by
from ganger.client.questions import Question
from ganger.protocol.views import Explanation, StatusView, TaskView, WorkerView

T = TypeVar("T")


class AsyncClient:
    """A session with a cluster for coroutines. Any number of event loops and threads may use it.

    Made by `ganger.aconnect`, or from a client: ``AsyncClient(ganger.Cluster())``. It is an asynchronous
    context manager.

    Args:
        client: The client whose session and options it shares; closing either closes both.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._engine = client._engine

    # --- work ------------------------------------------------------------------------------------

    async def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Has `fn(*args, **kwargs)` run on a worker; waits only while too many calls are buffered.

        Returns:
            A future, to `await` or to pass on as (part of) an argument.

        Raises:
            NotSerializable: The function or an argument cannot be pickled.
            ClusterClosed: The client was closed.
        """
        entry = self._client._entry(fn, args, kwargs)
        try:
            while not self._engine.try_submit(entry):
                await told_by(self._engine.when_room)
        except BaseException:
            self._client._calls.withdraw(entry)
            raise
        return entry[2]  # type: ignore[return-value]  # the core knows futures by the handle's interface only

    async def submit_many(self, fn: Callable[..., T], /, *iterables: Iterable[Any]) -> list[Future[T]]:
        """One call for each set of arguments, as `map` would make them. Returns their futures, in order.

        Raises:
            NotSerializable: The function or an argument cannot be pickled.
        """
        return [await self.submit(fn, *args) for args in zip(*iterables, strict=False)]

    async def map(
        self, fn: Callable[..., T], /, *iterables: Iterable[Any], timeout: float | None = None
    ) -> AsyncGenerator[T, None]:
        """Results in order; the iterables are consumed as results are, `map_window` calls in flight.

        Args:
            fn: The function.
            iterables: Its arguments, side by side.
            timeout: Seconds until the last result is asked for; None for no limit.
        """
        window = self._client._window(iterables)
        deadline_s = waiting.deadline_of(timeout)
        flight: deque[Future[T]] = deque()
        try:
            while True:
                if len(flight) < window.refill_below:
                    with window.deferring():
                        for args in window.due(flight):
                            flight.append(await self.submit(fn, *args))
                if not flight:
                    break
                value = await _within(flight[0], deadline_s)  # there until then, to be abandoned too
                flight.popleft()
                yield value
                del value
            window.raise_deferred()
        finally:
            window.abandon(flight)

    async def map_unordered(
        self, fn: Callable[..., T], /, *iterables: Iterable[Any]
    ) -> AsyncGenerator[T, None]:
        """Results as they come, otherwise like `map`."""
        window = self._client._window(iterables)
        flight: set[Future[T]] = set()
        with Inbox[T]() as inbox:
            try:
                while True:
                    if len(flight) < window.refill_below:
                        with window.deferring():
                            for args in window.due(flight):
                                future = await self.submit(fn, *args)
                                flight.add(future)
                                inbox.expect([future])
                    if not flight:
                        break
                    future = await inbox.get()
                    flight.discard(future)
                    yield await future
                    del future
                window.raise_deferred()
            finally:
                window.abandon(flight)

    async def gather(self, futures: Iterable[Future[T]], timeout: float | None = None) -> list[T]:
        """The values of all futures, in order.

        Raises:
            TimeoutError: They were not all there in time.
            Exception: The first error, in order.
        """
        async with asyncio.timeout(timeout):
            return [await future for future in list(futures)]

    async def as_completed(
        self, futures: Iterable[Future[T]], timeout: float | None = None
    ) -> AsyncGenerator[Future[T], None]:
        """Futures as their tasks end.

        Args:
            futures: Of any clients; duplicates are given once.
            timeout: Seconds for all of them; None for no limit.

        Raises:
            TimeoutError: Some had not ended in time.
        """
        deadline_s = waiting.deadline_of(timeout)
        pending = dict.fromkeys(futures)
        left = len(pending)
        with Inbox[T]() as inbox:
            inbox.expect(pending)
            del pending
            for _ in range(left):
                yield await _within(inbox.get(), deadline_s)

    async def wait(
        self, futures: Iterable[Future[Any]], timeout: float | None = None, return_when: str = "ALL_COMPLETED"
    ) -> waiting.Waited:
        """Waits for futures.

        Args:
            futures: Of any clients.
            timeout: Seconds; None for no limit.
            return_when: ``ALL_COMPLETED``, ``FIRST_COMPLETED`` or ``FIRST_EXCEPTION``.

        Returns:
            Those that have ended, and those that have not.

        Raises:
            InvalidOption: `return_when` is none of the three.
        """
        ends = waiting.ends_wait(return_when)
        chosen = set(futures)
        with contextlib.suppress(TimeoutError):
            async with contextlib.aclosing(self.as_completed(chosen, timeout)) as ended:
                async for future in ended:
                    if ends(future):
                        break
        return waiting.sort_out(chosen)

    async def cancel(self, futures: Iterable[Future[Any]]) -> None:
        """Cancels tasks, wherever they are."""
        chosen = [future for future in futures if not future.done()]
        if chosen:
            await answer_of(self._engine.cancel_soon(chosen))

    def options(self, **options: Any) -> AsyncClient:
        """This client with other options for what is submitted through it; see `Client.options`.

        Raises:
            InvalidOption: A name that does not exist, or a value that cannot be meant.
        """
        return AsyncClient(self._client.options(**options))

    def executor(self) -> Executor:
        """A `concurrent.futures.Executor` on this cluster, such as `loop.run_in_executor` takes."""
        return self._client.executor()

    # --- the cluster -----------------------------------------------------------------------------

    async def status(self, timeout: float | None = 10.0) -> StatusView:
        """The cluster in numbers.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return await self._ask(questions.status(), timeout)

    async def workers(self, timeout: float | None = 10.0) -> list[WorkerView]:
        """The workers, as the master sees them.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return await self._ask(questions.workers(), timeout)

    async def tasks(self, state: str = "", limit: int = 1000, timeout: float | None = 10.0) -> list[TaskView]:
        """Tasks that have not ended, or whose results are still held; see `Client.tasks`.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return await self._ask(questions.tasks(state, limit), timeout)

    async def explain(self, task: str | Future[Any], timeout: float | None = 10.0) -> Explanation:
        """Why a task is where it is.

        Args:
            task: Its id as in `tasks`, or its future.
            timeout: Seconds to wait for the answer.
        """
        return await self._ask(questions.explain(lambda: self._client._id_of(task)), timeout)

    async def cancel_tasks(self, ids: Sequence[str], timeout: float | None = 10.0) -> list[str]:
        """Cancels tasks of any session by id. Returns those that had not ended."""
        return await self._ask(questions.cancel_tasks(ids), timeout)

    async def drain_workers(self, names: Sequence[str], timeout: float | None = 10.0) -> None:
        """Lets workers finish what they run, take no more, and leave."""
        await self._ask(questions.drain_workers(names), timeout)

    async def _ask(self, question: Question[T], timeout: float | None) -> T:
        async with asyncio.timeout(timeout):
            return question.read(await answer_of(self._engine.request(question.make)))

    # --- life ------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Ends the session: what is not finished is cancelled. Closing twice does nothing."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<ganger.AsyncClient of {self._client!r}>"


async def _within(awaitable: Awaitable[T], deadline_s: float | None) -> T:
    """What is awaited, if it comes by then."""
    if deadline_s is None:
        return await awaitable
    async with asyncio.timeout(waiting.left_s(deadline_s)):
        return await awaitable
