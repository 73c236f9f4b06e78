"""What a client may ask of a task besides its arguments, as it travels and stands in the journal."""

from __future__ import annotations

from msgspec import Struct, field

PYTHON_KIND = "python"
"""The executor kind that calls a Python function."""


class TaskOptions(Struct, frozen=True, array_like=True, omit_defaults=False):
    """The options of one spec; every task of the spec shares them.

    Attributes:
        kind: The executor kind that runs it, by its registered name.
        retries: How often an exception or a timeout is tried again.
        retry_delay_s: The pause before the first retry; it doubles with each.
        retry_delay_max_s: The longest pause.
        retry_on: The pickled tuple of exception classes to retry; empty for all of `Exception`.
        losses_max: How many started attempts may be lost with their executor or worker.
        repeatable: Whether a second start is allowed at all.
        timeout_s: How long an attempt may run, from its start; 0 for no limit.
        priority: Higher goes first.
        resources: Amounts by name: ``cpu`` in slots, ``memory`` in bytes, ``gpu`` in devices, others.
        workers: Names of the workers that may run it; empty for any.
        concurrency: How many calls of an async function share one executor.
    """

    kind: str = PYTHON_KIND
    retries: int = 0
    retry_delay_s: float = 0.1
    retry_delay_max_s: float = 60.0
    retry_on: bytes = b""
    losses_max: int = 3
    repeatable: bool = True
    timeout_s: float = 0.0
    priority: int = 0
    resources: dict[str, float] = field(default_factory=dict)
    workers: list[str] = field(default_factory=list)
    concurrency: int = 1


class FunctionBody(Struct, frozen=True, array_like=True):
    """A function by its content hash; opaque to the master."""

    digest: bytes
    body: bytes


class SpecBody(Struct, frozen=True, array_like=True):
    """A function with its options: what all tasks of one group share.

    On the wire from a client `id` is the client's own number; everywhere else it is a `SpecId`.
    """

    id: int
    function: bytes
    name: str
    options: TaskOptions
