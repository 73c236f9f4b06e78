"""What may be asked of the master, and how its answers are read: the same for both kinds of client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import msgpack

from ganger.protocol.ids import read_task
from ganger.protocol.messages import CancelTasks, DrainWorkers, Query
from ganger.protocol.views import Explanation, StatusView, TaskView, WorkerView

T = TypeVar("T")


class Question(NamedTuple, Generic[T]):
    """A message that is answered.

    Attributes:
        make: Makes the message from the number of the request.
        read: Reads the answer's body.
    """

    make: Callable[[int], object]
    read: Callable[[bytes], T]


def status() -> Question[StatusView]:
    """The cluster in numbers."""
    return Question(
        lambda request: Query(request, "status"), lambda body: msgpack.decode(body, type=StatusView)
    )


def workers() -> Question[list[WorkerView]]:
    """The workers, as the master sees them."""
    return Question(
        lambda request: Query(request, "workers"), lambda body: msgpack.decode(body, type=list[WorkerView])
    )


def tasks(state: str, limit: int) -> Question[list[TaskView]]:
    """Tasks in a state, or in any."""
    return Question(
        lambda request: Query(request, "tasks", state, limit),
        lambda body: msgpack.decode(body, type=list[TaskView]),
    )


def explain(name_task: Callable[[], str]) -> Question[Explanation]:
    """Why a task is where it is.

    Args:
        name_task: Gives its id; asked only when what is buffered has been sent, and so has a number.
    """
    return Question(
        lambda request: Query(request, "explain", name_task()),
        lambda body: msgpack.decode(body, type=Explanation),
    )


def cancel_tasks(ids: Sequence[str]) -> Question[list[str]]:
    """Cancels tasks of any session by id; the answer names those that had not ended.

    Raises:
        ValueError: One of them is not a task's id.
    """
    numbers: list[int] = [read_task(each) for each in ids]
    return Question(
        lambda request: CancelTasks(request, numbers), lambda body: msgpack.decode(body, type=list[str])
    )


def drain_workers(names: Sequence[str]) -> Question[None]:
    """Lets workers finish what they run, take no more, and leave."""
    return Question(lambda request: DrainWorkers(request, list(names)), lambda body: None)
