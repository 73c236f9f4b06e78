"""A ledger as plain data, so that two of them can be compared: the live one and the one a replay makes.

What is volatile is levelled: a task that runs counts as assigned, and entries of queues and heaps that would
be skipped count for nothing.
"""

from collections import Counter

from ganger.core.ledger import Ledger
from ganger.core.lifecycle import ASSIGNED, READY, RUNNING, SUCCEEDED, WAITING
from ganger.core.tasks import Session, Task


def dump(ledger: Ledger, *, ordered: bool = True) -> dict[str, object]:
    """Everything in the ledger that a restart must not change, apart from the epoch.

    Args:
        ledger: Of which master.
        ordered: Whether the order in the queues counts; a snapshot keeps it only roughly.
    """
    return {
        "tasks": {
            task.id: dump_task(task) for task in sorted(ledger.tasks.values(), key=lambda task: task.id)
        },
        "sessions": {number: dump_session(session) for number, session in sorted(ledger.sessions.items())},
        "session keys": {key: session.number for key, session in ledger.session_keys.items()},
        "specs": {number: spec.body for number, spec in sorted(ledger.specs.items())},
        "functions": ledger.functions,
        "queues": {name: ids if ordered else sorted(ids) for name, ids in queues(ledger).items()},
        "due": sorted(set(ledger.due) & {(task.ready_at_ns, task.id) for task in ledger.tasks.values()}),
        "cascade": sorted({task.id for task in ledger.cascade}),
        "closing": [session.number for session in ledger.closing],
        "counters": {
            "submitted": ledger.totals.submitted,
            "succeeded": ledger.totals.succeeded,
            "failed": ledger.totals.failed,
            "cancelled": ledger.totals.cancelled,
            "waiting": ledger.waiting,
            "payload_bytes": ledger.payload_bytes,
            "result_bytes": ledger.result_bytes,
            "sessions_opened": ledger.sessions_opened,
        },
    }


def dump_task(task: Task) -> dict[str, object]:
    """A task as it stands in the ledger."""
    return {
        "spec": task.spec.id,
        "payload": task.payload,
        "state": ASSIGNED if task.state == RUNNING else task.state,
        "attempt": task.attempt,
        "worker": task.worker,
        "inputs": task.inputs,
        "unmet": task.unmet if task.state < SUCCEEDED else 0,
        "holds": task.holds,
        "released": task.released,
        "suspect": task.suspect,
        "failures": task.failures,
        "losses": task.losses,
        "result": task.result,
        "error": task.error,
        "origin": task.origin,
        "ready_at_ns": task.ready_at_ns if task.state == WAITING else 0,
    }


def dump_session(session: Session) -> dict[str, object]:
    """A session as it stands in the ledger."""
    return {
        "key": session.key,
        "owner": session.owner,
        "specs": {number: spec.id for number, spec in session.specs.items()},
        "accepted": list(session.accepted),
        "released": list(session.released),
        "closed": session.closed,
    }


def queues(ledger: Ledger) -> dict[str, list[int]]:
    """The tasks that placement would find in each queue, in the order in which it would."""
    found: dict[str, list[int]] = {}
    for queue in ledger.ready:
        ready = [task.id for task in queue.tasks if task.state == READY and ledger.tasks.get(task.id) is task]
        if ready:
            name = f"{queue.shape} priority {queue.priority}{' alone' if queue.alone else ''}"
            found[name] = list(dict.fromkeys(ready))
    return found


def differences(live: dict[str, object], replayed: dict[str, object]) -> list[str]:
    """Where two dumps differ, a line each."""
    lines: list[str] = []
    _compare("", live, replayed, lines)
    return lines


def _compare(path: str, live: object, replayed: object, lines: list[str]) -> None:
    if isinstance(live, dict) and isinstance(replayed, dict):
        for key in Counter([*live, *replayed]):
            absent = "(absent)"
            _compare(f"{path} › {key}", live.get(key, absent), replayed.get(key, absent), lines)
    elif live != replayed:
        lines.append(f"{path}: live {live!r}, replayed {replayed!r}")
