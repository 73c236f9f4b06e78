"""What a task needs of a worker, and the queues of ready tasks: one per shape, priority and solitude.

A queue never loses its place when a task in it is taken, cancelled or finished elsewhere: it keeps
the stale entry and skips it when its turn comes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from ganger.core.lifecycle import READY
from ganger.protocol.options import TaskOptions

if TYPE_CHECKING:
    from ganger.core.roster import Worker
    from ganger.core.tasks import Task


class Shape(Struct, frozen=True):
    """Needs that decide where a task fits.

    Attributes:
        slots: Slots that one attempt takes (``cpu`` rounded up, at least one).
        needs: Other resources by name, sorted.
        workers: Names of the workers that it is pinned to, sorted; empty for any.
    """

    slots: int = 1
    needs: tuple[tuple[str, float], ...] = ()
    workers: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is one slot of any worker, as for nearly all tasks."""
        return self.slots == 1 and not self.needs and not self.workers


PLAIN = Shape()


def shape_of(options: TaskOptions) -> Shape:
    """The shape that a task's options ask for."""
    cpu = options.resources.get("cpu", 1.0)
    needs = tuple(
        sorted((name, amount) for name, amount in options.resources.items() if name != "cpu" and amount)
    )
    return Shape(max(1, math.ceil(cpu)), needs, tuple(sorted(options.workers)))


class ReadyQueue:
    """Ready tasks of one shape and priority, first in, first out.

    Attributes:
        blocked: No worker has room for it at present; only a worker that gains room looks again.
        keeper: A worker that is kept free until a wide task of this queue fits on it.
        uses: How many specs queue here.
    """

    __slots__ = ("alone", "blocked", "keeper", "priority", "shape", "tasks", "uses")

    def __init__(self, shape: Shape, priority: int, alone: bool) -> None:
        self.shape = shape
        self.priority = priority
        self.alone = alone
        self.tasks: deque[Task] = deque()
        self.blocked = False
        self.keeper: Worker | None = None
        self.uses = 0

    def head(self) -> Task | None:
        """The task whose turn it is, without taking it; drops stale entries before it."""
        tasks = self.tasks
        while tasks:
            task = tasks[0]
            if task.state is READY and not task.spec.closed:
                return task
            tasks.popleft()
        return None


class ReadyIndex:
    """All ready queues, highest priority first; of equal priority the older queue comes first."""

    __slots__ = ("_queues", "_ranked")

    def __init__(self) -> None:
        self._queues: dict[tuple[Shape, int, bool], ReadyQueue] = {}
        self._ranked: list[ReadyQueue] = []

    def queue(self, shape: Shape, priority: int, alone: bool = False) -> ReadyQueue:
        """The queue for these needs, made when first asked for; each call counts as a use."""
        key = (shape, priority, alone)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = ReadyQueue(shape, priority, alone)
            self._ranked.append(queue)
            self._ranked.sort(key=lambda each: -each.priority)
        queue.uses += 1
        return queue

    def release(self, queue: ReadyQueue) -> None:
        """One use fewer; with the last the queue goes."""
        queue.uses -= 1
        if not queue.uses:
            del self._queues[queue.shape, queue.priority, queue.alone]
            self._ranked.remove(queue)

    def __iter__(self) -> Iterator[ReadyQueue]:
        return iter(self._ranked)

    def rotate(self, queue: ReadyQueue) -> None:
        """Puts a queue that was served behind the others of its priority."""
        if len(self._ranked) > 1:
            self._ranked.remove(queue)
            self._ranked.append(queue)
            self._ranked.sort(key=lambda each: -each.priority)
