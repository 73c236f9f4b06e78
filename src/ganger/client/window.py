"""A map takes arguments only as results are taken: at most so many of its calls are in flight.

The window says which calls to make next and keeps their futures. Whoever maps makes the calls and
waits, synchronously or not, so that both kinds of client map by the same rules.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ganger.client.future import Future
from ganger.errors import ClusterClosed, ForkedClient, InvalidOption

T = TypeVar("T")
STRIDES = 8
"""The window is refilled when this part of it is free, so that calls go out in batches."""


class Window(Generic[T]):
    """The calls of one map.

    Args:
        iterables: The arguments, side by side; they may be endless.
        size: The most calls in flight.
        cancel: Cancels futures without waiting.

    Attributes:
        refill_below: With fewer calls than this in flight it is worth asking what is `due`.

    Raises:
        InvalidOption: There are no iterables.
    """

    def __init__(
        self, iterables: tuple[Iterable[Any], ...], size: int, cancel: Callable[[list[Future[Any]]], object]
    ) -> None:
        if not iterables:
            raise InvalidOption("a map needs at least one iterable", hint="map(fn, items)")
        self.size = size
        self.refill_below = size - max(1, size // STRIDES) + 1
        self._arguments = zip(*iterables, strict=False)
        self._cancel = cancel
        self._error: Exception | None = None

    def due(self, in_flight: Collection[Future[T]]) -> Iterator[tuple[Any, ...]]:
        """The arguments of the calls to make now, until the window is full or the iterables end.

        Args:
            in_flight: The futures of the calls that were made; asked for their number after each call.
        """
        while self._error is None and len(in_flight) < self.size:
            try:
                yield next(self._arguments)
            except StopIteration:
                return

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """An error of an iterable or of a call shows after the results that come before it."""
        try:
            yield
        except Exception as error:
            self._error = error

    def raise_deferred(self) -> None:
        """Raises the error that ended the iterables early, if one did.

        Raises:
            Exception: Of an iterable, or of a call that could not be made.
        """
        if self._error is not None:
            raise self._error

    def abandon(self, in_flight: Iterable[Future[T]]) -> None:
        """Nobody asks for these any more."""
        unfinished = [future for future in in_flight if not future.done()]
        if unfinished:
            with contextlib.suppress(ClusterClosed, ForkedClient):
                self._cancel(unfinished)
