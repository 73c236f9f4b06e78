"""Only this table says how a task may change its state; the diagram in the docs is made from it.

Each cause maps the states that it may find to the state that it leaves. Code that changes a task
writes ``task.state = ASSIGN[task.state]``: one dictionary look-up, and an impossible transition
raises `InvariantViolated`.
"""

from __future__ import annotations

from enum import IntEnum

from ganger.errors import InvariantViolated


class State(IntEnum):
    """Where a task is. The order matters: everything from SUCCEEDED on is final."""

    WAITING = 0
    READY = 1
    ASSIGNED = 2
    RUNNING = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6


WAITING, READY, ASSIGNED, RUNNING = State.WAITING, State.READY, State.ASSIGNED, State.RUNNING
SUCCEEDED, FAILED, CANCELLED = State.SUCCEEDED, State.FAILED, State.CANCELLED


class Cause(dict[State, State]):
    """One row of the table: from which states a cause leads where."""

    def __init__(self, name: str, meaning: str, arrows: dict[State, State]) -> None:
        super().__init__(arrows)
        self.name = name
        self.meaning = meaning

    def __missing__(self, state: State) -> State:
        raise InvariantViolated(f"a task that is {State(state).name.lower()} cannot {self.name}")


RESOLVE = Cause("resolve", "its last dependency succeeded, or its retry is due", {WAITING: READY})
ASSIGN = Cause("assign", "placed on a worker (recorded)", {READY: ASSIGNED})
START = Cause("start", "the worker says that it runs (not recorded)", {ASSIGNED: RUNNING, RUNNING: RUNNING})
GIVE_BACK = Cause(
    "give back", "the attempt never started, or was lost with budget left", {ASSIGNED: READY, RUNNING: READY}
)
POSTPONE = Cause(
    "postpone", "the attempt failed and will be retried later", {ASSIGNED: WAITING, RUNNING: WAITING}
)
SUCCEED = Cause(
    "succeed",
    "the first success of any attempt, however late, is recorded",
    {WAITING: SUCCEEDED, READY: SUCCEEDED, ASSIGNED: SUCCEEDED, RUNNING: SUCCEEDED},
)
FAIL = Cause(
    "fail",
    "out of its budget, or a dependency failed",
    {WAITING: FAILED, READY: FAILED, ASSIGNED: FAILED, RUNNING: FAILED},
)
CANCEL = Cause(
    "cancel",
    "the client cancelled it, or its session closed",
    {WAITING: CANCELLED, READY: CANCELLED, ASSIGNED: CANCELLED, RUNNING: CANCELLED},
)

TABLE: tuple[Cause, ...] = (RESOLVE, ASSIGN, START, GIVE_BACK, POSTPONE, SUCCEED, FAIL, CANCEL)


def mermaid() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> waiting: submit, with dependencies", "    [*] --> ready: submit"]
    for cause in TABLE:
        for before, after in cause.items():
            if before is not after:
                lines.append(f"    {before.name.lower()} --> {after.name.lower()}: {cause.name}")
    lines += [f"    {state.name.lower()} --> [*]" for state in State if state >= SUCCEEDED]
    return "\n".join(lines)
