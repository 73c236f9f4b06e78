"""How a call ended, as an executor publishes it: shared by the ring, the executor and the agent's core."""

from __future__ import annotations

from typing import NamedTuple

SUCCESS, FAILURE, RETRYABLE, EXIT, STOPPED, SKIPPED = range(6)
"""Kinds: a value; an exception; one that will be retried; sys.exit; a cancelled coroutine; not called."""


class Finished(NamedTuple):
    """A call that ended; `call` is its index in the executor."""

    call: int
    kind: int
    elapsed_ns: int
    payload: bytes
