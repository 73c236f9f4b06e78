"""An agent's core among executors that run nothing: each call starts and ends when a test says so.

A fake executor obeys the ring's contract: it publishes the call that it starts, says of a revoked call that it has
skipped it, and runs what it had started before. After every step the invariants of the agent are checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ganger.config import WorkerSettings
from ganger.core.invariants import agent_violations
from ganger.core.worker import (
    AgentEvent,
    Assigned,
    Collected,
    ExecutorExited,
    ExecutorReady,
    ExecutorStarted,
    LeaveAsked,
    MemorySampled,
    Revoked,
    Ticked,
    WorkerCore,
)
from ganger.core.worker_effects import (
    AgentEffect,
    EndExecutor,
    LeaveCluster,
    Revoke,
    StartExecutor,
    ToExecutor,
    ToMaster,
)
from ganger.protocol import messages as m
from ganger.protocol.calls import FAILURE, RETRYABLE, SKIPPED, STOPPED, SUCCESS, Finished
from ganger.protocol.codec import decode_from_worker, decode_to_executor, decode_to_worker, encode
from ganger.protocol.executor_messages import CancelCall, Learn, Run
from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions

T = TypeVar("T")
MS_NS = 1_000_000
US_NS = 1_000
RUNTIME = m.Runtime("3.11.7", "0.1.0", "host-of-the-master", 1)


class FakeExecutor:
    """One executor: calls by index, as they came.

    Attributes:
        waiting: Calls that it has not started.
        running: Calls that it has started and not finished.
        finished: Ends that the agent has not collected.
        asked_to_end: The agent wants it killed.
        cancelled: Indices of coroutines that it was asked to cancel.
        devices: What its calls may see, by index.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, bytes] = {}
        self.running: dict[int, bytes] = {}
        self.finished: list[Finished] = []
        self.inputs: dict[int, list[bytes]] = {}
        self.devices: dict[int, str | None] = {}
        self.revoked: tuple[int, int] = (1, 0)
        self.specs: set[int] = set()
        self.functions: set[bytes] = set()
        self.cancelled: list[int] = []
        self.last = 0
        self.started = 0
        self.started_ns = 0
        self.asked_to_end = False

    def take(self, message: object) -> None:
        """A message from the agent."""
        if isinstance(message, Learn):
            self.functions |= {function.digest for function in message.functions}
            assert all(spec.function in self.functions for spec in message.specs)
            self.specs |= {spec.id for spec in message.specs}
        elif isinstance(message, Run):
            self._take_calls(message)
        else:
            assert isinstance(message, CancelCall), f"an executor was told {message}"
            self.cancelled.append(message.index)

    def _take_calls(self, run: Run) -> None:
        assert run.spec in self.specs, "a spec was not taught before its use"
        assert run.first == self.last + 1, "indices grow by one with each call"
        inputs = run.inputs or [[] for _ in run.payloads]
        for payload, taken in zip(run.payloads, inputs, strict=True):
            self.last += 1
            self.waiting[self.last] = payload
            self.inputs[self.last] = taken
            self.devices[self.last] = run.devices

    @property
    def tasks(self) -> list[int]:
        """The tasks that it would still run, those that run first."""
        first, last = self.revoked
        kept = [payload for index, payload in self.waiting.items() if not first <= index <= last]
        return [int(payload) for payload in [*self.running.values(), *kept]]

    def index_of(self, task: int) -> int:
        """The index of a call."""
        for index, payload in [*self.running.items(), *self.waiting.items()]:
            if int(payload) == task:
                return index
        raise AssertionError(f"task {task} is not here")


class AgentEnvironment:
    """An agent's core, welcomed by its master, with executors that are ready.

    Args:
        slots: Executors.
        gpus: Devices.
        limits: `WorkerSettings` that differ from the defaults.

    Attributes:
        done, failed, returned: What was reported, by task id.
        mail: What else the master was told; a test takes what it expects.
        left: The worker has left.
    """

    def __init__(self, slots: int = 1, gpus: int = 0, **limits: object) -> None:
        self.core = WorkerCore(slots, gpus, WorkerSettings(**limits))  # type: ignore[arg-type]
        self.now_ns = 1_000_000 * MS_NS
        self.executors: dict[int, FakeExecutor] = {}
        self.reports: list[m.Report] = []
        self.done: dict[int, bytes] = {}
        self.failed: dict[int, m.Failure] = {}
        self.returned: list[int] = []
        self.mail: list[object] = []
        self.left = False
        self.specs: dict[str, int] = {}
        self._apply(self.core.begin())
        for number in range(slots):
            self.ready(number)
        self.hear(m.Welcome(1, b"", RUNTIME, lease_s=5.0))
        self.take(m.Held)

    # --- the master ------------------------------------------------------------------------------

    def hear(self, message: object) -> None:
        """The master says something."""
        if isinstance(message, m.Welcome):
            self._forget_reported()
        self._tell(Assigned(decode_to_worker(encode(message))))  # type: ignore[arg-type]

    def _forget_reported(self) -> None:
        """What is not recorded is said again after a reconnect."""
        self.done, self.failed, self.returned = {}, {}, []

    def assign(
        self,
        *tasks: int,
        name: str = "work",
        number: int = 1,
        alone: bool = False,
        inputs: list[bytes] | None = None,
        **options: object,
    ) -> None:
        """The master gives attempts of one function; options count when the name is first used."""
        group, functions, specs = self.group(
            *tasks, name=name, number=number, alone=alone, inputs=inputs, **options
        )
        self.hear(m.Assign([group], functions, specs))

    def group(
        self,
        *tasks: int,
        name: str = "work",
        number: int = 1,
        alone: bool = False,
        inputs: list[bytes] | None = None,
        **options: object,
    ) -> tuple[m.AttemptGroup, list[FunctionBody], list[SpecBody]]:
        """A group for a message, with what must come before it."""
        functions, specs = [], []
        if name not in self.specs:
            self.specs[name] = len(self.specs) + 1
            body = SpecBody(self.specs[name], name.encode(), name, TaskOptions(**options))  # type: ignore[arg-type]
            functions, specs = [FunctionBody(name.encode(), b"code")], [body]
        plain = number == 1 and inputs is None
        group = m.AttemptGroup(
            self.specs[name],
            list(tasks),
            [b"%d" % task for task in tasks],
            None if plain else [number] * len(tasks),
            None if plain else [inputs or [] for _ in tasks],
            alone,
        )
        return group, functions, specs

    def record(self) -> None:
        """The master has recorded every report so far."""
        if self.reports:
            self.hear(m.Recorded(self.reports[-1].number))

    def lose_master(self) -> None:
        """The connection breaks."""
        self.core.disconnected()

    def take(self, kind: type[T]) -> T:
        """The oldest message to the master that was not a report, which must be of this kind."""
        assert self.mail, f"the master was not told {kind.__name__}"
        message = self.mail.pop(0)
        assert isinstance(message, kind), f"the master was told {message}, not {kind.__name__}"
        return message

    # --- executors -------------------------------------------------------------------------------

    def ready(self, slot: int) -> None:
        """An executor is prepared."""
        self._tell(ExecutorStarted(slot, 1_000 + slot))
        self._tell(ExecutorReady(slot))

    def start(self, slot: int = 0) -> int | None:
        """The executor starts its next call that was not revoked; returns the task."""
        executor = self.executors[slot]
        first, last = executor.revoked
        while executor.waiting:
            index = next(iter(executor.waiting))
            payload = executor.waiting.pop(index)
            executor.started, executor.started_ns = index, self.now_ns
            if not first <= index <= last:
                executor.running[index] = payload
                return int(payload)
            executor.finished.append(Finished(index, SKIPPED, 0, b""))
        return None

    def end(
        self,
        slot: int = 0,
        task: int | None = None,
        *,
        kind: int = SUCCESS,
        elapsed_ns: int = 10 * US_NS,
        result: bytes | None = None,
    ) -> None:
        """A call that runs ends, the oldest unless it is named; the agent does not look yet."""
        executor = self.executors[slot]
        index = next(iter(executor.running)) if task is None else executor.index_of(task)
        payload = executor.running.pop(index)
        published = b"result of " + payload if result is None else result
        executor.finished.append(Finished(index, kind, elapsed_ns, published))

    def fail(self, slot: int = 0, *, retryable: bool = False) -> None:
        """The call that runs raises, and the agent looks."""
        self.end(slot, kind=RETRYABLE if retryable else FAILURE, result=b"error")
        self.look(slot)

    def stop(self, slot: int, task: int) -> None:
        """A coroutine heeds its cancellation, and the agent looks."""
        self.end(slot, task, kind=STOPPED, result=b"stopped")
        self.look(slot)

    def work(self, slot: int = 0, *, calls: int = 1_000_000, elapsed_ns: int = 10 * US_NS) -> list[int]:
        """The executor runs what it has, up to so many calls, and the agent looks; returns the tasks."""
        ran = []
        while len(ran) < calls and (task := self.start(slot)) is not None:
            ran.append(task)
            self.end(slot, elapsed_ns=elapsed_ns)
        self.look(slot)
        return ran

    def teach_cost(self, name: str = "work", *, elapsed_ns: int, **options: object) -> None:
        """Lets the agent learn what a function costs."""
        self.assign(999_999, name=name, **options)
        self.work(elapsed_ns=elapsed_ns)
        assert self.done.pop(999_999)

    def look(self, slot: int = 0) -> None:
        """The agent looks at an executor."""
        executor = self.executors[slot]
        finished, executor.finished = executor.finished, []
        self._tell(Collected(slot, finished, executor.started, executor.started_ns))

    def exit(self, slot: int = 0, code: int = -9, peak_bytes: int = 0) -> None:
        """The executor's process ends; another is started and ready at once."""
        self.look(slot)
        dead = self.executors.pop(slot)
        self._tell(ExecutorExited(slot, code, peak_bytes))
        assert self.executors[slot] is not dead
        self.ready(slot)

    def tasks(self, slot: int = 0) -> list[int]:
        """What an executor would run, in order."""
        return self.executors[slot].tasks

    # --- time ------------------------------------------------------------------------------------

    def pass_ms(self, duration_ms: float) -> None:
        """Lets time pass; the agent looks whenever it wanted to."""
        until_ns = self.now_ns + int(duration_ms * MS_NS)
        while (wait_ns := self.core.next_look_ns()) is not None and self.now_ns + wait_ns <= until_ns:
            self.now_ns += wait_ns
            self.tick()
        self.now_ns = until_ns

    def tick(self) -> None:
        """The agent looks at every busy executor, and at the time."""
        for slot in [slot.number for slot in self.core.busy_slots]:
            self.look(slot)
        self._tell(Ticked())

    def sample_memory(self, resident_bytes: dict[int, int], machine_fraction: float = 0.5) -> None:
        """The agent looks at memory."""
        self._tell(MemorySampled(resident_bytes, machine_fraction))

    def ask_to_leave(self) -> None:
        """Somebody on the machine asks the worker to go."""
        self._tell(LeaveAsked())

    # --- effects ---------------------------------------------------------------------------------

    def step(self, *events: AgentEvent) -> None:
        """A batch of events."""
        for event in events:
            self._apply(self.core.step(event, self.now_ns))
            found = agent_violations(self.core)
            assert not found, "\n".join(found)
        self._apply(self.core.flush())

    def _tell(self, event: AgentEvent) -> None:
        self.step(event)

    def _apply(self, effects: Iterable[AgentEffect]) -> None:
        for effect in effects:
            match effect:
                case ToMaster():
                    self._on_said(decode_from_worker(encode(effect.message)))
                case ToExecutor():
                    self.executors[effect.slot].take(decode_to_executor(encode(effect.message)))
                case Revoke():
                    self._revoke(effect)
                case StartExecutor():
                    self.executors[effect.slot] = FakeExecutor()
                case EndExecutor():
                    self.executors[effect.slot].asked_to_end = True
                case LeaveCluster():
                    self.left = True

    def _revoke(self, effect: Revoke) -> None:
        """Writes what is revoked, then reads what has started, and tells at once, as the shell does."""
        executor = self.executors[effect.slot]
        executor.revoked = (effect.first, effect.last)
        finished, executor.finished = executor.finished, []
        event = Revoked(effect.slot, effect.last, finished, executor.started, executor.started_ns)
        self._apply(self.core.step(event, self.now_ns))

    def _on_said(self, message: object) -> None:
        assert self.core.connected, f"{message} was said to nobody"
        if not isinstance(message, m.Report):
            self.mail.append(message)
            return
        self.reports.append(message)
        for group in message.done:
            for task, payload in zip(group.tasks, group.payloads, strict=True):
                assert task not in self.done, f"the success of {task} was reported twice"
                self.done[task] = payload
        for failure in message.failed:
            assert failure.task not in self.failed, f"the failure of {failure.task} was reported twice"
            self.failed[failure.task] = failure
        self.returned += message.returned

    def finish(self) -> None:
        """Nothing unexpected was said."""
        assert not self.mail, f"the master was not expected to be told {self.mail}"
