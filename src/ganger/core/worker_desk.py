"""The master's side of its workers: admission, reports, leases, losses.

The first success of a task is recorded, from whichever attempt; a failure counts only for the
current attempt. What a vanished worker may have started becomes a suspect and runs alone next time.
"""

from __future__ import annotations

from ganger.core.checks import check_beat, check_held, check_offer, check_report
from ganger.core.context import INFO, WARNING, Context
from ganger.core.delivery import Delivery
from ganger.core.endings import Endings
from ganger.core.lifecycle import RUNNING, START, SUCCEEDED, WAITING
from ganger.core.retry import retry_delay_ns
from ganger.core.roster import NO_CONNECTION, Worker
from ganger.core.tasks import Task
from ganger.protocol.ids import ConnectionId, sequence_of, session_of, show_task
from ganger.protocol.messages import (
    Beat,
    Drain,
    Failure,
    Held,
    Hello,
    Recorded,
    Report,
    Running,
    Started,
    Stop,
    WorkerOffer,
)
from ganger.protocol.outcome import ErrorInfo, encode_error
from ganger.protocol.records import AttemptFailed, AttemptsLost, AttemptsReturned, TasksSucceeded

CHARGED_KINDS = frozenset({"crash", "memory"})
"""Failures that took an executor along: they count against `losses_max`, not `retries`."""


class WorkerDesk:
    """Handles what workers say, and their silence."""

    def __init__(self, context: Context, delivery: Delivery, endings: Endings) -> None:
        self.context = context
        self.delivery = delivery
        self.endings = endings
        self._check_at_ns: int | None = None

    # --- presence --------------------------------------------------------------------------------

    def on_hello(self, connection: ConnectionId, hello: Hello, offer: WorkerOffer, local: bool) -> Worker:
        """A worker is here. What it held before, if it has been here before, it says next (`Held`)."""
        check_offer(offer)
        before = self.context.roster.workers.get(offer.name)
        if before is not None and not hello.epoch_seen:
            self.lose(before, "it was started anew")
            before = None
        if before is not None and before.connection != NO_CONNECTION:
            self.context.roster.by_connection.pop(before.connection, None)
            self.context.close(before.connection)
        worker = self.context.roster.admit_worker(hello, offer, connection, local)
        self._renew(worker)
        self.context.log(INFO, f"worker {worker.name} joined with {worker.slots} slots")
        return worker

    def on_held(self, worker: Worker, held: Held) -> None:
        """Reconciles: what the ledger has on this worker and it does not hold goes back uncharged."""
        check_held(held)
        ledger = self.context.ledger
        holds = set(held.tasks)
        missing = [identifier for identifier in worker.assigned if identifier not in holds]
        surplus = [
            task for task in held.tasks if task not in ledger.tasks or ledger.tasks[task].state >= SUCCEEDED
        ]
        self._return(worker, missing)
        if surplus:
            self.context.send(worker.connection, Stop(surplus))
        for identifier in held.started:
            task = ledger.tasks.get(identifier)
            if task is not None and identifier in worker.assigned:
                task.state = START[task.state]
        worker.announced = True
        worker.version += 1
        self.context.gained[worker] = None

    def on_beat(self, worker: Worker, beat: Beat) -> None:
        """Alive, and how it is doing."""
        check_beat(beat)
        changed = (worker.pressed, worker.stalled) != (beat.pressed, beat.stalled)
        if abs(worker.load - beat.load) >= 0.5:
            changed = True
        worker.load = beat.load
        worker.memory_free_bytes = beat.memory_free_bytes
        worker.pressed = beat.pressed
        worker.stalled = beat.stalled
        worker.executors = beat.executors
        worker.round_trip_ns = beat.round_trip_ns
        self._renew(worker)
        if changed:
            worker.version += 1
            self.context.gained[worker] = None

    def _renew(self, worker: Worker) -> None:
        worker.lease_until_ns = self.context.now.monotonic_ns + int(
            self.context.settings.worker_lease_s * 1e9
        )
        if self._check_at_ns is None:
            self._check_at_ns = worker.lease_until_ns

    def on_disconnected(self, worker: Worker) -> None:
        """The connection broke. On this machine that means death; elsewhere it may come back."""
        worker.connection = NO_CONNECTION
        worker.version += 1
        if worker.local or not worker.assigned:
            self.lose(worker, "its connection ended")
            return
        grace_ns = int(self.context.settings.worker_reconnect_s * 1e9)
        self.shorten_lease(worker, self.context.now.monotonic_ns + grace_ns)

    def shorten_lease(self, worker: Worker, until_ns: int) -> None:
        """Expects a sign of the worker by this time, or by its lease's end if that is earlier."""
        worker.lease_until_ns = min(worker.lease_until_ns, until_ns) or until_ns
        self._check_at_ns = min(self._check_at_ns or until_ns, worker.lease_until_ns)

    def expire(self) -> None:
        """Loses every worker whose lease has passed. Looks at all of them only when one may have."""
        now_ns = self.context.now.monotonic_ns
        if self._check_at_ns is None or now_ns < self._check_at_ns:
            return
        workers = self.context.roster.workers
        for worker in list(workers.values()):
            if worker.lease_until_ns <= now_ns:
                self.lose(worker, "it fell silent")
        self._check_at_ns = min((worker.lease_until_ns for worker in workers.values()), default=None)

    def next_deadline_ns(self) -> int | None:
        """When a lease may end."""
        return self._check_at_ns

    def lose(self, worker: Worker, why: str) -> None:
        """The worker is gone. Somebody is charged a loss, the others become suspects, uncharged.

        Charged are the suspects that ran alone there, for they explain the loss; without any, what is
        known to have run. So a task that kills its workers is found out and takes no other along.
        """
        context = self.context
        held = len(worker.assigned)
        context.log(WARNING, f"worker {worker.name} is lost: {why}; it held {held} attempts")
        self._dismiss(worker)
        tasks = [context.ledger.tasks[identifier] for identifier in sorted(worker.assigned)]
        worker.assigned.clear()
        blamed = [task for task in tasks if task.suspect] or [task for task in tasks if task.state == RUNNING]
        charged = {task.id for task in blamed}
        others = [task for task in tasks if task.id not in charged]
        self._lose_started(blamed, f"worker {worker.name} was lost: {why}")
        self._suspect(others, worker, why)

    def _dismiss(self, worker: Worker) -> None:
        """Takes the worker off the roster and closes its connection."""
        context = self.context
        if worker.connection != NO_CONNECTION:
            context.close(worker.connection)
            context.roster.by_connection.pop(worker.connection, None)
            worker.connection = NO_CONNECTION
        context.roster.workers.pop(worker.name, None)
        worker.version += 1

    def _suspect(self, tasks: list[Task], worker: Worker, why: str) -> None:
        back: list[int] = [task.id for task in tasks if task.spec.options.repeatable]
        if back:
            self.context.record(AttemptsReturned(back, True))
            self._unblock()
        for task in tasks:
            if not task.spec.options.repeatable:
                self.endings.fail(task, _lost_error(task, f"worker {worker.name} was lost: {why}"))

    def _lose_started(self, tasks: list[Task], why: str, error: bytes = b"") -> None:
        """Started attempts are gone: again while the budget lasts, else the task has failed."""
        again: list[int] = []
        for task in tasks:
            options = task.spec.options
            if options.repeatable and task.losses < options.losses_max:
                again.append(task.id)
            else:
                self.endings.fail(task, error or _lost_error(task, why))
        if again:
            self.context.record(AttemptsLost(again))
            self._unblock()

    # --- reports ---------------------------------------------------------------------------------

    def on_report(self, worker: Worker, report: Report) -> None:
        """What became of attempts. A report that was recorded before is only acknowledged."""
        check_report(report)
        if report.number > worker.report_seen:
            worker.report_seen = report.number
            for group in report.done:
                self._on_done(worker, group.tasks, group.payloads, group.elapsed_ns)
            for failure in report.failed:
                self._on_failure(worker, failure)
            if report.returned:
                self._return(worker, report.returned)
            worker.stalled = report.stalled
            self._renew(worker)
            self.context.gained[worker] = None
        self.context.send(worker.connection, Recorded(report.number))

    def _on_done(self, worker: Worker, ids: list[int], payloads: list[bytes], elapsed_ns: int) -> None:
        tasks = self.context.ledger.tasks
        assigned = worker.assigned
        kept: set[int] = set()
        spec = None
        for position, identifier in enumerate(ids):
            task = tasks.get(identifier)
            if task is None or task.state >= SUCCEEDED or identifier not in assigned:
                self._on_done_late(worker, ids[position:], payloads[position:])
                ids, payloads = ids[:position], payloads[:position]
                break
            spec = task.spec
            if task.dependents is not None:
                kept.add(identifier)
        if spec is None:
            return
        assigned.difference_update(ids)
        worker.give_back(spec, len(ids))
        worker.tasks_done += len(ids)
        worker.busy_ns += elapsed_ns
        spec.cost.observe(len(ids), elapsed_ns)
        self.context.record(TasksSucceeded(ids, payloads))
        self.delivery.succeeded(ids, payloads, kept)

    def _on_done_late(self, worker: Worker, ids: list[int], payloads: list[bytes]) -> None:
        """Successes one by one: some have ended already, or are with another worker by now."""
        for identifier, payload in zip(ids, payloads, strict=True):
            task = self.context.ledger.tasks.get(identifier)
            if task is None or task.state >= SUCCEEDED:
                continue
            self.endings.leave_worker([task], stop=task.worker != worker.name)
            kept = {identifier} if task.dependents is not None else set()
            worker.tasks_done += 1
            self.context.record(TasksSucceeded([identifier], [payload]))
            self.delivery.succeeded([identifier], [payload], kept)

    def _on_failure(self, worker: Worker, failure: Failure) -> None:
        task = self.context.ledger.tasks.get(failure.task)
        if task is None or failure.task not in worker.assigned or task.attempt != failure.attempt:
            return
        self.endings.leave_worker([task])
        options = task.spec.options
        if failure.kind in CHARGED_KINDS:
            self._lose_started([task], "", failure.error)
        elif failure.retryable and options.repeatable and task.failures < options.retries:
            due_ns = self.context.now.wall_ns + retry_delay_ns(task)
            self.context.record(AttemptFailed(task.id, due_ns))
        else:
            self.endings.fail(task, failure.error)

    def _return(self, worker: Worker, ids: list[int]) -> None:
        """Attempts that never started come back uncharged."""
        back = [identifier for identifier in ids if identifier in worker.assigned]
        if not back:
            return
        self.endings.leave_worker([self.context.ledger.tasks[identifier] for identifier in back])
        back.reverse()
        self.context.record(AttemptsReturned(back, False))
        self._unblock()

    def _unblock(self) -> None:
        """Tasks came back to queues that may have been served empty: let them look for room again."""
        for queue in self.context.ledger.ready:
            queue.blocked = False

    def on_started(self, worker: Worker, started: Started) -> None:
        """These run, and have for a while."""
        worker.stalled = started.stalled
        by_session: dict[int, list[int]] = {}
        for identifier in started.tasks:
            task = self.context.ledger.tasks.get(identifier)
            if task is not None and identifier in worker.assigned:
                task.state = START[task.state]
                by_session.setdefault(session_of(task.id), []).append(sequence_of(task.id))
        for session, sequences in by_session.items():
            client = self.context.roster.clients.get(session)
            if client is not None:
                self.context.send(client.connection, Running(sequences))
        self._renew(worker)
        self.context.gained[worker] = None

    # --- departure -------------------------------------------------------------------------------

    def drain(self, worker: Worker) -> None:
        """Asks a worker to leave in peace."""
        worker.draining = True
        worker.version += 1
        self.context.send(worker.connection, Drain())

    def on_draining(self, worker: Worker) -> None:
        """The worker itself was asked to leave."""
        worker.draining = True
        worker.version += 1

    def on_goodbye(self, worker: Worker) -> None:
        """The worker has left on purpose; nothing that it still held had started."""
        self._return(worker, list(worker.assigned))
        self.context.log(INFO, f"worker {worker.name} has left")
        self._dismiss(worker)

    # --- time ------------------------------------------------------------------------------------

    def wake_due(self) -> None:
        """Tasks whose pause before a retry is over become ready."""
        ledger = self.context.ledger
        now_ns = self.context.now.wall_ns
        due = ledger.due
        while due and due[0][0] <= now_ns:
            ready_at_ns, identifier = ledger.pop_due()
            task = ledger.tasks.get(identifier)
            if task is not None and task.state == WAITING and task.ready_at_ns == ready_at_ns:
                ledger.make_ready(task)


def _lost_error(task: Task, why: str) -> bytes:
    options = task.spec.options
    if not options.repeatable:
        rule = "it is not repeatable"
    else:
        rule = f"its losses_max of {options.losses_max} is spent"
    text = f"task {show_task(task.id)} ({task.spec.name}) was lost and {rule}: {why}"
    return encode_error(ErrorInfo("lost", "ganger.errors.AttemptLost", text))
