"""What a task asks for becomes a shape; ready tasks queue by shape and priority."""

import hypothesis.strategies as st
from hypothesis import given

from ganger.core.shapes import PLAIN, ReadyIndex, Shape, shape_of
from ganger.protocol.options import TaskOptions


def test_nearly_all_tasks_are_plain() -> None:
    assert shape_of(TaskOptions()) == PLAIN
    assert shape_of(TaskOptions(resources={"cpu": 1.0})).plain
    assert shape_of(TaskOptions(resources={"cpu": 0.2, "memory": 0.0})).plain


def test_a_fraction_of_a_cpu_takes_a_whole_slot() -> None:
    assert shape_of(TaskOptions(resources={"cpu": 1.2})).slots == 2
    assert shape_of(TaskOptions(resources={"cpu": 0.0})).slots == 1


def test_the_order_in_which_needs_were_written_makes_no_difference() -> None:
    one = shape_of(TaskOptions(resources={"gpu": 1.0, "memory": 2.0}, workers=["b", "a"]))
    other = shape_of(TaskOptions(resources={"memory": 2.0, "gpu": 1.0}, workers=["a", "b"]))
    assert one == other == Shape(1, (("gpu", 1.0), ("memory", 2.0)), ("a", "b"))
    assert not one.plain


def test_the_same_needs_share_a_queue() -> None:
    index = ReadyIndex()
    first = index.queue(PLAIN, 0)
    assert index.queue(Shape(), 0) is first
    assert index.queue(PLAIN, 0, alone=True) is not first
    assert index.queue(PLAIN, 1) is not first


@given(st.lists(st.integers(-3, 3), unique=True))
def test_queues_come_in_order_of_priority(priorities: list[int]) -> None:
    index = ReadyIndex()
    for priority in priorities:
        index.queue(PLAIN, priority)
    assert [queue.priority for queue in index] == sorted(priorities, reverse=True)


def test_a_queue_that_was_served_stands_behind_the_others_of_its_priority() -> None:
    index = ReadyIndex()
    first, second = index.queue(PLAIN, 0), index.queue(Shape(2), 0)
    high, low = index.queue(PLAIN, 1), index.queue(PLAIN, -1)
    index.rotate(first)
    assert list(index) == [high, second, first, low]
    index.rotate(high)
    assert next(iter(index)) is high


def test_rotating_the_only_queue_changes_nothing() -> None:
    index = ReadyIndex()
    only = index.queue(PLAIN, 0)
    index.rotate(only)
    assert list(index) == [only]
