"""Waiting for many futures: in order, as they come, or for the first of them."""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ganger.client.future import Future
from ganger.client.window import Window
from ganger.errors import InvalidOption

T = TypeVar("T")
Submit = Callable[..., Future[Any]]


class Waited(NamedTuple):
    """What `wait` returns."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def gather(futures: list[Future[T]], timeout: float | None) -> list[T]:
    """The values of all futures, in order."""
    deadline_s = deadline_of(timeout)
    return [future.result(left_s(deadline_s)) for future in futures]


def as_completed(futures: Iterable[Future[T]], timeout: float | None = None) -> Iterator[Future[T]]:
    """Futures as their tasks end.

    Args:
        futures: Of any clients; duplicates are given once.
        timeout: Seconds for all of them; None for no limit.

    Raises:
        TimeoutError: Some had not ended in time.
    """
    deadline_s = deadline_of(timeout)
    ended: queue.SimpleQueue[Future[T]] = queue.SimpleQueue()
    expected = {future: partial(ended.put, future) for future in futures}
    try:
        for future, callback in expected.items():
            future.when_done(callback)
        while expected:
            future = _next(ended, deadline_s, len(expected))
            del expected[future]
            yield future
            del future
    finally:
        for future, callback in expected.items():
            future.forget(callback)


def _next(ended: queue.SimpleQueue[Future[T]], deadline_s: float | None, left: int) -> Future[T]:
    try:
        return ended.get(timeout=left_s(deadline_s))
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
    ends = ends_wait(return_when)
    chosen = set(futures)
    with contextlib.suppress(TimeoutError):
        for future in as_completed(chosen, timeout):
            if ends(future):
                break
    return sort_out(chosen)


def ends_wait(return_when: str) -> Callable[[Future[Any]], bool]:
    """Tells of each future that has ended whether a `wait` ends with it, though others have not.

    Raises:
        InvalidOption: `return_when` is none of the three.
    """
    rules: dict[str, Callable[[Future[Any]], bool]] = {
        "ALL_COMPLETED": lambda future: False,
        "FIRST_COMPLETED": lambda future: True,
        "FIRST_EXCEPTION": lambda future: future.cancelled() or future.exception() is not None,
    }
    if return_when not in rules:
        raise InvalidOption(f"return_when cannot be {return_when!r}", hint=f"known: {', '.join(rules)}")
    return rules[return_when]


def sort_out(futures: set[Future[Any]]) -> Waited:
    """Those that have ended, and those that have not."""
    done = {future for future in futures if future.done()}
    return Waited(done, futures - done)


def map_ordered(
    submit: Submit, window: Window[Any], fn: Callable[..., Any], deadline_s: float | None
) -> Iterator[Any]:
    """Results in order. The first calls are made as soon as this is called."""
    return _begun(_in_order(submit, window, fn, deadline_s))


def _in_order(
    submit: Submit, window: Window[Any], fn: Callable[..., Any], deadline_s: float | None
) -> Iterator[Any]:
    flight: deque[Future[Any]] = deque()

    def refill() -> None:
        with window.deferring():
            for args in window.due(flight):
                flight.append(submit(fn, *args))

    try:
        refill()
        yield None
        while flight:
            value = flight[0].result(left_s(deadline_s))  # it stays there until then, to be abandoned too
            flight.popleft()
            if len(flight) < window.refill_below:
                refill()
            yield value
            del value
        window.raise_deferred()
    finally:
        window.abandon(flight)


def map_unordered(submit: Submit, window: Window[Any], fn: Callable[..., Any]) -> Iterator[Any]:
    """Results as they come. The first calls are made as soon as this is called."""
    return _begun(_as_they_come(submit, window, fn))


def _as_they_come(submit: Submit, window: Window[Any], fn: Callable[..., Any]) -> Iterator[Any]:
    ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
    flight: set[Future[Any]] = set()

    def refill() -> None:
        with window.deferring():
            for args in window.due(flight):
                future = submit(fn, *args)
                flight.add(future)
                future.when_done(partial(ended.put, future))

    try:
        refill()
        yield None
        while flight:
            future = ended.get()
            flight.discard(future)
            if len(flight) < window.refill_below:
                refill()
            yield future.result()
            del future
        window.raise_deferred()
    finally:
        window.abandon(flight)


def _begun(results: Iterator[Any]) -> Iterator[Any]:
    """Runs a generator to its first yield, which gives nothing; dropping it then abandons the flight."""
    next(results)
    return results


def deadline_of(timeout: float | None) -> float | None:
    """When a timeout ends, by the monotonic clock."""
    return None if timeout is None else time.monotonic() + timeout


def left_s(deadline_s: float | None) -> float | None:
    """The time until then; None for no limit."""
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
