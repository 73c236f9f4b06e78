"""The things that the ledger holds: tasks, specs and sessions. Data only; `Ledger.apply` changes them."""

from __future__ import annotations

from msgspec import Struct

from ganger.core.costs import Cost
from ganger.core.intervals import IntervalSet
from ganger.core.lifecycle import READY, State
from ganger.core.shapes import ReadyQueue, Shape
from ganger.protocol.ids import SessionNo, TaskId
from ganger.protocol.options import SpecBody, TaskOptions


class Spec:
    """A function with its options, and what follows from them.

    Attributes:
        body: As recorded.
        ready: Where its ready tasks queue.
        suspects: Where those queue that must run alone.
        cost: What is known of the run time of its function, shared with other specs of it.
        closed: Its session is; its ready tasks are not placed any more, they are about to be cancelled.
        prefetchable: Whether a worker may hold its attempts behind others.
    """

    __slots__ = (
        "body",
        "closed",
        "cost",
        "id",
        "name",
        "options",
        "prefetchable",
        "ready",
        "shape",
        "suspects",
    )

    def __init__(self, body: SpecBody, ready: ReadyQueue, suspects: ReadyQueue, cost: Cost) -> None:
        self.body = body
        self.id = body.id
        self.name = body.name
        self.options: TaskOptions = body.options
        self.ready = ready
        self.suspects = suspects
        self.shape: Shape = ready.shape
        self.cost = cost
        self.closed = False
        self.prefetchable = body.options.repeatable and body.options.concurrency == 1

    def slots_for(self, count: int) -> int:
        """Slots that so many attempts take; `concurrency` calls of an async function share one."""
        return -(-count // self.options.concurrency) * self.shape.slots


class Task(Struct, gc=False):
    """One call. It refers to other tasks by id only, so it is in no reference cycle.

    Attributes:
        payload: Pickled arguments; emptied when the task ends.
        attempt: The number of the latest attempt; 0 before the first.
        worker: The name of the worker that holds the latest attempt.
        inputs: The tasks whose results it takes.
        unmet: How many of them have not succeeded.
        dependents: Tasks that take its result.
        holds: How many unfinished tasks need its result.
        released: The session has let go of it.
        suspect: It must run alone next time.
        origin: After a failure, the task whose failure it was, itself or one that it depended on.
        ready_at_ns: While it waits for a retry: when it is due, in wall-clock nanoseconds.
    """

    id: TaskId
    spec: Spec
    payload: bytes
    state: State = READY
    attempt: int = 0
    worker: str = ""
    inputs: list[int] | None = None
    unmet: int = 0
    dependents: list[TaskId] | None = None
    holds: int = 0
    released: bool = False
    suspect: bool = False
    failures: int = 0
    losses: int = 0
    result: bytes = b""
    error: bytes = b""
    origin: int = 0
    ready_at_ns: int = 0


class Session:
    """A client's recorded presence.

    Attributes:
        accepted: Sequence numbers recorded.
        released: Sequence numbers whose results the client has let go of.
        closed: Its tasks are being cancelled; nothing more is accepted.
        cursor: Once it is closed: the first number that has not been looked at (not recorded).
        cancelled: Once it is closed: all of its tasks have ended (not recorded).
    """

    __slots__ = ("accepted", "cancelled", "closed", "cursor", "key", "number", "owner", "released", "specs")

    def __init__(self, number: SessionNo, key: bytes, owner: str) -> None:
        self.number = number
        self.key = key
        self.owner = owner
        self.specs: dict[int, Spec] = {}
        self.accepted = IntervalSet()
        self.released = IntervalSet()
        self.closed = False
        self.cursor = 0
        self.cancelled = False
