"""The host's loop: starts children, replaces workers that die, and ends everything in order.

It is single-threaded and has no event loop, so that it can fork at any time. It ends when its
lifeline (a pipe from whoever started it) closes, on SIGTERM or SIGINT, or when its master is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable

import msgspec

from ganger.host.children import Child, fork_child, master_body, worker_body
from ganger.host.plan import HostPlan, Status
from ganger.protocol.framing import FrameParser
from ganger.worker.agent import WorkerPlan

STATUS_BYTES_MAX = 1 << 20
HOPELESS = frozenset({"PreloadFailed", "Refused", "ConfigurationError"})
"""Errors of a worker that has never been ready, which trying again cannot mend."""


class Supervisor:
    """Runs a plan.

    Args:
        plan: What to run.
        lifeline: A descriptor whose end means that nobody wants this any more, or -1.
        say: Takes the status of the master, of each worker, and of the host itself.
    """

    def __init__(self, plan: HostPlan, lifeline: int, say: Callable[[Status], None]) -> None:
        self.plan = plan
        self.lifeline = lifeline
        self.say = say
        self.children: dict[int, Child] = {}
        self.workers: dict[str, WorkerPlan] = {}
        self.address = ""
        self._parsers: dict[int, FrameParser] = {}
        self._proved: set[str] = set()
        self._told = ""
        self._restarts: list[tuple[float, WorkerPlan]] = []
        self._generation = 0
        self._delay_s = plan.restart_delay_s
        self._signals = 0
        self._stopping = False
        self._failed = False

    def run(self) -> int:
        """Until the end. Returns the exit code: 0 if it was asked to end."""
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            self._start()
            while not self._stopping:
                self._wait()
        finally:
            self._stop()
        return 1 if self._failed else 0

    def _on_signal(self, *_: object) -> None:
        self._signals += 1
        self._stopping = True

    def _start(self) -> None:
        if self.plan.master is not None:
            self._adopt(fork_child("master", master_body(self.plan.master)))
            self.address = ",".join(self.plan.master.listen)
            if any(address.endswith(":0") for address in self.plan.master.listen):
                self.address = ""
        if self.address or self.plan.master is None:
            self._start_workers()

    def _start_workers(self) -> None:
        for plan in self.plan.workers:
            if plan.name not in self.workers:
                self._start_worker(plan)

    def _start_worker(self, plan: WorkerPlan) -> None:
        if not plan.join:
            plan = msgspec.structs.replace(plan, join=self.address)
        self.workers[plan.name] = plan
        self._adopt(fork_child(plan.name, worker_body(plan)))

    def _adopt(self, child: Child) -> None:
        self.children[child.pid] = child
        self._parsers[child.status] = FrameParser(STATUS_BYTES_MAX)

    # --- waiting ---------------------------------------------------------------------------------

    def _wait(self) -> None:
        watched = [self._wake_read, *(child.status for child in self.children.values() if child.status >= 0)]
        if self.lifeline >= 0:
            watched.append(self.lifeline)
        timeout_s = None
        if self._restarts:
            timeout_s = max(0.0, min(due for due, _ in self._restarts) - time.monotonic())
        readable, _, _ = select.select(watched, [], [], timeout_s)
        if self._wake_read in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        for child in list(self.children.values()):
            if child.status in readable:
                self._listen(child)
        self._reap()
        if self.lifeline in readable and not os.read(self.lifeline, 4096):
            self._stopping = True
        self._restart_due()

    def _listen(self, child: Child) -> None:
        try:
            data = os.read(child.status, STATUS_BYTES_MAX)
        except BlockingIOError:
            return
        if not data:
            os.close(child.status)
            child.status = -1
            return
        for body in self._parsers[child.status].feed(data):
            self._on_status(msgspec.msgpack.decode(body, type=Status))

    def _on_status(self, status: Status) -> None:
        if status.name == "master" and status.ready:
            self.address = ",".join(status.addresses)
            self.say(status)
            self._start_workers()
            return
        base = _base(status.name)
        if status.ready:
            self._proved.add(base)
            self._delay_s = self.plan.restart_delay_s
        elif status.error in HOPELESS and base not in self._proved:
            self.workers.pop(status.name, None)
            if not self.workers and not self._restarts:
                self._failed = self._stopping = True
        elif base in self._proved and status.message != self._told:
            self._told = status.message
            hint = f"\nhint: {status.hint}" if status.hint else ""
            sys.stderr.write(
                f"ganger: {status.name} has ended, another takes its place: {status.message}{hint}\n"
            )
        self.say(status)

    def _reap(self) -> None:
        while self.children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self.children.pop(pid, None)
            if child is not None:
                self._on_exit(child, os.waitstatus_to_exitcode(status))

    def _on_exit(self, child: Child, code: int) -> None:
        if child.status >= 0:
            self._listen(child)
        if child.status >= 0:
            os.close(child.status)
        if self._stopping:
            return
        if child.name == "master":
            self._failed = bool(code)
            self._stopping = True
            self.say(
                Status("host", False, error="MasterEnded", message=f"the master has ended (code {code})")
            )
            return
        plan = self.workers.pop(child.name, None)
        if plan is not None and code != 0:
            self._generation += 1
            replacement = msgspec.structs.replace(plan, name=f"{_base(plan.name)}~{self._generation}")
            self._restarts.append((time.monotonic() + self._delay_s, replacement))
            self._delay_s = min(self._delay_s * 2, self.plan.restart_delay_max_s)
        elif not self.workers and self.plan.master is None and not self._restarts:
            self._stopping = True

    def _restart_due(self) -> None:
        now_s = time.monotonic()
        due = [plan for at_s, plan in self._restarts if at_s <= now_s]
        self._restarts = [(at_s, plan) for at_s, plan in self._restarts if at_s > now_s]
        for plan in due:
            self._start_worker(plan)

    # --- the end ---------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Workers first, so that they can report, then the master; whoever does not heed is killed.

        A throw-away cluster has nothing to report to anyone: its master goes first. Nor have workers whose
        master is gone already.
        """
        self._stopping = True
        master = [child for child in self.children.values() if child.name == "master"]
        workers = [child for child in self.children.values() if child.name != "master"]
        if self.plan.folder or (self.plan.master is not None and not master):
            self._end(master, signal.SIGTERM)
            self._end(workers, signal.SIGKILL)
        else:
            self._end(workers, signal.SIGTERM)
            self._end(master, signal.SIGTERM)
        if self.plan.folder:
            shutil.rmtree(self.plan.folder, ignore_errors=True)

    def _end(self, children: list[Child], number: int) -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
        deadline_s = time.monotonic() + self.plan.stop_grace_s
        signals = self._signals
        while any(child.pid in self.children for child in children):
            if time.monotonic() > deadline_s or self._signals > max(signals, 1):
                for child in children:
                    if child.pid in self.children:
                        os.kill(child.pid, signal.SIGKILL)
                deadline_s = float("inf")
                signals = self._signals
            select.select([self._wake_read], [], [], 0.05)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            self._reap()


def _base(name: str) -> str:
    """A worker's name without the generation of its process."""
    return name.split("~", 1)[0]
