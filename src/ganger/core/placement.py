"""Placement binds late: a ready task meets a worker only when that worker has room for it.

Two ways lead to a worker. A worker that gained room is filled from the queues that found none. A
queue that has not looked yet is spread over the open workers, least loaded first, in shares that
are worth a message. So each step costs what it places, however many tasks and workers there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from ganger.config import MasterSettings
from ganger.core.ledger import Ledger
from ganger.core.lifecycle import READY
from ganger.core.roster import Roster, Worker
from ganger.core.shapes import ReadyQueue
from ganger.core.tasks import Spec, Task
from ganger.protocol.messages import AttemptGroup
from ganger.protocol.records import TasksAssigned

MISSES_MAX = 8
"""Full workers that a queue looks at before it waits for one to gain room."""


class Placed:
    """What one placement decided: records in order, the groups for each worker, and what fits no message."""

    __slots__ = ("groups", "oversized", "records")

    def __init__(self) -> None:
        self.oversized: list[Task] = []
        self.records: list[TasksAssigned] = []
        self.groups: dict[str, list[AttemptGroup]] = {}


class Placement:
    """Chooses workers for ready tasks. Changes the ledger through records, the roster directly."""

    def __init__(self, ledger: Ledger, roster: Roster, settings: MasterSettings) -> None:
        self.ledger = ledger
        self.roster = roster
        self.settings = settings

    def place(self, gained: Iterable[Worker]) -> Placed:
        """Places what can be placed, given the workers whose room may have grown."""
        placed = Placed()
        present = [worker for worker in gained if worker.takes_work]
        for worker in present:
            if worker.reserved is not None:
                self._offer(worker, worker.reserved, None, placed)
            self.roster.offer_room(worker)
        self._walk(present, placed)
        freed = self._freed_keepers()
        if freed:
            self._walk(freed, placed)
        return placed

    def _walk(self, present: list[Worker], placed: Placed) -> None:
        """Offers every queue, the most important first, what room there is."""
        for queue in list(self.ledger.ready):
            if queue.head() is None:
                queue.blocked = False  # what comes next has not looked for room yet
                continue
            if queue.blocked:
                self._fill(present, queue, placed)
            else:
                self._spread(queue, placed)

    def _freed_keepers(self) -> list[Worker]:
        """Workers that were kept free for tasks that have gone elsewhere by now."""
        freed: list[Worker] = []
        for queue in self.ledger.ready:
            keeper = queue.keeper
            if keeper is not None and queue.head() is None:
                queue.keeper = None
                if keeper.reserved is queue:
                    keeper.reserved = None
                    if keeper.takes_work:
                        freed.append(keeper)
        return freed

    def _fill(self, workers: list[Worker], queue: ReadyQueue, placed: Placed) -> None:
        """Gives the workers that gained room what a queue has waiting since it found none."""
        for worker in workers:
            took = self._offer(worker, queue, None, placed)
            if queue.head() is None:
                queue.blocked = False
                return
            if took:
                self.ledger.ready.rotate(queue)
            elif queue.shape.slots > 1:
                self._reserve(worker, queue)

    def _offer(self, worker: Worker, queue: ReadyQueue, limit: int | None, placed: Placed) -> int:
        """Places tasks of the queue on a worker, unless it is kept free for another queue."""
        if worker.reserved is not None and worker.reserved is not queue:
            if worker.reserved.head() is not None:
                return 0
            worker.reserved = None
        took = self._take(worker, queue, limit, placed)
        if took:
            worker.reserved = None
            self.roster.offer_room(worker)
        return took

    def _reserve(self, worker: Worker, queue: ReadyQueue) -> None:
        """Wide tasks would starve behind single slots: one worker is kept free for each such queue."""
        if not worker.can_ever_hold(queue.shape):
            return
        keeper = queue.keeper
        if keeper is not None and keeper.reserved is queue:
            if keeper.takes_work:
                return
            keeper.reserved = None
        worker.reserved = queue
        queue.keeper = worker

    def _spread(self, queue: ReadyQueue, placed: Placed) -> None:
        if queue.shape.plain:
            self._spread_plain(queue, placed)
        else:
            for worker in sorted(self._holders(queue), key=lambda each: each.score):
                if queue.head() is None:
                    break
                if worker.takes_work:
                    self._offer(worker, queue, None, placed)
        queue.blocked = queue.head() is not None

    def _holders(self, queue: ReadyQueue) -> list[Worker]:
        workers = self.roster.workers
        named = queue.shape.workers
        if named:
            return [workers[name] for name in named if name in workers]
        return list(workers.values())

    def _spread_plain(self, queue: ReadyQueue, placed: Placed) -> None:
        misses: list[Worker] = []
        while (head := queue.head()) is not None and len(misses) < MISSES_MAX:
            worker = self.roster.next_open()
            if worker is None:
                break
            if not self._offer(worker, queue, self._share(queue, head.spec), placed):
                misses.append(worker)
        for worker in misses:
            self.roster.offer_room(worker)

    def _share(self, queue: ReadyQueue, spec: Spec) -> int:
        """An even part of the queue, but no less than is worth a message."""
        even = -(-len(queue.tasks) // max(1, len(self.roster.workers)))
        worthwhile = int(self.settings.share_ns / spec.cost.mean_ns) if spec.cost.mean_ns else 1
        return max(even, worthwhile, 1)

    def _take(self, worker: Worker, queue: ReadyQueue, limit: int | None, placed: Placed) -> int:
        """Gives the worker tasks from the queue while both last; returns how many."""
        taken = 0
        while limit is None or taken < limit:
            head = queue.head()
            if head is None:
                break
            spec = head.spec
            room = worker.room(spec, queue.alone, self.settings)
            if limit is not None:
                room = min(room, limit - taken)
            if room <= 0:
                break
            group, payload_bytes = self._cut(queue, spec, room, worker, placed)
            if not group.tasks:
                break
            record = TasksAssigned(worker.name, group.tasks)
            self.ledger.apply(record)
            worker.take(spec, group.tasks, payload_bytes)
            placed.records.append(record)
            placed.groups.setdefault(worker.name, []).append(group)
            taken += len(group.tasks)
        return taken

    def _cut(
        self, queue: ReadyQueue, spec: Spec, room: int, worker: Worker, placed: Placed
    ) -> tuple[AttemptGroup, int]:
        """The next tasks of one spec, up to `room` and the worker's credit in bytes."""
        budget_bytes = self.settings.assigned_bytes_max - worker.assigned_bytes
        tasks = queue.tasks
        ids: list[int] = []
        payloads: list[bytes] = []
        attempts: list[int] = []
        inputs: list[list[bytes]] = []
        fresh = True
        size = 0
        while tasks and room:
            task = tasks[0]
            if task.state != READY:
                tasks.popleft()
                continue
            if task.spec is not spec or (size >= budget_bytes and (ids or worker.assigned)):
                break
            tasks.popleft()
            if task.inputs is not None and self._is_oversized(task):
                placed.oversized.append(task)
                continue
            room -= 1
            ids.append(task.id)
            payloads.append(task.payload)
            size += len(task.payload)
            if task.attempt or task.inputs is not None or not fresh:
                if fresh:
                    fresh = False
                    attempts = [1] * (len(ids) - 1)
                    inputs = [[] for _ in attempts]
                attempts.append(task.attempt + 1)
                results = self.ledger.results_of(task.inputs or ())
                size += sum(map(len, results))
                inputs.append(results)
        if fresh:
            return AttemptGroup(spec.id, ids, payloads, None, None, queue.alone), size
        return AttemptGroup(spec.id, ids, payloads, attempts, inputs, queue.alone), size

    def _is_oversized(self, task: Task) -> bool:
        """Whether the task and the results that it takes are too much for one message."""
        settings = self.settings
        size = len(task.payload) + sum(map(len, self.ledger.results_of(task.inputs or ())))
        return size > settings.frame_bytes_max - settings.assigned_bytes_max
