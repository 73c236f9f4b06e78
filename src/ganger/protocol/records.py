"""The records of the journal: what happened, in the past tense, enough to rebuild the ledger.

A record names its subject by ids only and carries no clock but the wall clock passed in when it
was made. The same `Ledger.apply` takes them live and after a restart.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ganger.protocol.messages import TaskGroup
from ganger.protocol.options import FunctionBody, SpecBody

RECORD_VERSION = 1
"""The format of the records; a journal of another version is converted on opening or refused."""


class EpochBegun(Struct, array_like=True, tag="epoch", frozen=True):
    """A master opened the journal: the first record of each mastership."""

    epoch: int
    wall_ns: int
    version: int


class SessionOpened(Struct, array_like=True, tag="session", frozen=True):
    """A client said hello for the first time."""

    session: int
    key: bytes
    owner: str
    wall_ns: int


class SessionClosed(Struct, array_like=True, tag="session_closed", frozen=True):
    """A client left or fell silent: its results are released; its tasks are cancelled one by one."""

    session: int


class SpecsDefined(Struct, array_like=True, tag="specs", frozen=True):
    """Functions and specs of a session; ids are `SpecId`s here."""

    session: int
    functions: list[FunctionBody]
    specs: list[SpecBody]


class TasksSubmitted(Struct, array_like=True, tag="submitted", gc=False):
    """Tasks were accepted. In the groups, `spec` is the client's own number and `first` its sequence."""

    session: int
    groups: list[TaskGroup]


class TasksAssigned(Struct, array_like=True, tag="assigned", gc=False):
    """Tasks were placed on a worker; the attempt number of each grows by one."""

    worker: str
    tasks: list[int]


class AttemptsReturned(Struct, array_like=True, tag="returned", gc=False):
    """Attempts came back uncharged. `suspects`: it is not known whether they had started."""

    tasks: list[int]
    suspects: bool


class AttemptsLost(Struct, array_like=True, tag="lost"):
    """Started attempts were lost with their executor or worker: each is charged one loss."""

    tasks: list[int]


class AttemptFailed(Struct, array_like=True, tag="attempt_failed"):
    """An attempt failed and the task will be tried again, not before `ready_at_ns` (wall clock)."""

    task: int
    ready_at_ns: int


class TasksSucceeded(Struct, array_like=True, tag="succeeded", gc=False):
    """The first success of each task, final, with its result."""

    tasks: list[int]
    payloads: list[bytes]


class TaskFailed(Struct, array_like=True, tag="failed"):
    """A task failed for good, on its own account."""

    task: int
    error: bytes


class TasksFailedWith(Struct, array_like=True, tag="failed_with"):
    """Tasks failed because the task `cause`, on which they depend, did; they share its error and origin."""

    tasks: list[int]
    cause: int


class TasksCancelled(Struct, array_like=True, tag="cancelled"):
    """Tasks were cancelled before they ended."""

    tasks: list[int]


class ResultsReleased(Struct, array_like=True, tag="released"):
    """A session let go of results, as inclusive intervals of its sequence numbers."""

    session: int
    intervals: list[tuple[int, int]]


# --- snapshots: the same ledger in fewer records --------------------------------------------------


class LedgerKept(Struct, array_like=True, tag="ledger_kept", frozen=True):
    """The first record of a snapshot. `totals`: submitted, succeeded, failed, cancelled."""

    epoch: int
    sessions_opened: int
    totals: list[int]


class SessionKept(Struct, array_like=True, tag="session_kept", frozen=True):
    """A session as it stands."""

    session: int
    key: bytes
    owner: str
    closed: bool
    accepted: list[tuple[int, int]]
    released: list[tuple[int, int]]


class TaskImage(Struct, array_like=True, gc=False):
    """A task as it stands; what follows from other tasks is left out."""

    id: int
    spec: int
    payload: bytes
    state: int
    attempt: int
    worker: str
    inputs: list[int]
    failures: int
    losses: int
    released: bool
    suspect: bool
    result: bytes
    error: bytes
    origin: int
    ready_at_ns: int


class TasksKept(Struct, array_like=True, tag="tasks_kept", gc=False):
    """Tasks as they stand, in the order in which they were submitted."""

    tasks: list[TaskImage]


class TasksLinked(Struct, array_like=True, tag="tasks_linked", frozen=True):
    """The last record of a snapshot: all tasks are there, so that they can be joined to their inputs."""


Record: TypeAlias = (
    EpochBegun
    | SessionOpened
    | SessionClosed
    | SpecsDefined
    | TasksSubmitted
    | TasksAssigned
    | AttemptsReturned
    | AttemptsLost
    | AttemptFailed
    | TasksSucceeded
    | TaskFailed
    | TasksFailedWith
    | TasksCancelled
    | ResultsReleased
    | LedgerKept
    | SessionKept
    | TasksKept
    | TasksLinked
)
