"""Why a task is where it is, in sentences: read-only, nearest reason first."""

from __future__ import annotations

from ganger.core.context import Context
from ganger.core.lifecycle import ASSIGNED, READY, RUNNING, SUCCEEDED, WAITING
from ganger.core.roster import NO_CONNECTION, Worker
from ganger.core.tasks import Task
from ganger.protocol.ids import TaskId, show_task

NAMED_MAX = 3
"""How many tasks or workers a sentence names before it only counts them."""


def explain(context: Context, task: Task) -> list[str]:
    """The reasons why the task is not running, or what it does if it is."""
    if task.state == WAITING:
        return _waits(context, task)
    if task.state == READY:
        return _is_ready(context, task)
    if task.state in (ASSIGNED, RUNNING):
        verb = "runs on" if task.state == RUNNING else "was given to"
        return [f"attempt {task.attempt} {verb} worker {task.worker}"]
    if task.state == SUCCEEDED:
        return [f"it succeeded with attempt {task.attempt}; its result of {len(task.result):,} bytes is held"]
    if task.origin and task.origin != task.id:
        return [f"it failed because task {show_task(TaskId(task.origin))}, on which it depends, failed"]
    return [f"it ended as {task.state.name.lower()} after {task.attempt} attempts"]


def _waits(context: Context, task: Task) -> list[str]:
    reasons = []
    if task.unmet:
        tasks = context.ledger.tasks
        missing = [each for each in dict.fromkeys(task.inputs or ()) if tasks[each].state != SUCCEEDED]
        named = ", ".join(
            f"{show_task(TaskId(each))} ({tasks[each].state.name.lower()})" for each in missing[:NAMED_MAX]
        )
        more = f" and {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
        reasons.append(f"it waits for {len(missing)} of its inputs: {named}{more}")
    if task.ready_at_ns:
        pause_s = max(0, task.ready_at_ns - context.now.wall_ns) / 1e9
        reasons.append(f"it failed {task.failures} times and is tried again in {pause_s:.1f} s")
    return reasons


def _is_ready(context: Context, task: Task) -> list[str]:
    workers = list(context.roster.workers.values())
    if not workers:
        return ["there is no worker", "start one: ganger worker --join ADDRESS"]
    shape = task.spec.shape
    able = [worker for worker in workers if worker.can_ever_hold(shape)]
    if not able:
        return [
            f"no present worker can ever hold it: {_needs(task)}",
            *(_lacks(each, task) for each in workers[:NAMED_MAX]),
        ]
    reasons = [_why_not(each, task, context) for each in able[:NAMED_MAX]]
    if len(able) > NAMED_MAX:
        reasons.append(f"so it is with {len(able) - NAMED_MAX} more workers")
    if task.suspect:
        reasons.append("an earlier attempt was lost with its worker or executor, so it will run alone")
    return reasons


def _needs(task: Task) -> str:
    options = task.spec.options
    parts = [f"{name} {amount:g}" for name, amount in sorted(options.resources.items())] or ["1 slot"]
    pins = f", only on {', '.join(options.workers)}" if options.workers else ""
    return "it asks for " + ", ".join(parts) + pins


def _lacks(worker: Worker, task: Task) -> str:
    offers = ", ".join(f"{name} {amount:g}" for name, amount in sorted(worker.offer.resources.items()))
    return f"worker {worker.name} offers {worker.slots} slots" + (f", {offers}" if offers else "")


def _why_not(worker: Worker, task: Task, context: Context) -> str:
    name = f"worker {worker.name}"
    if worker.connection == NO_CONNECTION:
        return f"{name} is away; its lease has not ended"
    if worker.draining:
        return f"{name} is draining"
    if worker.pressed:
        return f"{name} is under memory pressure ({worker.memory_free_bytes / 2**20:,.0f} MiB free)"
    if worker.reserved not in (None, task.spec.ready):
        return f"{name} is kept free for a wider task"
    if worker.slots - worker.used_slots < task.spec.shape.slots:
        return f"{name} is busy: {len(worker.assigned)} attempts on {worker.slots} slots"
    for resource, amount in task.spec.shape.needs:
        if worker.free.get(resource, 0.0) < amount:
            left, whole = worker.free.get(resource, 0.0), worker.offer.resources[resource]
            return f"{name} has {left:g} {resource} left of {whole:g}"
    return f"{name} has room; the task is next in line"
