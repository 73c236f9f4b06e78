"""The agent's shell: one connection to the master, executors, timers; the core decides.

No user code runs here, so nothing holds up a heartbeat. An agent that loses its master keeps
computing, comes back with growing pauses, and says what it holds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from msgspec import Struct, field

from ganger.client.connection import Introduction, MasterConnection
from ganger.config import MIB, WorkerSettings
from ganger.core.worker import AgentEvent, Assigned, LeaveAsked, MemorySampled, Ticked, WorkerCore
from ganger.core.worker_effects import (
    AgentEffect,
    EndExecutor,
    LeaveCluster,
    Revoke,
    StartExecutor,
    ToExecutor,
    ToMaster,
)
from ganger.errors import Refused
from ganger.net.address import parse
from ganger.protocol.codec import decode_to_worker, encode
from ganger.protocol.messages import Beat, Pong, Welcome, WorkerOffer
from ganger.protocol.options import PYTHON_KIND
from ganger.runtime.environment import runtime_of_this_process
from ganger.worker.executors import Executors
from ganger.worker.gauges import Gauges, machine_memory_bytes

logger = logging.getLogger("ganger.worker")

RECONNECT_FIRST_S = 0.01
TELL_AFTER_S = 1.0
"""A master that does not answer is worth a line only after this time."""


class WorkerPlan(Struct, frozen=True):
    """What a worker process is told to be.

    Attributes:
        join: The master's address.
        name: Unique in the cluster.
        slots: Executors.
        resources: Amounts by name beyond slots; ``memory`` in bytes (the machine's where it is left
            out), ``gpu`` in devices.
        shared_by: How many workers share the machine's memory.
        preload: ``module:function`` that each executor calls first.
        paths: Where executors import from; this process's own path if empty.
        secret: The cluster's secret for TCP, in hexadecimal, or empty.
        frame_bytes_max: The longest message.
        payload_bytes_max: The longest result.
    """

    join: str
    name: str
    slots: int
    resources: dict[str, float] = {}
    shared_by: int = 1
    preload: str = ""
    paths: list[str] = []
    secret: str = ""
    frame_bytes_max: int = 256 * MIB
    payload_bytes_max: int = 64 * MIB
    settings: WorkerSettings = field(default_factory=WorkerSettings)


class Agent:
    """One worker's life.

    Args:
        plan: What to be.
        zygote: The socket pair to the zygote that was forked before.
    """

    def __init__(self, plan: WorkerPlan, zygote: socket.socket) -> None:
        self.plan = plan
        settings = plan.settings
        self.core = WorkerCore(plan.slots, int(plan.resources.get("gpu", 0)), settings)
        self.executors = Executors(
            zygote, plan.preload, plan.paths, settings, plan.frame_bytes_max, self._tell, self._fail
        )
        self.gauges = Gauges(settings)
        self.runtime = runtime_of_this_process()
        self.resources = {"memory": float(machine_memory_bytes() // plan.shared_by), **plan.resources}
        secret = bytes.fromhex(plan.secret) if plan.secret else None
        offer = WorkerOffer(plan.name, plan.slots, self.resources, [PYTHON_KIND])
        self.connection = MasterConnection(
            parse(plan.join),
            Introduction("worker", self.runtime, secret, offer=offer),
            self,
            decode_to_worker,
            plan.frame_bytes_max,
            settings.reconnect_delay_max_s,
            logger,
        )
        self._done: asyncio.Future[None] | None = None
        self._prepared = asyncio.Event()
        self._flush_queued = False
        self._tick_handle: asyncio.TimerHandle | None = None
        self._tick_wait_ns = 0
        self._tick_least_ns = int(settings.tick_s * 1e9)
        self._on_ready: Callable[[], None] = lambda: None

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Works until it is told to leave and has.

        Args:
            on_ready: Called once, when the executors are prepared and the master has welcomed it.

        Raises:
            GangerError: The master refused it, or the executors cannot be prepared.
        """
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        self._on_ready = on_ready
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave)
        self.executors.open()
        self._apply(self.core.begin())
        tasks = [
            loop.create_task(self._join()),
            loop.create_task(self._beat()),
            loop.create_task(self._weigh()),
        ]
        try:
            await self._done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.connection.close()
            self.executors.close()
            await asyncio.sleep(0)

    async def _join(self) -> None:
        """Says hello once the executors are prepared: no task is bound to a worker that loads its models."""
        await self._prepared.wait()
        await self.connection.run()

    def leave(self) -> None:
        """Drains, and gives up after the grace."""
        self._tell(LeaveAsked())
        asyncio.get_running_loop().call_later(self.plan.settings.drain_grace_s, self._end)

    def _end(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    # --- core and effects ------------------------------------------------------------------------

    def _tell(self, event: AgentEvent) -> None:
        try:
            self._apply(self.core.step(event, time.monotonic_ns()))
        except Exception as error:  # an agent that beats but does not work would be the worst of all
            logger.critical("the worker has failed: %r", error, exc_info=error)
            self._fail(error)
            return
        if not self._flush_queued:
            self._flush_queued = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_queued = False
        self._apply(self.core.flush())
        if self.executors.changed:
            self.executors.changed = False
            self._send_beat()
        if self._tick_handle is None or self._tick_wait_ns > self._tick_least_ns:
            self._schedule_tick()
        if not self._prepared.is_set() and all(slot.ready for slot in self.core.slots):
            self._prepared.set()
        if self.core.connected and self._on_ready is not _nothing:
            ready, self._on_ready = self._on_ready, _nothing
            self._send_beat()
            ready()

    def _apply(self, effects: list[AgentEffect]) -> None:
        for effect in effects:
            if type(effect) is ToExecutor:
                self.executors.send(effect.slot, effect.message)
            elif type(effect) is ToMaster:
                if self.connection.link is not None:
                    self.connection.link.send(encode(effect.message))
            elif type(effect) is Revoke:
                self.executors.revoke(effect.slot, effect.first, effect.last)
            elif type(effect) is StartExecutor:
                self.executors.start(effect.slot)
            elif type(effect) is EndExecutor:
                self.executors.end(effect.slot)
            elif type(effect) is LeaveCluster:
                asyncio.get_running_loop().call_soon(self._end)

    def _schedule_tick(self) -> None:
        wait_ns = self.core.next_look_ns()
        if wait_ns is None or (self._tick_handle is not None and wait_ns >= self._tick_wait_ns):
            return
        if self._tick_handle is not None:  # something that must be looked at sooner has come
            self._tick_handle.cancel()
        self._tick_wait_ns = wait_ns
        self._tick_handle = asyncio.get_running_loop().call_later(wait_ns / 1e9, self._tick)

    def _tick(self) -> None:
        self._tick_handle = None
        for slot in self.core.busy_slots:
            self.executors.look(slot.number)
        self._tell(Ticked())

    # --- the master ------------------------------------------------------------------------------

    def on_welcome(self, welcome: Welcome) -> None:
        """The master has let us in: what is not recorded goes out again, then what is held."""
        self._tell(Assigned(welcome))

    def on_message(self, message: object) -> None:
        """Attempts, and what to do with them."""
        if type(message) is Pong:
            self.gauges.beat_answered()
        else:
            self._tell(Assigned(message))  # type: ignore[arg-type]  # the decoder admits nothing else

    def on_away(self, reason: str) -> None:
        """The master is away: the executors go on."""
        self.core.disconnected()

    def on_refused(self, error: Refused) -> None:
        """No master wants us."""
        self._fail(error)

    def is_patient(self, away_s: float) -> bool:
        """A worker waits for its master as long as it lives."""
        return True

    # --- the machine -----------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.plan.settings.beat_s)
            self.gauges.sample_load([os.getpid(), *self.executors.pids])
            self._send_beat()

    def _send_beat(self) -> None:
        link = self.connection.link
        if link is None:
            return
        available, fraction = self.gauges.memory()
        beat = Beat(
            load=self.gauges.load,
            memory_free_bytes=available,
            pressed=fraction >= self.plan.settings.memory_fraction_pause,
            stalled=self.core.stalled,
            executors=self.executors.pids,
            round_trip_ns=self.gauges.round_trip_ns,
        )
        self.gauges.beat_sent()
        link.send(encode(beat))

    async def _weigh(self) -> None:
        """Watches memory while anything runs."""
        while True:
            await asyncio.sleep(self.plan.settings.memory_check_s)
            if not self.core.busy_slots:
                continue
            _, fraction = self.gauges.memory()
            limited = any(
                attempt.spec.memory_bytes for slot in self.core.busy_slots for attempt in slot.running()
            )
            if limited or fraction >= self.plan.settings.memory_fraction_kill:
                self._tell(MemorySampled(self.executors.resident_bytes(), fraction))


def _nothing() -> None:
    """Stands where a callback has been called already."""
