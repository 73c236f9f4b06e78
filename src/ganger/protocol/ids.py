"""Ids are numbers that anyone can compose and take apart; nobody asks for one.

A session has a number, made when it is recorded. A task's id is its session's number and the
client's own sequence number, a spec's id likewise, so that a client names its tasks itself and
a resend names the same ones.
"""

from __future__ import annotations

from typing import NewType

SessionNo = NewType("SessionNo", int)
TaskId = NewType("TaskId", int)
SpecId = NewType("SpecId", int)
WorkerName = NewType("WorkerName", str)
ConnectionId = NewType("ConnectionId", int)
Digest = NewType("Digest", bytes)
"""The content hash of a function's pickled body (blake2b, 16 bytes)."""

SEQUENCE_BITS = 40
SEQUENCE_MAX = (1 << SEQUENCE_BITS) - 1
SPEC_BITS = 24


def task_id(session: SessionNo, sequence: int) -> TaskId:
    """The id of a session's task with this sequence number."""
    return TaskId(session << SEQUENCE_BITS | sequence)


def session_of(task: TaskId) -> SessionNo:
    """The session that a task belongs to."""
    return SessionNo(task >> SEQUENCE_BITS)


def sequence_of(task: TaskId) -> int:
    """The sequence number of a task within its session."""
    return task & SEQUENCE_MAX


def spec_id(session: SessionNo, number: int) -> SpecId:
    """The id of a session's spec with this number."""
    return SpecId(session << SPEC_BITS | number)


def show_task(task: TaskId) -> str:
    """The id as people read and type it: ``session.sequence``."""
    return f"{session_of(task)}.{sequence_of(task)}"


def read_task(text: str) -> TaskId:
    """The inverse of `show_task`.

    Raises:
        ValueError: The text is not of the form ``3.17``.
    """
    session, _, sequence = text.partition(".")
    number = int(sequence)
    if not 0 <= number <= SEQUENCE_MAX or int(session) < 0:
        raise ValueError(f"{text} is out of range")
    return task_id(SessionNo(int(session)), number)
