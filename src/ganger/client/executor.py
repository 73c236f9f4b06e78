"""A `concurrent.futures.Executor` on a cluster, by CPython's contract, for code that knows only that.

Its futures are real `concurrent.futures.Future`s. One thread per executor carries outcomes from the
cluster to them and so runs their callbacks; it lives while there is something to carry, and because
it is no daemon, the interpreter waits at its exit for what was submitted, as for CPython's executors.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import inspect
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ganger.errors import ClusterClosed, NotSerializable

if TYPE_CHECKING:
    from ganger.client.client import Client
    from ganger.client.future import Future

P = ParamSpec("P")
T = TypeVar("T")

LINGER_S = 0.1
"""How long the thread outlives the last outcome, so that a row of calls does not start it again and again."""
_beginning = threading.Lock()


class ClusterFuture(concurrent.futures.Future[T]):
    """A future of the standard library whose call runs on a cluster."""

    def __init__(self) -> None:
        super().__init__()
        self._task: Future[T] | None = None
        self._begun: bool | None = None

    def running(self) -> bool:
        """Whether the call is known to run. Calls of a few milliseconds are never announced."""
        self._look()
        return super().running()

    def cancel(self) -> bool:
        """Cancels the call unless it runs or has ended. Returns whether it is cancelled."""
        cancelled = self.withdraw()
        cancel_tasks([self])
        return cancelled

    def withdraw(self) -> bool:
        """Cancels this future; its task is still to be cancelled, by `cancel_tasks`."""
        self._look()
        cancelled = super().cancel()
        if cancelled:
            self.begin()
        return cancelled

    def begin(self) -> bool:
        """From now on it runs and cannot be cancelled; False if it was cancelled before."""
        with _beginning:
            if self._begun is None:
                self._begun = self.set_running_or_notify_cancel()
            return self._begun

    def follow(self, task: Future[T]) -> None:
        """Takes on the task that stands behind it."""
        self._task = task
        if self.cancelled():
            cancel_tasks([self])

    def take_task(self) -> Future[T] | None:
        """The task, once; from then on this future holds on to nothing."""
        task, self._task = self._task, None
        return task

    def settle(self) -> None:
        """Takes over the outcome of its task, which has ended."""
        task = self.take_task()
        if task is None:
            return
        if task.cancelled():
            super().cancel()
        if not self.begin():
            return
        try:
            error = task.exception()
            if error is None:
                value = task.result()
        except BaseException as failure:  # cancelled by another, or a value that cannot be unpickled here
            error = failure.with_traceback(None)  # which would hold on to this thread's variables
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)

    def _look(self) -> None:
        """The cluster's future knows whether the call runs; this one learns it when it matters."""
        task = self._task
        if task is not None and task.running():
            self.begin()


def cancel_tasks(futures: Iterable[ClusterFuture[Any]]) -> None:
    """Cancels the tasks of those futures that are cancelled, in one message."""
    tasks = [task for future in futures if future.cancelled() and (task := future.take_task()) is not None]
    unfinished = [task for task in tasks if not task.done()]
    if unfinished:
        with contextlib.suppress(ClusterClosed):
            unfinished[0]._engine.cancel_soon(unfinished)


class ClusterExecutor(concurrent.futures.Executor):
    """Runs calls on a cluster, with the options of the client that it is made of.

    Made by `Client.executor`. Its `shutdown` leaves the client open.

    Args:
        client: Submits the calls.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._unfinished: set[ClusterFuture[Any]] = set()
        self._ended: queue.SimpleQueue[ClusterFuture[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> ClusterFuture[T]:
        """Has `fn(*args, **kwargs)` run on the cluster. Blocks only while too many calls are buffered.

        What cannot be pickled is told by the future, as CPython's process pools do.

        Raises:
            RuntimeError: After `shutdown`, at the interpreter's exit, or when the client was closed.
        """
        self._client._engine.check_usable()
        future = ClusterFuture[T]()
        with self._lock:
            self._check_open()
            self._unfinished.add(future)
            if self._thread is None:
                self._thread = threading.Thread(target=self._carry, name="ganger-executor")
                self._thread.start()
        try:
            task = self._client.submit(fn, *args, **kwargs)
        except NotSerializable as error:
            self._give_back(future)
            if future.begin():
                future.set_exception(error)
            return future
        except BaseException:
            self._give_back(future)
            raise
        future.follow(task)
        task.when_done(partial(self._ended.put, future))
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Results in order.

        Args:
            fn: The function.
            iterables: Its arguments, side by side; all of them are submitted at once, unless there is a
                `buffersize`.
            timeout: Seconds from now until the last result is asked for.
            chunksize: Calls that make one task. The cluster sends small tasks in batches by itself, so this
                is worth while only where a call takes microseconds; retries and timeouts then hold for a
                chunk. Of no effect on async functions.
            buffersize: The most results that are waited for ahead of the consumer; None for no limit.

        Raises:
            TypeError, ValueError: A size that cannot be meant.
        """
        _check_sizes(chunksize, buffersize)
        calls = zip(*iterables, strict=False)
        if chunksize == 1 or inspect.iscoroutinefunction(fn):
            return self._results(fn, calls, timeout, buffersize)
        chunks = ((list(chunk),) for chunk in _batched(calls, chunksize))
        return _unpack(self._results(Chunk(fn), chunks, timeout, buffersize))

    def _results(
        self,
        fn: Callable[..., T],
        calls: Iterator[tuple[Any, ...]],
        timeout: float | None,
        buffersize: int | None,
    ) -> Iterator[T]:
        deadline_s = None if timeout is None else time.monotonic() + timeout
        flight = deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))

        def results() -> Iterator[T]:
            try:
                while flight:
                    for args in itertools.islice(calls, 1):
                        flight.append(self.submit(fn, *args))
                    yield _take(flight.popleft(), deadline_s)
            finally:
                cancel_tasks([future for future in flight if future.withdraw()])

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; those that were submitted go on. The client stays open.

        Args:
            wait: Return only when all have ended and their callbacks have run.
            cancel_futures: Cancel those that do not run yet.
        """
        with self._lock:
            self._shut = True
            unfinished = list(self._unfinished)
            thread = self._thread
        if cancel_futures:
            cancel_tasks([future for future in unfinished if future.withdraw()])
        self._ended.put(None)
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _give_back(self, future: ClusterFuture[Any]) -> None:
        """Nothing will come for this one; the thread looks whether it still waits for anything."""
        self._unfinished.discard(future)
        self._ended.put(None)

    def _check_open(self) -> None:
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not threading.main_thread().is_alive():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    # --- in the thread ---------------------------------------------------------------------------

    def _carry(self) -> None:
        while self._carry_one():
            pass

    def _carry_one(self) -> bool:
        """Carries the next outcome. Returns False when the thread has nothing left to do."""
        try:
            future = self._ended.get(timeout=None if self._unfinished else LINGER_S)
        except queue.Empty:
            return not self._rest()
        if future is not None:
            self._unfinished.discard(future)
            future.settle()
        return not (self._shut and self._rest())

    def _rest(self) -> bool:
        """Gives up the thread unless there is, or comes, something to carry."""
        with self._lock:
            resting = not self._unfinished
            if resting:
                self._thread = None
            return resting


class Chunk(Generic[T]):
    """Several calls of a function as one."""

    def __init__(self, func: Callable[..., T]) -> None:
        self.func = func
        options = getattr(func, "ganger_options", None)
        if options is not None:
            self.ganger_options = options

    def __call__(self, calls: list[tuple[Any, ...]]) -> list[T]:
        return [self.func(*args) for args in calls]


def _check_sizes(chunksize: int, buffersize: int | None) -> None:
    if chunksize < 1:
        raise ValueError("chunksize must be at least 1")
    if buffersize is not None and not isinstance(buffersize, int):
        raise TypeError("buffersize must be an integer or None")
    if buffersize is not None and buffersize < 1:
        raise ValueError("buffersize must be at least 1, or None")


def _batched(calls: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(itertools.islice(calls, size)):
        yield chunk


def _unpack(chunks: Iterator[list[T]]) -> Iterator[T]:
    """The values one by one, none of them held longer than it must be."""
    for chunk in chunks:
        chunk.reverse()
        while chunk:
            yield chunk.pop()


def _take(future: concurrent.futures.Future[T], deadline_s: float | None) -> T:
    """The result; whatever interrupts the wait for it also cancels it."""
    try:
        try:
            return future.result(None if deadline_s is None else deadline_s - time.monotonic())
        finally:
            future.cancel()
    finally:
        del future
