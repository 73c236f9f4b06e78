"""What an agent and its executors say to each other over their socket pair.

Results normally travel through the shared-memory ring instead; an empty frame from an executor
only says that there is something to read in it.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ganger.protocol.options import FunctionBody, SpecBody


class Learn(Struct, array_like=True, tag="learn"):
    """Agent → executor: functions and specs that later runs name."""

    functions: list[FunctionBody]
    specs: list[SpecBody]


class Run(Struct, array_like=True, tag="run", gc=False):
    """Agent → executor: call a spec's function with each payload, in order.

    Attributes:
        spec: The spec's id.
        first: The index of the first call; indices of one executor grow by one with each call.
        payloads: Pickled arguments.
        inputs: For each call the results that it takes, or None for none.
        devices: What the calls may see in ``CUDA_VISIBLE_DEVICES``, or None to leave it alone.
    """

    spec: int
    first: int
    payloads: list[bytes]
    inputs: list[list[bytes]] | None = None
    devices: str | None = None


class CancelCall(Struct, array_like=True, tag="cancel_call"):
    """Agent → executor: cancel the coroutine of this call."""

    index: int


class Leave(Struct, array_like=True, tag="leave"):
    """Agent → executor: end when this is reached."""


ToExecutor: TypeAlias = Learn | Run | CancelCall | Leave


class Prepared(Struct, array_like=True, tag="prepared"):
    """Executor → agent: ready for work, or why not (a traceback)."""

    error: str = ""


class LargeResult(Struct, array_like=True, tag="large", gc=False):
    """Executor → agent: a result too long for the ring."""

    index: int
    kind: int
    elapsed_ns: int
    payload: bytes


FromExecutor: TypeAlias = Prepared | LargeResult


class Fork(Struct, array_like=True, tag="fork"):
    """Agent → zygote: make an executor; its socket and its ring come as file descriptors."""

    preload: str
    paths: list[str]


class Kill(Struct, array_like=True, tag="kill"):
    """Agent → zygote: end this executor and what it started."""

    pid: int


ToZygote: TypeAlias = Fork | Kill


class Forked(Struct, array_like=True, tag="forked"):
    """Zygote → agent: the answers to `Fork`, in order."""

    pid: int


class Exited(Struct, array_like=True, tag="exited"):
    """Zygote → agent: an executor has ended.

    Attributes:
        pid: Which.
        code: Its exit code, or minus the signal that ended it.
        peak_bytes: The most memory that it ever had resident.
    """

    pid: int
    code: int
    peak_bytes: int


FromZygote: TypeAlias = Forked | Exited
