"""Recovery feeds the journal's records to the ledger that live handlers use: restart equals live.

An assigned task is not placed again until its worker has announced what it holds or one lease has
passed: for each such worker an absent entry is put on the roster, with a fresh lease.
"""

from __future__ import annotations

from collections.abc import Iterable

from ganger.core.lifecycle import ASSIGNED, RUNNING
from ganger.core.master import Master
from ganger.core.roster import NO_CONNECTION, Client, Worker
from ganger.errors import JournalVersion
from ganger.ports import Now
from ganger.protocol.messages import Runtime, WorkerOffer
from ganger.protocol.records import RECORD_VERSION, EpochBegun, Record

_UNKNOWN = Runtime("", "", "", 0)


def recover(master: Master, batches: Iterable[list[Record]], now: Now) -> EpochBegun:
    """Replays the journal into a fresh master and opens its epoch.

    Returns:
        The record of the new epoch, which must be durable before anything is served.

    Raises:
        JournalVersion: The records are of a later format than this version knows.
        InvariantViolated: They contradict each other.
    """
    ledger = master.context.ledger
    for batch in batches:
        for record in batch:
            if type(record) is EpochBegun and record.version > RECORD_VERSION:
                raise JournalVersion(
                    f"the journal was written in record format {record.version}, this version reads up to "
                    f"{RECORD_VERSION}",
                    hint="start the version of ganger that wrote it, or a later one",
                )
            ledger.apply(record)
    epoch = master.begin(now)
    _expect_workers(master, now)
    _expect_clients(master, now)
    return epoch


def _expect_workers(master: Master, now: Now) -> None:
    workers = master.context.roster.workers
    lease_ns = int(master.settings.worker_lease_s * 1e9)
    for task in master.context.ledger.tasks.values():
        if task.state not in (ASSIGNED, RUNNING):
            continue
        worker = workers.get(task.worker)
        if worker is None:
            offer = WorkerOffer(task.worker, 1, {}, [])
            worker = workers[task.worker] = Worker(offer, _UNKNOWN, NO_CONNECTION, local=False)
            master.workers.shorten_lease(worker, now.monotonic_ns + lease_ns)
        for name, _ in task.spec.shape.needs:
            worker.free.setdefault(name, 0.0)
        worker.take(task.spec, [task.id], len(task.payload))


def _expect_clients(master: Master, now: Now) -> None:
    """Every open session gets its whole timeout again: silence counts only while a master serves."""
    for session in master.context.ledger.sessions.values():
        if not session.closed:
            master.clients.expect(Client(session.number, NO_CONNECTION, _UNKNOWN))
