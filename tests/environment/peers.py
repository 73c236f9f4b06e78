"""A worker and a client that do only what a test tells them, and complain of what no master may say.

What a peer always gets (acknowledgements, credit, attempts, ends of tasks) it takes in at once; anything else
waits in `mail` until the test takes it, and mail that nobody took fails the test at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from ganger.protocol import messages as m
from ganger.protocol.codec import decode_from_client, decode_from_worker, encode
from ganger.protocol.ids import ConnectionId, SessionNo, TaskId, sequence_of, session_of, task_id
from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions

if TYPE_CHECKING:
    from tests.environment.cluster import Environment

T = TypeVar("T")
MS_NS = 1_000_000


class Peer:
    """One end of a connection to the master under test."""

    decode: object

    def __init__(self, environment: Environment, name: str) -> None:
        self.environment = environment
        self.name = name
        self.connection = ConnectionId(0)
        self.mail: list[object] = []
        self.pongs = 0

    @property
    def connected(self) -> bool:
        """Whether its connection stands, as far as it knows."""
        return self.connection in self.environment.transport.open

    def hello(self) -> m.Hello:
        raise AssertionError("a peer says who it is")

    def say(self, message: object) -> None:
        """Queues a message for the master's next turn, by way of the codec."""
        decode = decode_from_worker if isinstance(self, FakeWorker) else decode_from_client
        self.environment.receive(self.connection, decode(encode(message)))

    def take(self, kind: type[T]) -> T:
        """The oldest message, which must be of this kind."""
        self.environment.run()
        assert self.mail, f"{self.name} has no {kind.__name__}"
        message = self.mail.pop(0)
        assert isinstance(message, kind), f"{self.name} has {message}, not a {kind.__name__}"
        return message

    def connect(self, *, local: bool = False) -> None:
        """Says hello on a new connection; what was to be read on an old one is lost."""
        self.connection = self.environment.connect(self, self.hello(), local=local)

    def disconnect(self) -> None:
        """The connection breaks, and the master notices."""
        self.environment.disconnect(self.connection)
        self.connection = ConnectionId(0)

    def absorb(self, messages: Iterable[object]) -> None:
        """Takes in what has arrived."""
        for message in messages:
            handler = getattr(self, f"on_{type(message).__name__.lower()}", None)
            if handler is None:
                self.mail.append(message)
            else:
                handler(message)

    def on_pong(self, _: m.Pong) -> None:
        self.pongs += 1


class FakeWorker(Peer):
    """A worker without executors.

    Attributes:
        holds: Attempt numbers by task of what it was given and has not reported.
        groups: Every attempt group that it was given.
        unrecorded: Reports that the master has not acknowledged.
    """

    def __init__(
        self, environment: Environment, name: str, slots: int, resources: dict[str, float], pid: int
    ) -> None:
        super().__init__(environment, name)
        self.offer = m.WorkerOffer(name, slots, resources, ["python"])
        self.pid = pid
        self.holds: dict[int, int] = {}
        self.inputs: dict[int, list[bytes]] = {}
        self.groups: list[m.AttemptGroup] = []
        self.specs: dict[int, SpecBody] = {}
        self.functions: dict[bytes, bytes] = {}
        self.unrecorded: list[m.Report] = []
        self.reports = 0
        self.stalled = 0
        self.epoch = 0

    # --- what it says ----------------------------------------------------------------------------

    def hello(self) -> m.Hello:
        runtime = m.Runtime("3.11.7", "0.1.0", f"host-of-{self.name}", self.pid)
        return m.Hello(m.PROTOCOL_VERSION, "worker", runtime, b"n" * 16, b"", self.epoch, offer=self.offer)

    def join(self, *, local: bool = False, started: Iterable[int] = ()) -> None:
        """Connects and says what it holds, as an agent does: unrecorded reports first."""
        self.connect(local=local)
        for report in self.unrecorded:
            self.say(report)
        self.say(m.Held(list(self.holds), list(self.holds.values()), list(started)))
        self.environment.run()

    def restart(self) -> None:
        """Its process dies and another takes its name: it holds nothing and counts its reports anew."""
        if self.connected:
            self.disconnect()
        self.pid += 1
        self.epoch = 0
        self.holds.clear()
        self.specs.clear()
        self.functions.clear()
        self.unrecorded.clear()
        self.reports = 0

    def report(
        self,
        done: dict[int, bytes] | None = None,
        failed: Iterable[m.Failure] = (),
        returned: Iterable[int] = (),
        elapsed_ns: int = MS_NS,
    ) -> None:
        """Reports ends; `elapsed_ns` is the time of each success."""
        groups: dict[int, list[int]] = {}
        for task in done or ():
            groups.setdefault(self._spec_of(task), []).append(task)
        columns = [
            m.DoneGroup(spec, tasks, [(done or {})[task] for task in tasks], elapsed_ns * len(tasks))
            for spec, tasks in groups.items()
        ]
        self.reports += 1
        failures, back = list(failed), list(returned)
        report = m.Report(self.reports, columns, failures, back, self.stalled)
        for task in [*(done or ()), *(failure.task for failure in failures), *back]:
            self.holds.pop(task, None)
        self.unrecorded.append(report)
        if self.connected:
            self.say(report)
            self.environment.run()

    def succeed(self, *tasks: int, result: bytes = b"result", elapsed_ns: int = MS_NS) -> None:
        """These ran and returned."""
        self.report(dict.fromkeys(tasks, result), elapsed_ns=elapsed_ns)

    def succeed_all(self, elapsed_ns: int = MS_NS) -> list[int]:
        """Everything that it holds ran and returned."""
        tasks = list(self.holds)
        self.report({task: b"r%d" % sequence_of(TaskId(task)) for task in tasks}, elapsed_ns=elapsed_ns)
        return tasks

    def fail(
        self, *tasks: int, kind: str = "exception", retryable: bool = True, error: bytes = b"error"
    ) -> None:
        """These ran and did not return."""
        self.report(failed=[m.Failure(task, self.holds[task], kind, retryable, error) for task in tasks])

    def crash(self, *tasks: int) -> None:
        """The executors of these died under them."""
        self.fail(*tasks, kind="crash", retryable=False, error=b"crashed")

    def give_back(self, *tasks: int) -> None:
        """These never started."""
        self.report(returned=tasks)

    def start(self, *tasks: int) -> None:
        """These have been running for a while."""
        self.say(m.Started(list(tasks), self.stalled))
        self.environment.run()

    def beat(
        self, *, load: float = 0.0, pressed: bool = False, stalled: int = 0, round_trip_ns: int = 0
    ) -> None:
        """A heartbeat."""
        self.stalled = stalled
        self.say(m.Beat(load, 1 << 30, pressed, stalled, [self.pid], round_trip_ns))
        self.environment.run()

    # --- what it hears ---------------------------------------------------------------------------

    def on_welcome(self, welcome: m.Welcome) -> None:
        assert welcome.epoch >= self.epoch, f"{self.name} was welcomed by a master of the past"
        assert welcome.lease_s > 0
        self.epoch = welcome.epoch
        self.specs.clear()
        self.functions.clear()

    def on_recorded(self, recorded: m.Recorded) -> None:
        self.unrecorded = [report for report in self.unrecorded if report.number > recorded.report]

    def on_assign(self, assign: m.Assign) -> None:
        for function in assign.functions:
            assert function.digest not in self.functions, f"{self.name} was taught a function twice"
            self.functions[function.digest] = function.body
        for spec in assign.specs:
            assert spec.id not in self.specs, f"{self.name} was taught a spec twice"
            self.specs[spec.id] = spec
        for group in assign.groups:
            self._take_in(group)

    def _take_in(self, group: m.AttemptGroup) -> None:
        assert group.tasks, "an empty group"
        assert len(group.tasks) == len(group.payloads)
        assert self.specs[group.spec].function in self.functions, "a function was not taught before its use"
        numbers = group.attempts or [1] * len(group.tasks)
        inputs = group.inputs or [[] for _ in group.tasks]
        for task, number, taken in zip(group.tasks, numbers, inputs, strict=True):
            self.holds[task] = number
            self.inputs[task] = taken
            self.environment.note_start(self, task, number, self.specs[group.spec].options)
        self.groups.append(group)

    def on_forget(self, forget: m.Forget) -> None:
        for spec in forget.specs:
            del self.specs[spec]
        for function in forget.functions:
            self.functions.pop(function, None)

    def take_stop(self) -> list[int]:
        """The tasks of the next `Stop`; it obeys."""
        tasks = self.take(m.Stop).tasks
        for task in tasks:
            self.holds.pop(task, None)
        return tasks

    def _spec_of(self, task: int) -> int:
        for group in reversed(self.groups):
            if task in group.tasks:
                return group.spec
        raise AssertionError(f"{self.name} was never given {task}")


class FakeClient(Peer):
    """A client that numbers its own calls.

    Attributes:
        results, errors, origins, cancelled, kept: What it was told of the ends of its tasks, by task id.
        credit_tasks, credit_bytes: How far it may go.
    """

    def __init__(self, environment: Environment, name: str) -> None:
        super().__init__(environment, name)
        self.key = name.encode().ljust(16, b"-")
        self.session = SessionNo(0)
        self.accepted: list[tuple[int, int]] = []
        self.through = -1
        self.received_bytes = 0
        self.next_sequence = 0
        self.next_spec = 0
        self.results: dict[int, bytes] = {}
        self.errors: dict[int, bytes] = {}
        self.origins: dict[int, int] = {}
        self.cancelled: set[int] = set()
        self.kept: set[int] = set()
        self.running: set[int] = set()
        self.credit_tasks = 0
        self.credit_bytes = 0

    # --- what it says ----------------------------------------------------------------------------

    def hello(self) -> m.Hello:
        runtime = m.Runtime("3.11.7", "0.1.0", f"host-of-{self.name}", 1)
        return m.Hello(m.PROTOCOL_VERSION, "client", runtime, b"n" * 16, b"", 0, session=self.key)

    def join(self) -> None:
        """Connects."""
        self.connect()
        self.environment.run()

    def define(self, name: str = "work", function: bytes = b"", **options: object) -> int:
        """A function with options; returns its number."""
        self.next_spec += 1
        digest = (function or name.encode()).ljust(16, b"\0")
        body = SpecBody(self.next_spec, digest, name, TaskOptions(**options))  # type: ignore[arg-type]
        self.say(m.Define([FunctionBody(digest, b"code of " + name.encode())], [body]))
        return self.next_spec

    def submit(
        self,
        spec: int,
        count: int = 1,
        *,
        inputs: list[list[int]] | None = None,
        payload: bytes = b"arguments",
    ) -> list[int]:
        """Submits calls in one group; returns their task ids."""
        group = self.group(spec, count, inputs=inputs, payload=payload)
        self.say(m.Submit([group]))
        self.environment.run()
        return self.ids_of(group)

    def group(
        self,
        spec: int,
        count: int = 1,
        *,
        inputs: list[list[int]] | None = None,
        payload: bytes = b"arguments",
    ) -> m.TaskGroup:
        """Numbers calls; they can be submitted in any message."""
        first = self.next_sequence
        self.next_sequence += count
        return m.TaskGroup(spec, first, [payload] * count, inputs)

    def ids_of(self, group: m.TaskGroup) -> list[int]:
        """The task ids of a group."""
        return [self.task(group.first + offset) for offset in range(len(group.payloads))]

    def task(self, sequence: int) -> int:
        """The id of the task with this sequence number."""
        return task_id(self.session, sequence)

    def release(self, *tasks: int) -> None:
        """Lets go of results."""
        self.say(self.release_of(*tasks))
        self.environment.run()

    def release_of(self, *tasks: int) -> m.Release:
        """The message that lets go of results."""
        sequences = [sequence_of(TaskId(task)) for task in tasks]
        return m.Release([(sequence, sequence) for sequence in sequences], self.received_bytes)

    def cancel(self, *tasks: int) -> None:
        """Ends tasks."""
        self.say(m.Cancel([sequence_of(TaskId(task)) for task in tasks]))
        self.environment.run()

    def fetch(self, *tasks: int) -> None:
        """Asks for kept results."""
        self.say(m.Fetch([sequence_of(TaskId(task)) for task in tasks]))
        self.environment.run()

    def ping(self) -> None:
        """A sign of life."""
        self.say(m.Ping())
        self.environment.run()

    def goodbye(self) -> None:
        """Leaves on purpose."""
        self.say(m.Goodbye())
        self.environment.run()

    # --- what it hears ---------------------------------------------------------------------------

    def on_welcome(self, welcome: m.Welcome) -> None:
        assert welcome.session > 0
        self.session = SessionNo(welcome.session)
        self.received_bytes = 0
        self.accepted = welcome.accepted
        self.credit_tasks, self.credit_bytes = welcome.credit_tasks, welcome.credit_bytes

    def on_accepted(self, accepted: m.Accepted) -> None:
        self.through = max(self.through, accepted.through)
        self.credit_tasks = max(self.credit_tasks, accepted.credit_tasks)
        self.credit_bytes = max(self.credit_bytes, accepted.credit_bytes)

    def on_results(self, results: m.Results) -> None:
        self.received_bytes += sum(map(len, results.payloads))
        for sequence, payload in zip(results.sequences, results.payloads, strict=True):
            task = self.task(sequence)
            assert self.results.setdefault(task, payload) == payload, f"the result of {sequence} changed"
            assert task not in self.errors, f"{sequence} failed and succeeded"
            assert task not in self.cancelled, f"{sequence} was cancelled and succeeded"

    def on_failures(self, failures: m.Failures) -> None:
        columns = zip(failures.sequences, failures.errors, failures.origins, strict=True)
        for sequence, error, origin in columns:
            task = self.task(sequence)
            assert task not in self.results, f"{sequence} succeeded and failed"
            assert self.errors.setdefault(task, error) == error, f"the error of {sequence} changed"
            assert session_of(TaskId(origin)) == self.session
            self.origins[task] = origin

    def on_cancelled(self, cancelled: m.Cancelled) -> None:
        for sequence in cancelled.sequences:
            assert self.task(sequence) not in self.results, f"{sequence} succeeded and was cancelled"
            self.cancelled.add(self.task(sequence))

    def on_kept(self, kept: m.Kept) -> None:
        self.kept.update(map(self.task, kept.sequences))

    def on_running(self, running: m.Running) -> None:
        self.running.update(map(self.task, running.sequences))

    @property
    def ended(self) -> set[int]:
        """Tasks of whose end it knows."""
        return {*self.results, *self.errors, *self.cancelled, *self.kept}
