"""A random cluster keeps its invariants at every step, and comes to rest when nothing goes wrong any more.

Workers really begin attempts, or not, whether the master knows it or not; they crash, vanish, come back or are
restarted; clients come and go; the master is killed and reads its journal again. What must hold at each step:
the core's own invariants, a result never changes, and what must not run twice is never begun twice.
"""

from __future__ import annotations

from typing import TypeVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from ganger.core.lifecycle import SUCCEEDED
from ganger.protocol import messages as m
from tests.environment.cluster import Environment
from tests.environment.obedient import ObedientClient, ObedientWorker
from tests.environment.peers import MS_NS

T = TypeVar("T")
ROUNDS_MAX = 200

SPECS: list[dict[str, object]] = [
    {"name": "plain"},
    {"name": "urgent", "priority": 3},
    {"name": "stubborn", "retries": 2, "retry_delay_s": 0.5, "losses_max": 1},
    {"name": "once", "repeatable": False},
    {"name": "wide", "resources": {"cpu": 2.0}},
    {"name": "needy", "resources": {"memory": 2.0}, "retries": 1},
    {"name": "fetch", "concurrency": 3},
    {"name": "pinned", "workers": ["anchor"], "losses_max": 0},
]


class Cluster(RuleBasedStateMachine):
    """Clients, workers and a master, all of whom may fail."""

    tasks = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.environment = Environment(
            cascade_tasks_max=3,
            batch_events_max=4,
            result_window_bytes=200,
            session_timeout_s=60.0,
            worker_lease_s=5.0,
        )
        self.workers: list[ObedientWorker] = []
        self.clients: list[ObedientClient] = []
        self.results: dict[int, bytes] = {}
        self.begun_once: set[int] = set()
        self.once_specs: set[int] = set()
        self.values = 0
        self.join_worker("anchor", 3, local=False)
        self.join_client()

    # --- who takes part --------------------------------------------------------------------------

    def join_worker(self, name: str, slots: int, *, local: bool) -> None:
        worker = ObedientWorker(self.environment, name, slots, {"memory": 4.0}, 100 + len(self.workers))
        self.environment.peers.append(worker)
        self.workers.append(worker)
        worker.join(local=local)

    def join_client(self) -> None:
        client = ObedientClient(self.environment, f"client-{len(self.environment.peers)}", SPECS)
        self.environment.peers.append(client)
        self.clients.append(client)
        client.join()

    def pick(self, data: st.DataObject, choices: list[T]) -> T:
        return choices[data.draw(st.integers(0, len(choices) - 1))]

    def present(self) -> list[ObedientWorker]:
        return [worker for worker in self.workers if worker.connected]

    def with_begun(self) -> list[ObedientWorker]:
        return [worker for worker in self.workers if worker.begun]

    # --- clients ---------------------------------------------------------------------------------

    @rule(data=st.data(), spec=st.integers(1, len(SPECS)), count=st.integers(1, 4))
    def submit(self, data: st.DataObject, spec: int, count: int) -> None:
        client = self.pick(data, self.clients)
        if not client.session:
            return
        known = [task for task in client.calls if task not in client.released]
        inputs = None
        if known and data.draw(st.booleans()):
            some = st.lists(st.sampled_from(known[-6:]), max_size=3)
            inputs = data.draw(st.lists(some, min_size=count, max_size=count))
        client.call(spec, count, inputs)
        self.environment.run()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        client = self.pick(data, self.clients)
        if client.calls and client.ready:
            client.cancel(*data.draw(st.lists(st.sampled_from(client.calls), max_size=4)))

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        client = self.pick(data, self.clients)
        if client.calls and client.ready:
            chosen = data.draw(st.sets(st.sampled_from(client.calls), max_size=4))
            client.released |= chosen
            client.release(*chosen)

    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        client = self.pick(data, self.clients)
        if client.kept and client.ready:
            client.fetch(self.pick(data, sorted(client.kept)))

    @rule(data=st.data())
    def client_goes_away_or_comes_back(self, data: st.DataObject) -> None:
        client = self.pick(data, self.clients)
        if client.connected:
            client.disconnect()
        else:
            client.join()

    @precondition(lambda self: len(self.clients) < 3)
    @rule()
    def another_client_comes(self) -> None:
        self.join_client()

    @precondition(lambda self: len(self.clients) > 1)
    @rule()
    def a_client_leaves(self) -> None:
        client = self.clients.pop()
        if client.ready:
            client.goodbye()

    # --- workers ---------------------------------------------------------------------------------

    @precondition(lambda self: len(self.workers) < 4)
    @rule(slots=st.integers(1, 3), local=st.booleans())
    def another_worker_comes(self, slots: int, local: bool) -> None:
        self.join_worker(f"worker-{len(self.environment.peers)}", slots, local=local)

    @rule(data=st.data(), announced=st.booleans())
    def begin(self, data: st.DataObject, announced: bool) -> None:
        """A worker begins some of what it holds; the master may hear of it or not."""
        worker = self.pick(data, self.workers)
        waiting = [task for task in worker.holds if task not in worker.begun]
        if not waiting:
            return
        for task in data.draw(st.lists(st.sampled_from(waiting), min_size=1, max_size=3, unique=True)):
            worker.begun.add(task)
            self.note_begin(worker, task)
        if announced and worker.connected:
            worker.start(*[task for task in worker.holds if task in worker.begun])

    def note_begin(self, worker: ObedientWorker, task: int) -> None:
        if not worker.options[task].repeatable:
            assert task not in self.begun_once, f"{task} must not run twice and was begun again"
            self.begun_once.add(task)

    @precondition(lambda self: self.with_begun())
    @rule(data=st.data(), elapsed_ns=st.sampled_from([1_000, MS_NS // 10, 20 * MS_NS]))
    def succeed(self, data: st.DataObject, elapsed_ns: int) -> None:
        worker = self.pick(data, self.with_begun())
        ended = data.draw(st.sets(st.sampled_from(sorted(worker.begun)), min_size=1, max_size=4))
        self.values += 1
        for task in ended:
            worker.end(task)
        worker.report(dict.fromkeys(sorted(ended), b"value %d" % self.values), elapsed_ns=elapsed_ns)

    @precondition(lambda self: self.with_begun())
    @rule(data=st.data(), kind=st.sampled_from(["exception", "timeout", "crash", "memory"]))
    def fail(self, data: st.DataObject, kind: str) -> None:
        worker = self.pick(data, self.with_begun())
        task = self.pick(data, sorted(worker.begun))
        worker.end(task)
        worker.fail(task, kind=kind, retryable=kind in ("exception", "timeout"), error=b"error")

    @rule(data=st.data())
    def a_stopped_attempt_ends_all_the_same(self, data: st.DataObject) -> None:
        worker = self.pick(data, self.workers)
        if worker.zombies:
            task = self.pick(data, sorted(worker.zombies))
            worker.end(task)
            self.values += 1
            worker.report({task: b"late %d" % self.values})

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self.pick(data, self.workers).give_back_waiting()

    @rule(data=st.data(), local=st.booleans())
    def worker_goes_away_or_comes_back(self, data: st.DataObject, local: bool) -> None:
        worker = self.pick(data, self.workers)
        if worker.connected:
            worker.disconnect()
        else:
            worker.rejoin(local=local)

    @rule(data=st.data(), at_once=st.booleans())
    def worker_dies(self, data: st.DataObject, at_once: bool) -> None:
        worker = self.pick(data, self.workers)
        worker.die()
        if at_once:
            worker.rejoin()

    @rule(data=st.data(), pressed=st.booleans(), load=st.sampled_from([0.0, 2.0]), stalled=st.integers(0, 2))
    def beat(self, data: st.DataObject, pressed: bool, load: float, stalled: int) -> None:
        worker = self.pick(data, self.workers)
        if worker.connected:
            worker.beat(pressed=pressed, load=load, stalled=min(stalled, worker.offer.slots))

    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        worker = self.pick(data, self.present()) if self.present() else None
        if worker is None or worker.name == "anchor":
            return
        if worker.draining and not worker.holds and not worker.unrecorded:
            worker.say(m.Goodbye())
            self.environment.run()
            self.workers.remove(worker)
            return
        worker.draining = True
        worker.say(m.Draining())
        worker.give_back_waiting()

    # --- the master and time ---------------------------------------------------------------------

    @rule(duration_s=st.sampled_from([0.01, 0.3, 1.5, 4.0]))
    def time_passes(self, duration_s: float) -> None:
        self.environment.advance(duration_s)

    @rule(duration_s=st.sampled_from([6.0, 61.0]))
    def nobody_is_heard_of_for_long(self, duration_s: float) -> None:
        self.environment.advance(duration_s)

    @rule(durable=st.booleans())
    def the_master_is_killed(self, durable: bool) -> None:
        if self.environment.journal.held and durable:
            batch, _ = self.environment.journal.held.pop()
            self.environment.journal.batches.append(batch)
        self.environment.restart()

    @rule()
    def the_disk_is_slow_or_not(self) -> None:
        journal = self.environment.journal
        if journal.held is None:
            journal.held = []
            return
        if journal.held:
            journal.sync()
        journal.held = None
        self.environment.run()

    @rule()
    def the_disk_is_done_with_a_batch(self) -> None:
        if self.environment.journal.held:
            self.environment.journal.sync()
            self.environment.run()

    @rule(accepting=st.booleans())
    def the_disk_fills_or_not(self, accepting: bool) -> None:
        self.environment.journal.accepting = accepting

    @precondition(lambda self: self.environment.pump.idle)
    @rule()
    def a_replay_makes_the_same_ledger(self) -> None:
        self.environment.pump.flush()
        self.the_disk_is_done_with_a_batch()
        self.environment.check_replay()
        self.environment.check_image()

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def results_never_change(self) -> None:
        self.environment.warnings.clear()
        if self.environment.journal.held:
            return  # what is not durable has not happened yet
        for identifier, task in self.environment.ledger.tasks.items():
            if task.state is SUCCEEDED:
                known = self.results.setdefault(identifier, task.result)
                assert known == task.result, f"the result of {identifier} changed"

    def teardown(self) -> None:
        """Nothing goes wrong any more: everything must end, and nothing may be left."""
        self.calm_down()
        for _ in range(ROUNDS_MAX):
            if not self.environment.ledger.totals.unfinished:
                break
            self.work_on()
        assert not self.environment.ledger.totals.unfinished, "the cluster does not come to rest"
        self.results_never_change()
        self.bring_everybody_back()
        for client in self.clients:
            self.check_told(client)
            client.release(*(set(client.calls) - client.refused))
        self.outlive_forgotten_sessions()
        self.environment.assert_empty()
        self.environment.finish()

    def calm_down(self) -> None:
        environment = self.environment
        if environment.journal.held is not None:
            self.the_disk_is_slow_or_not()
        environment.journal.accepting = True
        environment.run()
        for worker in self.workers:
            if worker.draining:
                worker.die()
        self.bring_everybody_back()

    def bring_everybody_back(self) -> None:
        for worker in self.workers:
            if not worker.connected:
                worker.rejoin()
            worker.beat()
        for client in self.clients:
            if not client.connected:
                client.join()
            client.ping()

    def work_on(self) -> None:
        self.bring_everybody_back()
        for worker in self.workers:
            for task in [task for task in worker.holds if task not in worker.begun]:
                worker.begun.add(task)
                self.note_begin(worker, task)
            if worker.holds:
                ended = list(worker.holds)
                for task in ended:
                    worker.end(task)
                worker.report(dict.fromkeys(ended, b"calm"))
        self.environment.advance(1.0)

    def outlive_forgotten_sessions(self) -> None:
        """A goodbye may have been lost with a master; then the session ends by its silence."""
        for _ in range(35):
            self.bring_everybody_back()
            self.environment.advance(2.0)

    def check_told(self, client: ObedientClient) -> None:
        """Every client knows of the end of each of its calls."""
        for _ in range(ROUNDS_MAX):
            if not client.untold:
                break
            done = client.ended & set(client.calls)
            client.released |= done
            client.release(*done)
        assert not client.untold, f"{client.name} was never told of {client.untold}"


TestRandomCluster = Cluster.TestCase
TestRandomCluster.settings = settings(max_examples=60, stateful_step_count=60)
