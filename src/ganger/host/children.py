"""A child is forked from a single-threaded host, says on a pipe how it fares, and dies with the host."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import msgspec
import uvloop

from ganger.errors import GangerError, InvariantViolated
from ganger.executor.child import ExecutorLimits
from ganger.executor.zygote import fork_zygote
from ganger.host.plan import Status
from ganger.master.server import MasterPlan, MasterServer
from ganger.protocol.framing import frame
from ganger.runtime.process import die_with_parent, name_process
from ganger.worker.agent import Agent, WorkerPlan

FAILED_EXIT = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
Say = Callable[[Status], None]


class Child:
    """A process that the host has started.

    Attributes:
        status: The pipe on which it says how it fares.
    """

    __slots__ = ("name", "pid", "status")

    def __init__(self, name: str, pid: int, status: int) -> None:
        self.name = name
        self.pid = pid
        self.status = status


def fork_child(name: str, body: Callable[[Say], None]) -> Child:
    """Forks a process that runs `body` and ends.

    Args:
        name: How the host calls it.
        body: Its life; takes a function with which it says how it fares.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read_end)
        _become(name, write_end, body)
    os.close(write_end)
    os.set_blocking(read_end, False)
    return Child(name, pid, read_end)


def _become(name: str, status: int, body: Callable[[Say], None]) -> NoReturn:
    code = FAILED_EXIT

    def say(message: Status) -> None:
        try:
            os.write(status, frame(msgspec.msgpack.encode(message)))
        except BrokenPipeError:
            logging.getLogger("ganger.host").debug("nobody listens to %s", name)

    try:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)  # Ctrl-C is the host's to hear: it ends its children in order
        die_with_parent()
        name_process("ganger-master" if name == "master" else "ganger-worker")
        body(say)
        code = 0
    except GangerError as error:
        if isinstance(error, InvariantViolated):
            traceback.print_exc()
        say(Status(name, False, error=type(error).__name__, message=error.message, hint=error.hint))
    except BaseException as error:
        traceback.print_exc()
        say(Status(name, False, error=type(error).__name__, message=f"{name} has failed: {error!r}"))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def master_body(plan: MasterPlan) -> Callable[[Say], None]:
    """The life of a master process."""

    def live(say: Say) -> None:
        async def serve() -> None:
            await MasterServer(plan).run(lambda addresses: say(Status("master", True, addresses)))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    return live


def worker_body(plan: WorkerPlan) -> Callable[[Say], None]:
    """The life of a worker process: its zygote first, while it has a single thread and no loop."""

    def live(say: Say) -> None:
        limits = ExecutorLimits(
            plan.frame_bytes_max, plan.settings.ring_result_bytes_max, plan.payload_bytes_max
        )
        zygote, _ = fork_zygote(limits)

        async def work() -> None:
            await Agent(plan, zygote).run(lambda: say(Status(plan.name, True)))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())

    return live
