"""The master's shell: opens the journal, recovers, listens, and turns the pump when there is cause."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, field

from ganger.config import JournalSettings, MasterSettings
from ganger.core.master import Master
from ganger.core.recovery import recover
from ganger.errors import JournalError
from ganger.master.compaction import Compaction
from ganger.master.connections import Connections
from ganger.master.gate import Gate
from ganger.master.journal import open_journal
from ganger.net.address import Endpoint, parse
from ganger.net.endpoints import listen
from ganger.net.reach import check_reach
from ganger.ports import Journal
from ganger.protocol.codec import decode_records, encode_records
from ganger.runtime.environment import SystemClock, runtime_of_this_process
from ganger.runtime.pump import Pump
from ganger.security.secret import read_or_make_secret
from ganger.storage.file_journal import FileJournal

logger = logging.getLogger("ganger.master")

IDLE_S = 0.25
"""Quiet time after which the journal is told that it may seal."""


class MasterPlan(Struct, frozen=True):
    """What a master process is told to be.

    Attributes:
        listen: Addresses; port 0 picks a free one.
        journal: The directory of the file journal, or empty for memory.
        insecure: Admit anyone over TCP, on any address.
    """

    listen: list[str]
    journal: str = ""
    insecure: bool = False
    settings: MasterSettings = field(default_factory=MasterSettings)
    journal_settings: JournalSettings = field(default_factory=JournalSettings)


def check_addresses(plan: MasterPlan) -> list[Endpoint]:
    """The endpoints to listen on.

    Raises:
        Refused: One of them can be reached from other machines, and `insecure` was not given.
    """
    endpoints = [endpoint for text in plan.listen for endpoint in parse(text)]
    hint = "listen on 127.0.0.1, or give --insecure if everyone on that network may run code here"
    check_reach(endpoints, insecure=plan.insecure, hint=hint)
    return endpoints


class MasterServer:
    """One mastership, from opening the journal to closing it.

    Args:
        plan: What to be.
    """

    def __init__(self, plan: MasterPlan) -> None:
        self.plan = plan
        self.clock = SystemClock()
        self.journal: Journal = open_journal(plan.journal, plan.journal_settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn_queued = False
        self._wake_handle: asyncio.TimerHandle | None = None
        self._wake_at_ns = 0
        self._servers: list[asyncio.Server] = []
        self._stopped = asyncio.Event()
        self._failure: BaseException | None = None
        self._quiet = True
        runtime = runtime_of_this_process()
        journal_name = plan.journal or "memory"
        self.core = Master(plan.settings, runtime, journal_name)
        secret = None if plan.insecure or not _has_tcp(plan) else read_or_make_secret()
        self.connections = Connections(plan.settings, Gate(secret, runtime.python), self._offer, logger.log)
        self.pump = Pump(
            self.core,
            self.journal,
            self.connections,
            self.clock,
            self,
            logger.log,
            plan.settings.batch_events_max,
        )

    async def run(self, on_ready: Callable[[list[str]], None]) -> None:
        """Serves until told to stop.

        Args:
            on_ready: Called with the actual addresses once they can be connected to.

        Raises:
            GangerError: The journal, an address, or a defect.
        """
        self._loop = asyncio.get_running_loop()
        endpoints = check_addresses(self.plan)
        self._recover()
        addresses = []
        for endpoint in endpoints:
            server, actual = await listen(endpoint, self.connections.make_link)
            self._servers.append(server)
            addresses.append(str(actual))
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        gc.collect()
        gc.freeze()
        gc.disable()
        on_ready(addresses)
        chores = [self._loop.create_task(self._seal_when_quiet())]
        if isinstance(self.journal, FileJournal):
            compaction = Compaction(self.journal, self.plan.journal_settings.snapshot_bytes)
            chores.append(self._loop.create_task(compaction.run()))
        try:
            await self._stopped.wait()
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self._close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Asks the master to end; what is acknowledged stays in the journal."""
        self._stopped.set()

    def _recover(self) -> None:
        batches = (decode_records(batch) for batch in self.journal.replay())
        epoch = recover(self.core, batches, self.clock.now())
        self.journal.start(epoch.epoch, encode_records([epoch]))

    async def _seal_when_quiet(self) -> None:
        """Tells the journal when nothing has happened for a while."""
        while self.journal.durable:
            await asyncio.sleep(IDLE_S)
            if self._quiet and self.pump.idle:
                self.journal.idle()
            self._quiet = True

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        self.connections.close_all()
        await asyncio.sleep(0)
        if self._failure is None:
            self.pump.flush()
        self.journal.close()
        for endpoint in check_addresses(self.plan):
            if endpoint.path:
                Path(endpoint.path).unlink(missing_ok=True)

    # --- turning the pump ------------------------------------------------------------------------

    def _offer(self, event: object) -> None:
        if self._stopped.is_set():
            return
        self.pump.offer(event)
        if not self._turn_queued:
            self._turn_queued = True
            self._running_loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_queued = False
        self._quiet = False
        try:
            self.pump.turn()
        except JournalError as error:
            self._fail(error)
        except Exception as error:  # half a step has changed the ledger: only a replay can be trusted now
            logger.critical("the master has failed: %r", error, exc_info=error)
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """A mastership that cannot go on acknowledges nothing more."""
        self._failure = error
        self._stopped.set()

    def wake_at(self, monotonic_ns: int) -> None:
        """The pump asks for a turn at this time."""
        now_ns = self.clock.now().monotonic_ns
        if monotonic_ns <= now_ns:
            if not self._turn_queued:
                self._turn_queued = True
                self._running_loop.call_soon(self._turn)
            return
        if self._wake_handle is not None:
            if now_ns < self._wake_at_ns <= monotonic_ns:
                return
            self._wake_handle.cancel()
        self._wake_at_ns = monotonic_ns
        self._wake_handle = self._running_loop.call_later((monotonic_ns - now_ns) / 1e9, self._on_wake)

    def _on_wake(self) -> None:
        self._wake_handle = None
        self._turn()

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop or asyncio.get_running_loop()


def _has_tcp(plan: MasterPlan) -> bool:
    return any(not endpoint.path for text in plan.listen for endpoint in parse(text))
