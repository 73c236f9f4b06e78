"""The agent's core: binds attempts to executors as late as it can, and gives back what is stuck.

An executor is sent as much as is measured to be a millisecond of work, an unknown function alone.
When a call outlives that, what stands behind it moves to another executor, or back to the master if
every executor is in such a call. Whatever ends is reported until the master has recorded it. The file is
longer than others because all events of an agent are handled in it; decisions about executors stand in
`dispatch`, those about time in `watch`.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from msgspec import Struct

from ganger.config import WorkerSettings
from ganger.core.costs import Cost
from ganger.core.dispatch import Dispatch
from ganger.core.ledger import Handlers
from ganger.core.reports import Reports
from ganger.core.slots import AgentSpec, Attempt, Ending, Slot
from ganger.core.verdicts import crash_failure, ending_failure
from ganger.core.watch import Watch
from ganger.core.worker_effects import (
    AgentEffect,
    EndExecutor,
    LeaveCluster,
    StartExecutor,
    ToMaster,
)
from ganger.protocol.calls import EXIT, FAILURE, RETRYABLE, SKIPPED, STOPPED, SUCCESS, Finished
from ganger.protocol.messages import (
    Assign,
    Drain,
    Draining,
    Forget,
    Goodbye,
    Held,
    Pong,
    Recorded,
    Stop,
    Welcome,
)


class Assigned(Struct, gc=False):
    """The master said something."""

    message: Welcome | Assign | Stop | Forget | Recorded | Drain | Pong


class Collected(Struct, gc=False):
    """A look at an executor: what ended, and what it has started (index, monotonic ns)."""

    slot: int
    finished: list[Finished]
    started: int
    started_ns: int


class Revoked(Struct, gc=False):
    """The same look, right after a revocation of the calls up to `last` was written."""

    slot: int
    last: int
    finished: list[Finished]
    started: int
    started_ns: int


class ExecutorStarted(Struct, frozen=True):
    """An executor was forked."""

    slot: int
    pid: int


class ExecutorReady(Struct, frozen=True):
    """An executor is prepared."""

    slot: int


class ExecutorExited(Struct, frozen=True):
    """An executor has ended; its last results have been collected."""

    slot: int
    code: int
    peak_bytes: int


class Ticked(Struct, frozen=True):
    """Time has passed; the slots that were due have been looked at."""


class MemorySampled(Struct, frozen=True):
    """Memory in use by executor (bytes by slot), and by the machine (fraction)."""

    resident_bytes: dict[int, int]
    machine_fraction: float


class LeaveAsked(Struct, frozen=True):
    """Someone on this machine asks the worker to drain."""


AgentEvent: TypeAlias = (
    Assigned
    | Collected
    | Revoked
    | ExecutorStarted
    | ExecutorReady
    | ExecutorExited
    | Ticked
    | MemorySampled
    | LeaveAsked
)


class WorkerCore:
    """All decisions of one agent.

    Args:
        slots: How many executors it runs.
        gpus: How many GPUs it may hand out.
        settings: Limits and defaults.
    """

    def __init__(self, slots: int, gpus: int, settings: WorkerSettings) -> None:
        self.settings = settings
        self.slots = [Slot(number) for number in range(slots)]
        self.queue: deque[Attempt] = deque()
        self.specs: dict[int, AgentSpec] = {}
        self.functions: dict[bytes, bytes] = {}
        self.costs: dict[bytes, Cost] = {}
        self.reports = Reports(settings.report_bytes_max)
        self.effects: list[AgentEffect] = []
        self.draining = False
        self.now_ns = 0
        self.connected = False
        self.dispatch = Dispatch(self, gpus)
        self.watch = Watch(self)
        self._handlers: Handlers = {
            Assigned: self._on_master,
            Collected: self._on_collected,
            Revoked: self._on_revoked,
            ExecutorStarted: self._on_executor_started,
            ExecutorReady: self._on_executor_ready,
            ExecutorExited: self._on_executor_exited,
            Ticked: lambda _: self.watch.look(),
            MemorySampled: self.watch.look_at_memory,
            LeaveAsked: self._on_leave_asked,
        }
        self._from_master: Handlers = {
            Assign: self._on_assign,
            Stop: self._on_stop,
            Forget: self._on_forget,
            Recorded: self._on_recorded,
            Drain: self._on_drain,
            Welcome: self._on_welcome,
            Pong: lambda _: None,
        }

    # --- the shell's calls -----------------------------------------------------------------------

    def begin(self) -> list[AgentEffect]:
        """The first effects: every slot gets an executor."""
        for slot in self.slots:
            self.effects.append(StartExecutor(slot.number))
        return self._take_effects()

    def step(self, event: AgentEvent, now_ns: int) -> list[AgentEffect]:
        """Takes in one event."""
        self.now_ns = now_ns
        self._handlers[type(event)](event)
        return self._take_effects()

    def flush(self) -> list[AgentEffect]:
        """At the end of a batch of events: the report of what ended, if anything did."""
        self._report()
        self._leave_when_done()
        return self._take_effects()

    def _report(self) -> None:
        report = self.reports.close(self.stalled)
        if report is not None and self.connected:
            self.effects.append(ToMaster(report))

    def disconnected(self) -> None:
        """The master is away: go on computing, and keep the reports."""
        self.connected = False

    @property
    def stalled(self) -> int:
        """Slots that sit in a call longer than the prefetch budget."""
        return sum(slot.stalled for slot in self.slots)

    @property
    def busy_slots(self) -> list[Slot]:
        """Slots that the shell must look at on a tick."""
        return [slot for slot in self.slots if slot.out]

    def next_look_ns(self) -> int | None:
        """How long the shell may wait before the next tick, in nanoseconds; None while nothing is out."""
        return self.watch.next_look_ns()

    def _take_effects(self) -> list[AgentEffect]:
        effects, self.effects = self.effects, []
        return effects

    # --- from the master -------------------------------------------------------------------------

    def _on_master(self, event: Assigned) -> None:
        self._from_master[type(event.message)](event.message)

    def _on_welcome(self, _: Welcome) -> None:
        """(Re)connected: report what is not recorded yet, then say what is held."""
        self.connected = True
        self.reports.close(self.stalled)
        for report in self.reports.unrecorded():
            self.effects.append(ToMaster(report))
        held = [*self.queue, *(attempt for slot in self.slots for attempt in slot.out.values())]
        held = [attempt for attempt in held if not attempt.ended]
        started = [attempt.task for slot in self.slots for attempt in slot.running()]
        numbers = [attempt.number for attempt in held]
        self.effects.append(ToMaster(Held([attempt.task for attempt in held], numbers, started)))
        if self.draining:
            self.effects.append(ToMaster(Draining()))

    def _on_assign(self, assign: Assign) -> None:
        for function in assign.functions:
            self.functions[function.digest] = function.body
        for body in assign.specs:
            cost = self.costs.get(body.function)
            if cost is None:
                cost = self.costs[body.function] = Cost()
            self.specs[body.id] = AgentSpec(body, cost)
        push = self.queue.append
        for group in assign.groups:
            spec = self.specs[group.spec]
            alone = group.alone
            if group.attempts is None or group.inputs is None:
                for task, payload in zip(group.tasks, group.payloads, strict=True):
                    push(Attempt(task, 1, spec, payload, None, alone))
                continue
            columns = zip(group.tasks, group.attempts, group.payloads, group.inputs, strict=True)
            for task, number, payload, inputs in columns:
                push(Attempt(task, number, spec, payload, inputs or None, alone))
        if self.draining:
            self.return_queue()
        else:
            self.dispatch.feed()
            self.dispatch.return_stuck()

    def _on_stop(self, stop: Stop) -> None:
        unwanted = set(stop.tasks)
        self.queue = deque(attempt for attempt in self.queue if attempt.task not in unwanted)
        for slot in self.slots:
            hit = [attempt for attempt in slot.out.values() if attempt.task in unwanted]
            for attempt in hit:
                attempt.cancelled = True
            if hit and slot.ending is None:
                self._stop_running(slot)
        self.dispatch.feed()

    def _stop_running(self, slot: Slot) -> None:
        """Of the cancelled calls of an executor, coroutines end alone, a running call with its executor."""
        if not self._end_cancelled(slot):
            self.dispatch.revoke(slot)

    def _end_cancelled(self, slot: Slot) -> bool:
        """Ends the cancelled calls that run. Returns whether there were any."""
        running = [attempt for attempt in slot.running() if attempt.cancelled]
        for attempt in running:
            ending = Ending("stopped", attempt, "cancelled")
            if attempt.spec.concurrency > 1:
                self.watch.cancel_call(slot, attempt, ending)
            else:
                self.end_executor(slot, ending)
        return bool(running)

    def _on_forget(self, forget: Forget) -> None:
        for spec in forget.specs:
            self.specs.pop(spec, None)
        for function in forget.functions:
            self.functions.pop(function, None)
            self.costs.pop(function, None)

    def _on_recorded(self, recorded: Recorded) -> None:
        self.reports.recorded(recorded.report)

    def _on_drain(self, _: Drain) -> None:
        self.draining = True
        for slot in self.slots:
            self.dispatch.revoke(slot)
        self.return_queue()

    def _on_leave_asked(self, _: LeaveAsked) -> None:
        if not self.draining and self.connected:
            self.effects.append(ToMaster(Draining()))
        self._on_drain(Drain())

    def return_queue(self) -> None:
        """Everything that waits here goes back to the master, uncharged."""
        while self.queue:
            attempt = self.queue.popleft()
            if not attempt.ended and not attempt.cancelled:
                self.reports.returned(attempt)

    def _leave_when_done(self) -> None:
        if self.draining and not any(slot.out for slot in self.slots) and self.reports.all_recorded:
            self.effects.append(ToMaster(Goodbye()))
            self.effects.append(LeaveCluster())

    # --- from executors --------------------------------------------------------------------------

    def _on_collected(self, event: Collected) -> None:
        slot = self.slots[event.slot]
        slot.started, slot.started_ns = event.started, event.started_ns
        if event.finished:
            self._take_in(slot, event.finished)
            if self.draining:
                self.return_queue()
            else:
                self.dispatch.feed()

    def _on_revoked(self, event: Revoked) -> None:
        """The executor passes over what it has not started by now: that moves."""
        slot = self.slots[event.slot]
        slot.started, slot.started_ns = event.started, event.started_ns
        if event.finished:
            self._take_in(slot, event.finished)
        self.dispatch.take_back(slot, event.last)
        if slot.ending is None:
            self._end_cancelled(slot)
        if self.draining:
            self.return_queue()
        else:
            self.dispatch.feed()
            self.dispatch.return_stuck()

    def _take_in(self, slot: Slot, finished: list[Finished]) -> None:
        """Results of one executor: the hot loop."""
        pop = slot.out.pop
        spec: AgentSpec | None = None
        tasks: list[int] = []
        payloads: list[bytes] = []
        total_ns = 0
        slot.stalled = False
        for index, kind, elapsed_ns, payload in finished:
            if kind == SKIPPED:
                self.dispatch.skipped(slot, index)
                continue
            attempt = pop(index, None)
            if attempt is None:
                attempt = self._recall(slot, index)
            if attempt is None:
                continue
            if attempt.ended:
                slot.count(attempt.spec, -1)
                continue
            attempt.ended = True
            if kind != SUCCESS or attempt.cancelled:
                slot.count(attempt.spec, -1)
                self._on_unsuccessful(attempt, kind, payload)
                continue
            if attempt.spec is not spec:
                if spec is not None:
                    slot.count(spec, -len(tasks))
                    self.reports.done(spec, tasks, payloads, total_ns)
                spec, tasks, payloads, total_ns = attempt.spec, [], [], 0
            tasks.append(attempt.task)
            payloads.append(payload)
            total_ns += elapsed_ns
        if spec is not None:
            slot.count(spec, -len(tasks))
            self.reports.done(spec, tasks, payloads, total_ns)
        if self.reports.full:
            self._report()
        slot.calls += len(finished)
        self._retire(slot)

    def _recall(self, slot: Slot, index: int) -> Attempt | None:
        """A call that was taken back and ran all the same."""
        attempt = slot.taken_back.pop(index, None)
        if attempt is not None:
            slot.count(attempt.spec, 1)
        return attempt

    def _on_unsuccessful(self, attempt: Attempt, kind: int, payload: bytes) -> None:
        if attempt.cancelled:
            return
        if kind == STOPPED and attempt.ending is not None:
            self.reports.failure(ending_failure(attempt, attempt.ending))
            return
        names = {FAILURE: "exception", RETRYABLE: "exception", EXIT: "crash", STOPPED: "exception"}
        self.reports.failed(attempt, names[kind], kind == RETRYABLE, payload)

    def _retire(self, slot: Slot) -> None:
        """An executor that has made its number of calls is replaced."""
        limit = self.settings.executor_tasks_max
        if limit and slot.calls >= limit and not slot.out and slot.ending is None:
            self.end_executor(slot, Ending("retired", None, ""))

    def _on_executor_started(self, event: ExecutorStarted) -> None:
        self.slots[event.slot].pid = event.pid

    def _on_executor_ready(self, event: ExecutorReady) -> None:
        self.slots[event.slot].ready = True
        self.dispatch.feed()

    def _on_executor_exited(self, event: ExecutorExited) -> None:
        """What had started is charged; what had not goes back to the queue, uncharged."""
        slot = self.slots[event.slot]
        ending = slot.ending
        started = slot.running()
        self.dispatch.take_back(slot, slot.sent)
        for attempt in started:
            if attempt.ended or attempt.cancelled:
                continue
            if ending is None:
                self.reports.failure(crash_failure(attempt, event.code, event.peak_bytes))
            elif ending.attempt is attempt:
                self.reports.failure(ending_failure(attempt, ending))
            elif attempt.ending is not None:
                self.reports.failure(ending_failure(attempt, attempt.ending))
            elif attempt.spec.body.options.repeatable:
                self.queue.appendleft(attempt)
                continue
            else:
                self.reports.failure(crash_failure(attempt, event.code, event.peak_bytes))
            attempt.ended = True
        self.dispatch.release_devices(slot)
        slot.renew()
        self.effects.append(StartExecutor(slot.number))
        if self.draining:
            self.return_queue()
        self.dispatch.feed()
        self.dispatch.return_stuck()

    def end_executor(self, slot: Slot, ending: Ending) -> None:
        """Has an executor killed, on account of one attempt."""
        if slot.ending is None:
            slot.ending = ending
            self.effects.append(EndExecutor(slot.number))
