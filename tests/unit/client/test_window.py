"""The window of a map: what is due, what is deferred, what is abandoned."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from ganger.client.window import Window
from ganger.errors import ClusterClosed, InvalidOption


class Finished:
    """A future by its one question."""

    def __init__(self, done: bool) -> None:
        self._done = done

    def done(self) -> bool:
        return self._done


def window(*iterables: Any, size: int = 16) -> Window[Any]:
    return Window(iterables, size, lambda futures: None)


def test_it_gives_arguments_side_by_side_until_it_is_full() -> None:
    chosen = window(itertools.count(), itertools.repeat("x"), size=3)
    flight: list[Any] = []
    for args in chosen.due(flight):
        flight.append(args)
    assert flight == [(0, "x"), (1, "x"), (2, "x")]
    flight.clear()
    assert next(chosen.due(flight)) == (3, "x")


def test_it_ends_with_the_shortest_iterable() -> None:
    chosen = window("ab", itertools.count())
    assert list(chosen.due([])) == [("a", 0), ("b", 1)]
    assert list(chosen.due([])) == []


@pytest.mark.parametrize(("size", "refill_below"), [(1, 1), (2, 2), (8, 8), (16, 15), (10_000, 8_751)])
def test_it_is_refilled_in_strides_of_an_eighth(size: int, refill_below: int) -> None:
    assert window([], size=size).refill_below == refill_below


def test_an_error_of_an_iterable_is_raised_when_it_is_asked_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    chosen = window(items())
    flight: list[Any] = []
    with chosen.deferring():
        for args in chosen.due(flight):
            flight.append(args)
    assert flight == [(1,)]
    assert list(chosen.due([])) == []
    with pytest.raises(LookupError, match="no more"):
        chosen.raise_deferred()


def test_an_interrupt_is_not_deferred() -> None:
    chosen = window([1])
    with pytest.raises(KeyboardInterrupt), chosen.deferring():
        raise KeyboardInterrupt
    chosen.raise_deferred()


def test_what_is_abandoned_is_cancelled_at_once_and_together() -> None:
    cancelled: list[Any] = []
    pending, done = Finished(False), Finished(True)
    chosen: Window[Any] = Window(([],), 4, cancelled.append)
    chosen.abandon([done])  # type: ignore[list-item]
    chosen.abandon([pending, done, pending])  # type: ignore[list-item]
    assert cancelled == [[pending, pending]]


def test_a_client_that_was_closed_has_nothing_left_to_cancel() -> None:
    def refuse(futures: object) -> None:
        raise ClusterClosed

    Window(([],), 4, refuse).abandon([Finished(False)])  # type: ignore[list-item]


def test_a_map_needs_an_iterable() -> None:
    with pytest.raises(InvalidOption, match="at least one"):
        window()
