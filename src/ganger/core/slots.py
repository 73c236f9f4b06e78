"""What an agent knows of its executors and the attempts that it holds. Data and arithmetic, no decisions."""

from __future__ import annotations

from msgspec import Struct

from ganger.core.costs import Cost
from ganger.protocol.options import SpecBody


class AgentSpec:
    """A spec as an agent uses it.

    Attributes:
        cost: The run time of its function, as measured here.
        together: Whether its calls may stand behind each other in one executor.
        timeout_ns, memory_bytes: Limits of one attempt; 0 for none.
        gpus: Devices that one attempt takes.
    """

    __slots__ = (
        "body",
        "concurrency",
        "cost",
        "gpus",
        "id",
        "memory_bytes",
        "name",
        "timeout_ns",
        "together",
    )

    def __init__(self, body: SpecBody, cost: Cost) -> None:
        options = body.options
        self.body = body
        self.id = body.id
        self.name = body.name
        self.cost = cost
        self.concurrency = options.concurrency
        self.timeout_ns = int(options.timeout_s * 1e9)
        self.memory_bytes = int(options.resources.get("memory", 0))
        self.gpus = int(options.resources.get("gpu", 0))
        exclusive = self.timeout_ns or self.memory_bytes or self.gpus or not options.repeatable
        self.together = not exclusive and options.concurrency == 1


class Ending(Struct, frozen=True):
    """Why an executor is being ended on purpose: on account of which attempt."""

    kind: str
    attempt: object | None
    text: str
    numbers: dict[str, int] = {}


class Attempt(Struct, gc=False):
    """One attempt that this worker holds.

    Attributes:
        ended: Its outcome is known; another copy that still runs or waits counts for nothing.
        announced: The master was told that it runs.
        cancelled: It must not be reported.
        sent_ns: For a call that shares its executor with others: when it was sent (monotonic).
        ending: It was asked to end, and why.
        ending_ns: When (monotonic).
    """

    task: int
    number: int
    spec: AgentSpec
    payload: bytes
    inputs: list[bytes] | None
    alone: bool
    ended: bool = False
    announced: bool = False
    cancelled: bool = False
    sent_ns: int = 0
    ending: Ending | None = None
    ending_ns: int = 0


class Slot:
    """One executor, or the place of one that is being started.

    Attributes:
        ready: It has said that it is prepared.
        out: The calls that it was sent and that have not ended, by index, in order.
        counts: How many of them there are of each spec.
        taken_back: Calls that were revoked; one that ran all the same may still deliver.
        sent: The index of the last call that it was sent.
        started: The index of the call that it started last.
        started_ns: When (monotonic).
        stalled: Its current call has outlived the prefetch budget.
        ending: It is being ended, and why.
        devices: GPU numbers that it holds.
    """

    __slots__ = (
        "calls",
        "counts",
        "devices",
        "ending",
        "functions",
        "number",
        "out",
        "pid",
        "ready",
        "sent",
        "specs",
        "stalled",
        "started",
        "started_ns",
        "taken_back",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.devices: tuple[int, ...] = ()
        self.renew()

    def renew(self) -> None:
        """A new executor takes the place."""
        self.pid = 0
        self.ready = False
        self.out: dict[int, Attempt] = {}
        self.taken_back: dict[int, Attempt] = {}
        self.counts: dict[AgentSpec, int] = {}
        self.sent = 0
        self.started = 0
        self.started_ns = 0
        self.stalled = False
        self.ending: Ending | None = None
        self.specs: set[int] = set()
        self.functions: set[bytes] = set()
        self.calls = 0

    @property
    def usable(self) -> bool:
        """Whether it can be sent calls."""
        return self.ready and self.ending is None

    @property
    def out_ns(self) -> float:
        """The work that it has been sent, by measured cost; infinite if any of it is unknown."""
        return sum((spec.cost.mean_ns or float("inf")) * count for spec, count in self.counts.items())

    def count(self, spec: AgentSpec, change: int) -> None:
        """So many calls of a spec were sent (or, negative, have ended or been taken back)."""
        left = self.counts.get(spec, 0) + change
        if left:
            self.counts[spec] = left
        else:
            self.counts.pop(spec, None)

    @property
    def is_shared(self) -> bool:
        """Whether coroutines share it: each tells of its own end, and none stands behind another."""
        return bool(self.out) and next(iter(self.out.values())).spec.concurrency > 1

    def running(self) -> list[Attempt]:
        """The attempts that have started and not ended."""
        out = self.out
        if not out:
            return []
        if self.is_shared:
            return list(out.values())
        current = out.get(self.started)
        return [current] if current is not None else []

    def unstarted(self) -> list[tuple[int, Attempt]]:
        """The calls behind the one that started last, in order."""
        if self.is_shared:
            return []
        return [(index, attempt) for index, attempt in self.out.items() if index > self.started]
