"""Waiting for many futures: in order, as they come, or for the first of them."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from ganger.client.future import Future
from ganger.errors import InvalidOption

T = TypeVar("T")
Submit = Callable[..., Future[Any]]


class Waited(NamedTuple):
    """What `wait` returns."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def gather(futures: list[Future[T]], timeout: float | None) -> list[T]:
    """The values of all futures, in order."""
    if timeout is None:
        return [future.result() for future in futures]
    deadline_s = time.monotonic() + timeout
    return [future.result(max(0.0, deadline_s - time.monotonic())) for future in futures]


def as_completed(futures: Iterable[Future[T]], timeout: float | None = None) -> Iterator[Future[T]]:
    """Futures as their tasks end.

    Args:
        futures: Of any clients; duplicates are given once.
        timeout: Seconds for all of them; None for no limit.

    Raises:
        TimeoutError: Some had not ended in time.
    """
    pending = dict.fromkeys(futures)
    ended: queue.SimpleQueue[Future[T]] = queue.SimpleQueue()
    deadline_s = None if timeout is None else time.monotonic() + timeout
    for future in pending:
        future.when_done(_putter(ended, future))
    count = len(pending)
    del pending
    for position in range(count):
        yield _next(ended, deadline_s, count - position)


def _putter(ended: queue.SimpleQueue[Future[T]], future: Future[T]) -> Callable[[], None]:
    return lambda: ended.put(future)


def _next(ended: queue.SimpleQueue[Future[T]], deadline_s: float | None, left: int) -> Future[T]:
    try:
        if deadline_s is None:
            return ended.get()
        return ended.get(timeout=max(0.0, deadline_s - time.monotonic()))
    except queue.Empty:
        raise TimeoutError(f"{left} tasks have not ended in time") from None


def wait(
    futures: Iterable[Future[Any]], timeout: float | None = None, return_when: str = "ALL_COMPLETED"
) -> Waited:
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
    if return_when not in ("ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"):
        raise InvalidOption(f"return_when cannot be {return_when!r}")
    chosen = set(futures)
    done: set[Future[Any]] = set()
    try:
        for future in as_completed(chosen, timeout):
            done.add(future)
            failed = return_when == "FIRST_EXCEPTION" and (
                future.cancelled() or future.exception() is not None
            )
            if return_when == "FIRST_COMPLETED" or failed:
                done.update(each for each in chosen if each.done())
                break
    except TimeoutError:
        done.update(each for each in chosen if each.done())
    return Waited(done, chosen - done)


def map_ordered(
    submit: Submit,
    window: int,
    fn: Callable[..., Any],
    iterables: tuple[Iterable[Any], ...],
    timeout: float | None,
) -> Iterator[Any]:
    """Results in order, at most `window` calls in flight. Calls are made as soon as this is called."""
    if not iterables:
        raise InvalidOption("map needs at least one iterable")
    deadline_s = None if timeout is None else time.monotonic() + timeout
    arguments = zip(*iterables, strict=False)
    flight: deque[Future[Any]] = deque()
    _fill(flight, window, submit, fn, arguments)
    return _drain_ordered(flight, window, submit, fn, arguments, deadline_s)


def _fill(
    flight: deque[Future[Any]], count: int, submit: Submit, fn: Callable[..., Any], arguments: Iterator[Any]
) -> None:
    for _ in range(count):
        try:
            args = next(arguments)
        except StopIteration:
            return
        flight.append(submit(fn, *args))


def _drain_ordered(
    flight: deque[Future[Any]],
    window: int,
    submit: Submit,
    fn: Callable[..., Any],
    arguments: Iterator[Any],
    deadline_s: float | None,
) -> Iterator[Any]:
    """Refills in strides, so that calls go out in batches."""
    stride = max(1, window // 8)
    try:
        while flight:
            future = flight.popleft()
            left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            value = future.result(left_s)
            del future
            if len(flight) <= window - stride:
                _fill(flight, window - len(flight), submit, fn, arguments)
            yield value
            del value
    finally:
        for future in flight:
            future.cancel()


def map_unordered(
    submit: Submit, window: int, fn: Callable[..., Any], iterables: tuple[Iterable[Any], ...]
) -> Iterator[Any]:
    """Results as they come, at most `window` calls in flight."""
    if not iterables:
        raise InvalidOption("map_unordered needs at least one iterable")
    arguments = zip(*iterables, strict=False)
    ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
    flight: set[Future[Any]] = set()

    def add() -> bool:
        try:
            args = next(arguments)
        except StopIteration:
            return False
        future = submit(fn, *args)
        flight.add(future)
        future.when_done(_putter(ended, future))
        return True

    for _ in range(window):
        if not add():
            break
    return _drain_unordered(ended, flight, add)


def _drain_unordered(
    ended: queue.SimpleQueue[Future[Any]], flight: set[Future[Any]], add: Callable[[], bool]
) -> Iterator[Any]:
    try:
        while flight:
            future = ended.get()
            flight.discard(future)
            add()
            yield future.result()
            del future
    finally:
        for future in flight:
            future.cancel()
