"""The messages on the wire, by direction; a decoder exists only for what its side may receive.

Messages are columnar: one message carries many tasks as parallel lists, because the batch, not
the task, is the unit of work everywhere. Payloads are bytes that nobody but executors and clients
decodes. Structs that only hold data are left out of cyclic garbage collection (``gc=False``). The file is
longer than others because the whole vocabulary of the wire is read best in one place.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct, field

from ganger.protocol.options import FunctionBody, SpecBody

PROTOCOL_VERSION = 1
"""Grows with every change that an older peer could not read."""


# --- handshake -----------------------------------------------------------------------------------


class Challenge(Struct, array_like=True, tag="challenge", frozen=True):
    """Master → peer, first of all: prove that you know the secret by answering this nonce."""

    protocol: int
    nonce: bytes


class Runtime(Struct, array_like=True, frozen=True):
    """What a process runs on, compared at the handshake."""

    python: str
    ganger: str
    host: str
    pid: int


class WorkerOffer(Struct, array_like=True, frozen=True):
    """What a worker offers: its slots, its resources by name, and the kinds that it can execute."""

    name: str
    slots: int
    resources: dict[str, float]
    kinds: list[str]


class Hello(Struct, array_like=True, tag="hello", frozen=True):
    """Peer → master: who I am. A worker sends its offer, a client the id of its session."""

    protocol: int
    role: str
    runtime: Runtime
    nonce: bytes
    proof: bytes
    epoch_seen: int
    session: bytes = b""
    offer: WorkerOffer | None = None


class Welcome(Struct, array_like=True, tag="welcome", frozen=True):
    """Master → peer: you are in. `accepted` are the session's recorded sequence numbers, as intervals."""

    epoch: int
    proof: bytes
    runtime: Runtime
    session: int = 0
    accepted: list[tuple[int, int]] = field(default_factory=list)
    credit_tasks: int = 0
    credit_bytes: int = 0
    lease_s: float = 0.0
    payload_bytes_max: int = 0


class Refusal(Struct, array_like=True, tag="refusal", frozen=True):
    """Master → peer: you are not; the connection ends here. `kind` names the rule that refused."""

    kind: str
    reason: str
    hint: str


# --- client → master -----------------------------------------------------------------------------


class TaskGroup(Struct, array_like=True, gc=False):
    """Tasks of one spec with consecutive sequence numbers from `first`.

    `inputs`, where it is not None, names for each task the tasks whose results it takes.
    """

    spec: int
    first: int
    payloads: list[bytes]
    inputs: list[list[int]] | None = None


class Define(Struct, array_like=True, tag="define"):
    """Functions and specs that later groups name."""

    functions: list[FunctionBody]
    specs: list[SpecBody]


class Submit(Struct, array_like=True, tag="submit", gc=False):
    """Tasks, in order of their sequence numbers."""

    groups: list[TaskGroup]


class Release(Struct, array_like=True, tag="release"):
    """Results that the client needs no longer, as inclusive intervals of sequence numbers.

    `received_bytes` counts all result bytes that it has taken in on this connection.
    """

    intervals: list[tuple[int, int]]
    received_bytes: int


class Cancel(Struct, array_like=True, tag="cancel"):
    """End these tasks, wherever they are."""

    sequences: list[int]


class CancelTasks(Struct, array_like=True, tag="cancel_tasks"):
    """The same by task id, for tools; answered through `Answer` with the ids that it reached."""

    request: int
    tasks: list[int]


class Fetch(Struct, array_like=True, tag="fetch"):
    """Send the results of these tasks, which were only announced as kept."""

    sequences: list[int]


class Query(Struct, array_like=True, tag="query", frozen=True):
    """A read: `topic` is one of ``status``, ``workers``, ``tasks``, ``explain``; `limit` bounds the rows."""

    request: int
    topic: str
    argument: str = ""
    limit: int = 1000


class DrainWorkers(Struct, array_like=True, tag="drain_workers", frozen=True):
    """Let these workers finish what they run and leave."""

    request: int
    names: list[str]


class Ping(Struct, array_like=True, tag="ping", frozen=True):
    """I am here."""


class Goodbye(Struct, array_like=True, tag="goodbye", frozen=True):
    """I leave on purpose: close my session (client), or give up my lease (worker)."""


FromClient: TypeAlias = (
    Define | Submit | Release | Cancel | CancelTasks | Fetch | Query | DrainWorkers | Ping | Goodbye
)


# --- master → client -----------------------------------------------------------------------------


class Accepted(Struct, array_like=True, tag="accepted", frozen=True):
    """Everything up to and including `through` is recorded; you may send up to the credits."""

    through: int
    credit_tasks: int
    credit_bytes: int


class Rejected(Struct, array_like=True, tag="rejected"):
    """These sequence numbers were not accepted, and why."""

    first: int
    last: int
    kind: str
    reason: str
    hint: str


class Results(Struct, array_like=True, tag="results", gc=False):
    """Tasks that succeeded, with their payloads."""

    sequences: list[int]
    payloads: list[bytes]


class Failures(Struct, array_like=True, tag="failures"):
    """Tasks that failed. `origins` names the task whose failure it was, itself or one it depended on."""

    sequences: list[int]
    errors: list[bytes]
    origins: list[int]


class Kept(Struct, array_like=True, tag="kept"):
    """Tasks that succeeded; their results stay here until fetched or released."""

    sequences: list[int]


class Cancelled(Struct, array_like=True, tag="cancelled"):
    """Tasks that were cancelled."""

    sequences: list[int]


class Running(Struct, array_like=True, tag="running"):
    """Tasks that have been running for a while; short ones are never announced."""

    sequences: list[int]


class Notice(Struct, array_like=True, tag="notice", frozen=True):
    """A warning for the user, such as a task that no present worker can ever hold."""

    text: str
    hint: str


class Answer(Struct, array_like=True, tag="answer"):
    """The rows asked for by a `Query` (msgpack), or an error text."""

    request: int
    body: bytes
    error: str = ""


class Pong(Struct, array_like=True, tag="pong", frozen=True):
    """I am here, too."""


ToClient: TypeAlias = (
    Challenge
    | Welcome
    | Refusal
    | Accepted
    | Rejected
    | Results
    | Failures
    | Kept
    | Cancelled
    | Running
    | Notice
    | Answer
    | Pong
)


# --- master → worker -----------------------------------------------------------------------------


class AttemptGroup(Struct, array_like=True, gc=False):
    """Attempts of one spec. Columns that are None hold for each row: attempt 1, no inputs, together.

    Attributes:
        spec: The `SpecId`.
        tasks: Task ids.
        payloads: Pickled arguments.
        attempts: Attempt numbers.
        inputs: For each task the results that it takes, in the order of its payload's list.
        alone: Suspects: nothing else may share the executor.
    """

    spec: int
    tasks: list[int]
    payloads: list[bytes]
    attempts: list[int] | None = None
    inputs: list[list[bytes]] | None = None
    alone: bool = False


class Assign(Struct, array_like=True, tag="assign", gc=False):
    """Run these. Functions and specs that the worker has not seen come along, before their use."""

    groups: list[AttemptGroup]
    functions: list[FunctionBody]
    specs: list[SpecBody]


class Stop(Struct, array_like=True, tag="stop"):
    """End these attempts (cancelled)."""

    tasks: list[int]


class Forget(Struct, array_like=True, tag="forget"):
    """These specs and functions will not be named again."""

    specs: list[int]
    functions: list[bytes]


class Recorded(Struct, array_like=True, tag="recorded", frozen=True):
    """Every report up to and including this number is recorded; forget it."""

    report: int


class Drain(Struct, array_like=True, tag="drain", frozen=True):
    """Take no more, give back what has not started, leave when done."""


ToWorker: TypeAlias = Challenge | Welcome | Refusal | Assign | Stop | Forget | Recorded | Drain | Pong


# --- worker → master -----------------------------------------------------------------------------


class DoneGroup(Struct, array_like=True, gc=False):
    """Attempts of one spec that succeeded, and the time they took together in nanoseconds."""

    spec: int
    tasks: list[int]
    payloads: list[bytes]
    elapsed_ns: int


class Failure(Struct, array_like=True, gc=False):
    """One attempt that failed.

    Attributes:
        task: Task id.
        attempt: Its number.
        kind: ``exception``, ``timeout``, ``crash`` (its executor died under it), ``memory``, ``stopped``.
        retryable: Whether the task's own retry rule covers it.
        error: An encoded `ErrorInfo`.
    """

    task: int
    attempt: int
    kind: str
    retryable: bool
    error: bytes


class Report(Struct, array_like=True, tag="report", gc=False):
    """What happened to attempts, resent until `Recorded`.

    Attributes:
        number: Grows by one with each report of this worker's life.
        done: Successes.
        failed: Failures.
        returned: Attempts that never started, given back uncharged.
        stalled: How many slots sit in a call that has outlived the prefetch budget.
    """

    number: int
    done: list[DoneGroup]
    failed: list[Failure]
    returned: list[int]
    stalled: int


class Started(Struct, array_like=True, tag="started"):
    """Attempts that have been running for a while, or that run alone."""

    tasks: list[int]
    stalled: int


class Held(Struct, array_like=True, tag="held"):
    """After a (re)connection: everything I hold. What else you thought I had, I have not."""

    tasks: list[int]
    attempts: list[int]
    started: list[int]


class Beat(Struct, array_like=True, tag="beat", frozen=True):
    """A heartbeat with what placement weighs.

    Attributes:
        load: CPU in use on the machine by others than this worker, in cores.
        memory_free_bytes: Available memory.
        pressed: Whether the worker is under memory pressure and must get no more.
        stalled: As in `Report`.
        executors: The pids of its executors.
        round_trip_ns: The shortest of the latest times between a beat and its answer.
    """

    load: float
    memory_free_bytes: int
    pressed: bool
    stalled: int
    executors: list[int]
    round_trip_ns: int


class Draining(Struct, array_like=True, tag="draining", frozen=True):
    """I was asked (by a signal, on my machine) to leave: give me nothing more."""


FromWorker: TypeAlias = Report | Started | Held | Beat | Draining | Goodbye
FromPeer: TypeAlias = Hello
