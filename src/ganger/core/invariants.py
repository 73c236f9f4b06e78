"""What must hold between any two steps, said as checks: each returns sentences, and none is the good answer.

For tests and the simulator. Every check looks at everything that there is, so a live master never
calls them: its steps cost what they change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from ganger.core.context import Context
from ganger.core.ledger import Ledger
from ganger.core.lifecycle import ASSIGNED, FAILED, READY, RUNNING, SUCCEEDED, WAITING
from ganger.core.roster import NO_CONNECTION, Client, Roster, Worker
from ganger.core.slots import Slot
from ganger.core.tasks import Spec, Task
from ganger.core.worker import WorkerCore
from ganger.protocol.ids import TaskId, sequence_of, session_of, show_task

ROUNDING = 1e-6
"""How far sums of resource amounts may be off."""


def violations(context: Context) -> list[str]:
    """What is wrong with a master's state; empty where nothing is."""
    ledger, roster = context.ledger, context.roster
    checks = (
        _counters(ledger),
        _queues(ledger),
        _inputs(ledger),
        _ends(ledger),
        _sessions(ledger),
        _holders(ledger, roster),
        _connections(roster),
        chain.from_iterable(_room(worker, ledger) for worker in roster.workers.values()),
    )
    return list(chain.from_iterable(checks))


def idle_room(context: Context) -> list[str]:
    """Ready tasks that would fit into free slots; there are none after a settled turn."""
    found = []
    workers = context.roster.workers.values()
    for queue in context.ledger.ready:
        head = queue.head()
        if head is None:
            continue
        for worker in workers:
            kept_for = worker.reserved
            free = kept_for is None or kept_for is queue or kept_for.head() is None
            if free and worker.takes_work and _fits(worker, head, context):
                found.append(f"task {show_task(head.id)} waits while worker {worker.name} has room for it")
    return found


def agent_violations(core: WorkerCore) -> list[str]:
    """What is wrong with an agent's state; empty where nothing is."""
    checks = chain.from_iterable(_executor(slot) for slot in core.slots)
    return list(chain(checks, _copies(core), _devices(core), _idle_executors(core)))


# --- the ledger ----------------------------------------------------------------------------------


def _counters(ledger: Ledger) -> Iterator[str]:
    tasks = ledger.tasks.values()
    yield from _differ("waiting", ledger.waiting, sum(task.state == WAITING for task in tasks))
    yield from _differ("payload_bytes", ledger.payload_bytes, sum(len(task.payload) for task in tasks))
    yield from _differ("result_bytes", ledger.result_bytes, sum(len(task.result) for task in tasks))
    yield from _differ("unfinished", ledger.totals.unfinished, sum(task.state < SUCCEEDED for task in tasks))


def _differ(name: str, counted: int, there: int) -> Iterator[str]:
    if counted != there:
        yield f"{name} says {counted}, there are {there}"


def _queues(ledger: Ledger) -> Iterator[str]:
    """Every ready task of an open session stands in its queue, and every postponed one in the heap."""
    queued: dict[int, set[int]] = {id(queue): {task.id for task in queue.tasks} for queue in ledger.ready}
    due = set(ledger.due)
    for task in ledger.tasks.values():
        queue = task.spec.suspects if task.suspect else task.spec.ready
        if task.state == READY and not task.spec.closed and task.id not in queued.get(id(queue), ()):
            yield f"{_name(task)} is in no queue"
        if task.state == WAITING and not task.unmet and not task.ready_at_ns:
            yield f"{_name(task)} waits for nothing"
        if task.state == WAITING and task.ready_at_ns and (task.ready_at_ns, task.id) not in due:
            yield f"{_name(task)} is postponed and in no heap"


def _inputs(ledger: Ledger) -> Iterator[str]:
    """Unfinished tasks find their inputs, and inputs know who needs them."""
    tasks = ledger.tasks
    holds: Counter[int] = Counter()
    falling = {task.id for task in ledger.cascade}
    for task in tasks.values():
        needed = set(task.inputs or ())
        holds.update(needed)
        if lost := sorted(needed - tasks.keys()):
            yield f"{_name(task)} needs {', '.join(map(show_task, map(TaskId, lost)))}, which is gone"
            continue
        unmet = [tasks[each] for each in needed if tasks[each].state != SUCCEEDED]
        if task.state < SUCCEEDED and task.unmet != len(unmet):
            yield f"{_name(task)} counts {task.unmet} unmet inputs, there are {len(unmet)}"
        for each in unmet:
            if task.id not in (each.dependents or ()):
                yield f"{_name(each)} does not know its dependent {show_task(task.id)}"
            if each.state > SUCCEEDED and not any(other.id in falling for other in unmet):
                yield f"{_name(task)} does not follow {_name(each)}"
    for task in tasks.values():
        if task.holds != holds[task.id]:
            yield f"{_name(task)} counts {task.holds} holds, there are {holds[task.id]}"


def _ends(ledger: Ledger) -> Iterator[str]:
    """An ended task keeps only what somebody may still ask for, or what its dependents must follow."""
    falling = {task.id for task in ledger.cascade}
    for task in ledger.tasks.values():
        if task.state < SUCCEEDED:
            if task.result or task.error:
                yield f"{_name(task)} has not ended and has a result"
            continue
        if task.payload or task.inputs is not None:
            yield f"{_name(task)} has ended and keeps its arguments"
        if task.released and not task.holds and task.id not in falling:
            yield f"{_name(task)} is released, needed by nobody and still there"
        if task.state == FAILED and not task.origin:
            yield f"{_name(task)} does not say whose failure it was"


def _sessions(ledger: Ledger) -> Iterator[str]:
    for session in ledger.sessions.values():
        if session.closed == (ledger.session_keys.get(session.key) is session):
            yield f"session {session.number} is closed and has a key, or neither"
        if session.closed and session not in ledger.closing:
            yield f"session {session.number} is closed and nobody dissolves it"
        for spec in session.specs.values():
            if ledger.specs.get(spec.id) is not spec or spec.body.function not in ledger.functions:
                yield f"spec {spec.id} of session {session.number} is not in the ledger"
    for task in ledger.tasks.values():
        owner = ledger.sessions.get(session_of(task.id))
        if owner is None:
            yield f"{_name(task)} belongs to no session"
        elif sequence_of(task.id) not in owner.accepted:
            yield f"{_name(task)} was never accepted"


# --- the roster ----------------------------------------------------------------------------------


def _holders(ledger: Ledger, roster: Roster) -> Iterator[str]:
    """An assigned task is with one worker, the one that it names; no other is with any."""
    held = Counter(chain.from_iterable(worker.assigned for worker in roster.workers.values()))
    for identifier, count in held.items():
        if identifier not in ledger.tasks:
            yield f"a worker holds {show_task(TaskId(identifier))}, which is gone"
        elif count > 1:
            yield f"{_name(ledger.tasks[identifier])} is with {count} workers"
    for task in ledger.tasks.values():
        worker = roster.workers.get(task.worker)
        placed = task.state in (ASSIGNED, RUNNING)
        if placed and (worker is None or task.id not in worker.assigned):
            yield f"{_name(task)} is not with worker {task.worker!r}"
        if not placed and task.id in held:
            yield f"{_name(task)} is with a worker"


def _room(worker: Worker, ledger: Ledger) -> Iterator[str]:
    """What a worker is counted to hold is what it holds."""
    label = f"worker {worker.name}"
    specs = Counter(ledger.tasks[each].spec for each in worker.assigned if each in ledger.tasks)
    if worker.counts != specs:
        yield f"{label} counts {_by_name(worker.counts)}, it holds {_by_name(specs)}"
    slots = sum(spec.slots_for(count) for spec, count in specs.items())
    yield from _differ(f"{label}: used_slots", worker.used_slots, slots)
    if worker.assigned_bytes < 0 or (worker.assigned_bytes and not worker.assigned):
        yield f"{label} counts {worker.assigned_bytes} bytes for {len(worker.assigned)} attempts"
    if worker.connection == NO_CONNECTION:
        return
    free = dict(worker.offer.resources)
    for spec, count in specs.items():
        for name, amount in spec.shape.needs:
            free[name] = free.get(name, 0.0) - amount * count
    for name, amount in free.items():
        if abs(amount - worker.free.get(name, 0.0)) > ROUNDING * max(1.0, abs(amount)):
            yield f"{label} has {amount:g} {name} left, it counts {worker.free.get(name, 0.0):g}"


def _by_name(counts: dict[Spec, int]) -> str:
    return ", ".join(f"{spec.name}: {count}" for spec, count in counts.items()) or "nothing"


def _connections(roster: Roster) -> Iterator[str]:
    for connection, peer in roster.by_connection.items():
        if peer.connection != connection:
            yield f"connection {connection} leads to a peer on connection {peer.connection}"
    peers: list[Worker | Client] = [*roster.workers.values(), *roster.clients.values()]
    for each in peers:
        if each.connection != NO_CONNECTION and roster.by_connection.get(each.connection) is not each:
            yield f"a peer's connection {each.connection} leads elsewhere"


def _fits(worker: Worker, task: Task, context: Context) -> bool:
    """Whether the task would fit into the worker's free slots and its credit in bytes."""
    shape = task.spec.shape
    free_slots = worker.slots - max(worker.used_slots, worker.stalled)
    if not worker.can_ever_hold(shape) or free_slots < shape.slots:
        return False
    if worker.assigned and worker.assigned_bytes >= context.settings.assigned_bytes_max:
        return False
    return all(worker.free.get(name, 0.0) >= amount for name, amount in shape.needs)


def _name(task: Task) -> str:
    return f"task {show_task(task.id)} ({task.state.name.lower()})"


# --- the agent -----------------------------------------------------------------------------------


def _executor(slot: Slot) -> Iterator[str]:
    """What an executor was sent is counted right, and may stand together."""
    label = f"executor {slot.number}"
    specs = Counter(attempt.spec for attempt in slot.out.values())
    if slot.counts != specs:
        yield f"{label} counts {sum(slot.counts.values())} calls, it has {len(slot.out)}"
    if slot.out and not slot.ready:
        yield f"{label} was sent calls before it was ready"
    if any(index > slot.sent for index in slot.out):
        yield f"{label} has calls that it was never sent"
    if len(slot.out) < 2:
        return
    if any(attempt.alone for attempt in slot.out.values()):
        yield f"{label} has an attempt that must be alone and {len(slot.out) - 1} more"
    if len(specs) > 1 and not all(spec.together for spec in specs):
        yield f"{label} mixes calls that may not stand behind each other"
    for spec, count in specs.items():
        if not spec.together and count > spec.concurrency:
            yield f"{label} has {count} calls of {spec.name}, which allows {spec.concurrency}"


def _copies(core: WorkerCore) -> Iterator[str]:
    """An attempt that has not ended waits once or is out once."""
    held = [*core.queue, *chain.from_iterable(slot.out.values() for slot in core.slots)]
    copies = Counter(id(attempt) for attempt in held if not attempt.ended and not attempt.cancelled)
    for attempt in held:
        if copies.pop(id(attempt), 0) > 1:
            yield f"attempt {attempt.number} of task {attempt.task} is held more than once"


def _devices(core: WorkerCore) -> Iterator[str]:
    devices = Counter(chain(core.dispatch.free_gpus, *(slot.devices for slot in core.slots)))
    for device, count in devices.items():
        if count > 1:
            yield f"device {device} is held {count} times"
    for slot in core.slots:
        for attempt in slot.out.values():
            if attempt.spec.gpus and len(slot.devices) != attempt.spec.gpus:
                yield f"executor {slot.number} runs {attempt.spec.name} with {len(slot.devices)} devices"


def _idle_executors(core: WorkerCore) -> Iterator[str]:
    """Nothing waits while an executor that could take it has nothing to do."""
    waiting = [attempt for attempt in core.queue if not attempt.ended and not attempt.cancelled]
    if not waiting or waiting[0].spec.gpus:
        return
    for slot in core.slots:
        if slot.usable and not slot.out:
            yield f"executor {slot.number} has nothing to do while task {waiting[0].task} waits"
