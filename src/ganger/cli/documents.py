"""What the commands print as JSON: a document a command, with the version of its schema.

A field may be added within a version; one that is removed, renamed or changes its meaning makes the next.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ganger.protocol.views import StatusView, TaskView, WorkerView

OUTPUT_VERSION: Literal[1] = 1


class Document(Struct, kw_only=True):
    """What all of them have."""

    version: Literal[1] = OUTPUT_VERSION


class ClusterDocument(Document, kw_only=True):
    """``ganger up`` and ``ganger master``, once it can be connected to.

    Attributes:
        address: What to give to `--join`, `--address` and `ganger.connect`.
        journal: The journal's folder, or ``memory``.
        pid: The process to end with SIGTERM or SIGINT.
    """

    address: str
    journal: str
    pid: int


class WorkerDocument(Document, kw_only=True):
    """``ganger worker``, once it is ready."""

    name: str
    slots: int
    resources: dict[str, float]
    pid: int


class StatusDocument(Document, kw_only=True):
    """``ganger status``."""

    status: StatusView


class WorkersDocument(Document, kw_only=True):
    """``ganger worker list``."""

    workers: list[WorkerView]


class DrainDocument(Document, kw_only=True):
    """``ganger worker drain``. `left` says whether they have left, or were only asked to."""

    drained: list[str]
    left: bool


class TasksDocument(Document, kw_only=True):
    """``ganger task list``. `complete` is false where `--limit` cut it."""

    tasks: list[TaskView]
    complete: bool


class TaskDocument(Document, kw_only=True):
    """``ganger task show``."""

    task: TaskView


class ExplanationDocument(Document, kw_only=True):
    """``ganger task explain``."""

    task: TaskView
    reasons: list[str]


class CancelDocument(Document, kw_only=True):
    """``ganger task cancel``. `missed` had ended, or never were."""

    cancelled: list[str]
    missed: list[str]


class BenchDocument(Document, kw_only=True):
    """``ganger bench``."""

    slots: int
    cold_start_s: float
    tasks: int
    tasks_per_s: float
    round_trips: int
    round_trip_p50_s: float
    round_trip_p99_s: float
    python: str
    ganger: str


DOCUMENTS: tuple[type[Document], ...] = (
    ClusterDocument,
    WorkerDocument,
    StatusDocument,
    WorkersDocument,
    DrainDocument,
    TasksDocument,
    TaskDocument,
    ExplanationDocument,
    CancelDocument,
    BenchDocument,
)
