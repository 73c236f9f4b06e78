"""A set of integers kept as disjoint inclusive intervals: its size is its number of gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """Integers, mostly consecutive. `add` is O(1) for the next number, O(log gaps) elsewhere."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Adds every number from `first` to `last`, both included."""
        firsts, lasts = self._firsts, self._lasts
        if lasts and lasts[-1] + 1 == first:
            lasts[-1] = last
            return
        low = bisect_left(lasts, first - 1)
        high = bisect_right(firsts, last + 1)
        if low < high:
            first = min(first, firsts[low])
            last = max(last, lasts[high - 1])
        firsts[low:high] = [first]
        lasts[low:high] = [last]

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._lasts, number)
        return at < len(self._firsts) and self._firsts[at] <= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        return len(self._firsts)

    @property
    def last(self) -> int:
        """The greatest number in the set, or -1."""
        return self._lasts[-1] if self._lasts else -1

    def overlap(self, first: int, last: int) -> bool:
        """Whether any number from `first` to `last` is in the set."""
        at = bisect_left(self._lasts, first)
        return at < len(self._firsts) and self._firsts[at] <= last

    def present(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The parts of ``first … last`` that are in the set."""
        at = bisect_left(self._lasts, first)
        while at < len(self._firsts) and self._firsts[at] <= last:
            yield max(first, self._firsts[at]), min(last, self._lasts[at])
            at += 1

    def missing(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The parts of ``first … last`` that are not in the set."""
        at = bisect_left(self._lasts, first)
        while first <= last and at < len(self._firsts):
            start, end = self._firsts[at], self._lasts[at]
            if start > last:
                break
            if first < start:
                yield first, start - 1
            first = end + 1
            at += 1
        if first <= last:
            yield first, last


def intervals_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers in any order, without repetition, as the fewest inclusive intervals."""
    result: list[tuple[int, int]] = []
    first = last = None
    for number in sorted(numbers):
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            result.append((first, last))
        first = last = number
    if first is not None and last is not None:
        result.append((first, last))
    return result
