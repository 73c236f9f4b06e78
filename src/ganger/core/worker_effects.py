"""What an agent's core wants done."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class ToMaster(Struct, gc=False):
    """Send a message to the master."""

    message: object


class ToExecutor(Struct, gc=False):
    """Send a message to the executor of a slot."""

    slot: int
    message: object


class Revoke(Struct, gc=False):
    """Have the executor skip these calls, where it has not started them."""

    slot: int
    first: int
    last: int


class StartExecutor(Struct, gc=False):
    """Fork an executor for this slot."""

    slot: int


class EndExecutor(Struct, gc=False):
    """Kill the executor of this slot."""

    slot: int


class LeaveCluster(Struct, gc=False):
    """Everything is done and reported: end the worker."""


AgentEffect: TypeAlias = ToMaster | ToExecutor | Revoke | StartExecutor | EndExecutor | LeaveCluster
