"""The roster is what is volatile: who is connected, what each worker has and how it is doing.

Nothing here is journaled; after a restart workers and clients say hello again and it fills anew.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush

from ganger.config import MasterSettings
from ganger.core.shapes import ReadyQueue, Shape
from ganger.core.tasks import Spec
from ganger.protocol.ids import ConnectionId, SessionNo
from ganger.protocol.messages import Hello, Runtime, WorkerOffer

NO_CONNECTION = ConnectionId(0)
STALE_FACTOR = 4
"""How many entries per worker the heap of open workers may hold before it is swept."""


class Worker:
    """One worker as the master sees it.

    Attributes:
        assigned: Ids of the attempts that it holds.
        counts: How many of them there are of each spec.
        used_slots: Slots that they take together, prefetched ones included.
        free: Resources left, beyond slots.
        stalled: Slots that sit in a call longer than the prefetch budget, by its own word.
        lease_until_ns: Until when it may be silent.
        announced: It has said what it holds; before that it is given nothing.
        reserved: A queue of wide tasks that waits for it to empty; nothing else is placed on it.
        version: Grows whenever its room may have changed; older entries of the heap are stale.
    """

    __slots__ = (
        "announced",
        "assigned",
        "assigned_bytes",
        "busy_ns",
        "connection",
        "counts",
        "draining",
        "executors",
        "free",
        "functions",
        "lease_until_ns",
        "load",
        "local",
        "memory_free_bytes",
        "name",
        "offer",
        "offered_version",
        "pressed",
        "report_seen",
        "reserved",
        "round_trip_ns",
        "runtime",
        "slots",
        "specs",
        "stalled",
        "tasks_done",
        "used_slots",
        "version",
    )

    def __init__(self, offer: WorkerOffer, runtime: Runtime, connection: ConnectionId, local: bool) -> None:
        self.name = offer.name
        self.offer = offer
        self.runtime = runtime
        self.connection = connection
        self.local = local
        self.slots = offer.slots
        self.free = dict(offer.resources)
        self.assigned: set[int] = set()
        self.counts: dict[Spec, int] = {}
        self.used_slots = 0
        self.assigned_bytes = 0
        self.stalled = 0
        self.load = 0.0
        self.memory_free_bytes = 0
        self.pressed = False
        self.draining = False
        self.announced = False
        self.lease_until_ns = 0
        self.report_seen = 0
        self.round_trip_ns = 0
        self.tasks_done = 0
        self.busy_ns = 0
        self.executors: list[int] = []
        self.specs: set[int] = set()
        self.functions: set[bytes] = set()
        self.reserved: ReadyQueue | None = None
        self.version = 0
        self.offered_version = -1

    def come_back(self, hello: Hello, offer: WorkerOffer, connection: ConnectionId, local: bool) -> None:
        """The same worker on a new connection, possibly to a master that knows it from the journal only."""
        self.connection = connection
        self.runtime = hello.runtime
        self.offer = offer
        self.local = local
        self.slots = offer.slots
        self.free = dict(offer.resources)
        for spec, count in self.counts.items():
            for name, amount in spec.shape.needs:
                self.free[name] = self.free.get(name, 0.0) - amount * count
        self.specs.clear()
        self.functions.clear()
        self.announced = False
        self.version += 1

    @property
    def takes_work(self) -> bool:
        """Whether it may be given anything at all at present."""
        return self.announced and self.connection != NO_CONNECTION and not self.draining and not self.pressed

    @property
    def state(self) -> str:
        """One word for people."""
        if self.connection == NO_CONNECTION:
            return "away"
        if self.draining:
            return "draining"
        return "pressed" if self.pressed else "active"

    @property
    def score(self) -> float:
        """How busy it is, in slots; the machine's other load counts as far as it exceeds idle cores."""
        return (self.used_slots + self.load) / self.slots

    def can_ever_hold(self, shape: Shape) -> bool:
        """Whether it could run such a task if it were empty."""
        if shape.plain:
            return True
        if shape.slots > self.slots or (shape.workers and self.name not in shape.workers):
            return False
        return all(self.offer.resources.get(name, 0.0) >= amount for name, amount in shape.needs)

    def room(self, spec: Spec, alone: bool, settings: MasterSettings) -> int:
        """How many tasks of this spec it may be given now.

        Free slots always; beyond them only plain tasks of known cost, as many as the prefetch
        budget of its slots that are not stalled still holds.
        """
        shape = spec.shape
        free_slots = self.slots - max(self.used_slots, self.stalled)
        if alone or not spec.prefetchable:
            return self._whole_slots(spec, free_slots)
        budget_ns = (self.slots - self.stalled) * max(settings.prefetch_ns, self.round_trip_ns)
        for held, count in self.counts.items():
            budget_ns -= int((held.cost.mean_ns or settings.prefetch_ns) * count)
        if shape.plain and spec.cost.mean_ns:
            most = self.slots * settings.prefetch_tasks_max - self.used_slots
            return max(free_slots, min(int(budget_ns / spec.cost.mean_ns), most), 0)
        return self._whole_slots(spec, free_slots)

    def _whole_slots(self, spec: Spec, free_slots: int) -> int:
        shape = spec.shape
        if not self.can_ever_hold(shape):
            return 0
        room = max(free_slots, 0) // shape.slots
        if spec.options.concurrency > 1:
            room = (room + spec.slots_for(self.counts.get(spec, 0)) // shape.slots) * spec.options.concurrency
            room -= self.counts.get(spec, 0)
        for name, amount in shape.needs:
            room = min(room, int(self.free.get(name, 0.0) / amount + 1e-9))
        return max(room, 0)

    def take(self, spec: Spec, tasks: list[int], payload_bytes: int) -> None:
        """Attempts were assigned to it."""
        self.assigned.update(tasks)
        self.assigned_bytes += payload_bytes
        self._count(spec, len(tasks))

    def give_back(self, spec: Spec, count: int) -> None:
        """Attempts that it held have ended or gone; the caller has removed them from `assigned`."""
        left = len(self.assigned)
        self.assigned_bytes = self.assigned_bytes * left // (left + count) if left else 0
        self._count(spec, -count)

    def _count(self, spec: Spec, change: int) -> None:
        before = self.counts.get(spec, 0)
        after = before + change
        if after:
            self.counts[spec] = after
        else:
            self.counts.pop(spec, None)
        self.used_slots += spec.slots_for(after) - spec.slots_for(before)
        for name, amount in spec.shape.needs:
            self.free[name] -= amount * change
        self.version += 1


class Client:
    """One connected client.

    Attributes:
        session: The number of its session.
        seen_last, seen_bytes: The last number that it has sent, and argument bytes on this connection.
        sent_bytes, received_bytes: Result bytes sent on this connection, and taken in by the client.
        backlog: Ended tasks to be told once the window has room.
        credit_tasks, credit_bytes: How far it was told that it may go.
    """

    __slots__ = (
        "backlog",
        "connection",
        "credit_bytes",
        "credit_tasks",
        "received_bytes",
        "runtime",
        "seen_bytes",
        "seen_last",
        "sent_bytes",
        "session",
        "silent_since_ns",
    )

    def __init__(self, session: SessionNo, connection: ConnectionId, runtime: Runtime) -> None:
        self.session = session
        self.connection = connection
        self.runtime = runtime
        self.seen_last = -1
        self.seen_bytes = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self.backlog: deque[int] = deque()
        self.credit_tasks = 0
        self.credit_bytes = 0
        self.silent_since_ns = 0

    @property
    def window_bytes(self) -> int:
        """Result bytes on their way to the client."""
        return self.sent_bytes - self.received_bytes


class Roster:
    """Everyone who is here.

    `open_workers` finds the least loaded worker with room in O(log workers): a heap of scores in
    which entries go stale by their worker's version.
    """

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.by_connection: dict[int, Worker | Client] = {}
        self.clients: dict[int, Client] = {}
        self._heap: list[tuple[bool, float, int, int, Worker]] = []
        self._pushes = 0

    def admit_worker(self, hello: Hello, offer: WorkerOffer, connection: ConnectionId, local: bool) -> Worker:
        """A worker said hello; one of the same name that is away comes back with what it held."""
        worker = self.workers.get(offer.name)
        if worker is None:
            worker = self.workers[offer.name] = Worker(offer, hello.runtime, connection, local)
        else:
            worker.come_back(hello, offer, connection, local)
        self.by_connection[connection] = worker
        return worker

    def can_hold(self, shape: Shape) -> bool:
        """Whether any worker that is here could run such a task if it were empty."""
        return any(worker.can_ever_hold(shape) for worker in self.workers.values())

    def offer_room(self, worker: Worker) -> None:
        """The worker may have room: enter it where `next_open` looks."""
        if not worker.takes_work or worker.offered_version == worker.version:
            return
        worker.offered_version = worker.version
        self._pushes += 1
        full = worker.used_slots >= worker.slots
        heappush(self._heap, (full, worker.score, self._pushes, worker.version, worker))
        if len(self._heap) > STALE_FACTOR * (len(self.workers) + STALE_FACTOR):
            self._heap = [entry for entry in self._heap if entry[3] == entry[4].version]
            heapify(self._heap)

    def next_open(self) -> Worker | None:
        """Takes the least loaded worker, those with a free slot first; `offer_room` enters it again."""
        heap = self._heap
        while heap:
            _, _, _, version, worker = heappop(heap)
            if version == worker.version and worker.takes_work:
                worker.offered_version = -1
                return worker
        return None

    @property
    def slots(self) -> int:
        """Slots of all workers that are here."""
        return sum(worker.slots for worker in self.workers.values() if worker.connection != NO_CONNECTION)
