"""What a master answers to queries: rows for people and programs, in a versioned schema."""

from __future__ import annotations

from msgspec import Struct

VIEW_VERSION = 1


class WorkerView(Struct, frozen=True):
    """One worker as the master sees it."""

    name: str
    host: str
    pid: int
    state: str
    slots: int
    assigned: int
    stalled: int
    tasks_done: int
    busy_s: float
    load: float
    memory_free_bytes: int
    pressed: bool
    resources: dict[str, float]
    executors: list[int]
    python: str


class TaskView(Struct, frozen=True):
    """One task as the master sees it. `note` says what is remarkable, such as that nobody can run it."""

    id: str
    name: str
    state: str
    attempt: int
    priority: int
    worker: str
    waiting_for: int
    failures: int
    losses: int
    session: int
    note: str = ""


class StatusView(Struct, frozen=True):
    """The cluster in numbers."""

    epoch: int
    uptime_s: float
    workers: int
    slots: int
    sessions: int
    tasks: dict[str, int]
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    result_bytes: int
    payload_bytes: int
    journal: str
    accepting: bool


class Explanation(Struct, frozen=True):
    """Why a task is where it is: one line a reason, the nearest first."""

    task: TaskView
    reasons: list[str]
