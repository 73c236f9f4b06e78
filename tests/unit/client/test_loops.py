"""Crossing from a thread to an event loop that may be closed, cancelled or busy."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable

import pytest

from ganger.client.loops import Inbox, answer_of, call_on, told_by


class Handle:
    """A future by what an inbox needs of it."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        self.callbacks.remove(callback)

    def end(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


def in_a_thread(*calls: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=lambda: [call() for call in calls])
    thread.start()
    return thread


def test_a_loop_that_is_closed_has_nobody_left_to_tell() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    call_on(loop, lambda: None)


def test_a_coroutine_is_told_by_a_thread() -> None:
    async def main() -> None:
        await told_by(lambda callback: in_a_thread(callback, callback))

    asyncio.run(main())


def test_an_answer_is_a_threads_result_or_its_error() -> None:
    async def main() -> None:
        answer: concurrent.futures.Future[int] = concurrent.futures.Future()
        in_a_thread(lambda: answer.set_result(5))
        assert await answer_of(answer) == 5
        failing: concurrent.futures.Future[int] = concurrent.futures.Future()
        failing.set_exception(KeyError("x"))
        with pytest.raises(KeyError):
            await answer_of(failing)

    asyncio.run(main())


def test_a_cancelled_wait_leaves_the_threads_future_alone() -> None:
    async def main() -> None:
        answer: concurrent.futures.Future[int] = concurrent.futures.Future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer_of(answer), 0.01)
        assert not answer.cancelled()
        answer.set_result(5)

    asyncio.run(main())


def test_an_inbox_gives_futures_in_the_order_in_which_they_end() -> None:
    async def main() -> None:
        first, second, third = Handle(), Handle(), Handle()
        with Inbox() as inbox:  # type: ignore[var-annotated]
            inbox.expect([first, second, third])  # type: ignore[list-item]
            in_a_thread(third.end, first.end, second.end)
            assert [await inbox.get() for _ in range(3)] == [third, first, second]

    asyncio.run(main())


def test_an_inbox_that_is_left_is_forgotten_by_what_it_still_expected() -> None:
    async def main() -> None:
        ended, pending = Handle(), Handle()
        with Inbox() as inbox:  # type: ignore[var-annotated]
            inbox.expect([ended, pending])  # type: ignore[list-item]
            ended.end()
            assert await inbox.get() is ended  # type: ignore[comparison-overlap]
            assert len(pending.callbacks) == 1
        assert pending.callbacks == []

    asyncio.run(main())
