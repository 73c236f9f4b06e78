"""A set of intervals behaves like the set of its numbers."""

import hypothesis.strategies as st
from hypothesis import given

from ganger.core.intervals import IntervalSet, intervals_of

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda span: (span[0], span[0] + span[1]))
)


def numbers_in(intervals: object) -> list[int]:
    return [number for first, last in intervals for number in range(first, last + 1)]


@given(SPANS)
def test_it_holds_what_was_added_in_the_fewest_intervals(spans: list[tuple[int, int]]) -> None:
    intervals = IntervalSet(spans)
    model = {number for first, last in spans for number in range(first, last + 1)}
    assert numbers_in(intervals) == sorted(model)
    assert list(intervals) == intervals_of(model)
    assert len(intervals) == len(list(intervals))
    assert intervals.last == max(model, default=-1)
    assert all((number in intervals) == (number in model) for number in range(-1, 72))


@given(SPANS, st.integers(0, 70), st.integers(0, 15))
def test_overlap_and_missing_split_a_range(spans: list[tuple[int, int]], first: int, length: int) -> None:
    intervals = IntervalSet(spans)
    wanted = set(range(first, first + length + 1))
    there = {number for number in wanted if number in intervals}
    assert intervals.overlap(first, first + length) == bool(there)
    assert numbers_in(intervals.missing(first, first + length)) == sorted(wanted - there)


@given(st.sets(st.integers(-20, 200)))
def test_numbers_become_the_fewest_intervals(numbers: set[int]) -> None:
    intervals = intervals_of(numbers)
    assert numbers_in(intervals) == sorted(numbers)
    assert all(before[1] + 1 < after[0] for before, after in zip(intervals, intervals[1:], strict=False))


def test_a_client_that_counts_up_keeps_one_interval() -> None:
    intervals = IntervalSet()
    for first in range(0, 10_000, 10):
        intervals.add(first, first + 9)
    assert list(intervals) == [(0, 9_999)]
