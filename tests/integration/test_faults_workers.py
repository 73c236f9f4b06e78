"""A worker that dies, hangs, leaves or runs short of memory costs time; its work is done elsewhere, once."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import ganger
from ganger import Cluster
from ganger.config import WorkerSettings
from ganger.errors import AttemptLost, OutOfMemory
from ganger.host.plan import HostPlan
from ganger.master.server import MasterPlan
from ganger.protocol.views import WorkerView
from ganger.worker.agent import WorkerPlan
from tests.hosts import Host
from tests.misbehaviour import noted, notes, sleep_for_ever, wait_for, where
from tests.processes import (
    PATIENCE_S,
    eventually,
    kill,
    quick_cluster,
    short_folder,
    wait_gone,
    wait_workers,
)


@pytest.fixture
def pair() -> Iterator[Cluster]:
    """Two workers of one slot each."""
    with quick_cluster(slots=1, workers=2) as made:
        yield made


class Gated:
    """Tasks that wait, each for a gate of its own, so that a test decides which ends when."""

    def __init__(self, cluster: ganger.Client, folder: Path, count: int, **options: object) -> None:
        self.path = str(folder / "gated")
        self.gates = [folder / f"gate-{number}" for number in range(count)]
        client = cluster.options(**options)
        self.futures = [
            client.submit(wait_for, str(gate), self.path, number) for number, gate in enumerate(self.gates)
        ]

    def homes(self) -> list[tuple[int, int]]:
        """What has started, in order: the task's number and the executor's process."""
        pairs = [line.split() for line in notes(self.path)]
        return [(int(number), int(pid)) for number, pid in pairs]

    def wait_started(self, count: int) -> list[tuple[int, int]]:
        """Waits until so many have started."""
        return eventually(f"{count} starts", lambda: self.homes() if len(self.homes()) >= count else [])

    def held_by(self, worker: WorkerView) -> int:
        """The number of the task that started last on a worker."""
        return next(number for number, pid in reversed(self.homes()) if pid in worker.executors)

    def open(self) -> None:
        """Opens every gate."""
        for gate in self.gates:
            gate.touch()


# ----------------------------------------------------------------------------------------------- SIGKILL


def test_a_worker_killed_in_the_middle_of_thousands_costs_no_result(pair: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    futures = pair.submit_many(noted, [path] * 4000, range(4000))
    futures[400].result(PATIENCE_S)
    victim = pair.workers()[0]
    kill(victim.pid)
    assert pair.gather(futures, PATIENCE_S) == list(range(4000))
    runs = Counter(map(int, notes(path)))
    assert set(runs) == set(range(4000))
    assert max(runs.values()) <= 2, "only what was on the lost worker runs again, and once"
    assert pair.status().succeeded == 4000
    assert victim.pid not in {worker.pid for worker in wait_workers(pair, 2)}


def test_what_may_not_be_repeated_is_lost_with_its_worker_and_the_rest_runs_once(
    pair: Cluster, tmp_path: Path
) -> None:
    gated = Gated(pair, tmp_path, 6, repeatable=False)
    gated.wait_started(2)
    victim = pair.workers()[0]
    lost = gated.held_by(victim)
    kill(victim.pid)
    error = gated.futures[lost].exception(PATIENCE_S)
    assert isinstance(error, AttemptLost)
    assert "not repeatable" in str(error)
    assert victim.name in str(error)
    gated.open()
    others = [future for number, future in enumerate(gated.futures) if number != lost]
    assert pair.gather(others, PATIENCE_S) == [number for number in range(6) if number != lost]
    assert Counter(number for number, _ in gated.homes()) == Counter(range(6))


def test_a_task_that_is_lost_more_often_than_it_may_be_says_so(pair: Cluster, tmp_path: Path) -> None:
    gated = Gated(pair, tmp_path, 1, losses_max=1)
    for count in (1, 2):
        _, home = gated.wait_started(count)[-1]
        eventually("it is known to run", gated.futures[0].running)
        present = wait_workers(pair, 2)
        kill(next(worker.pid for worker in present if home in worker.executors))
    error = gated.futures[0].exception(PATIENCE_S)
    assert isinstance(error, AttemptLost)
    assert "losses_max of 1" in str(error)
    assert len(gated.homes()) == 2


# ----------------------------------------------------------------------------------------------- SIGSTOP


def test_the_work_of_a_worker_that_hangs_runs_elsewhere_and_its_return_does_no_harm(
    pair: Cluster, tmp_path: Path
) -> None:
    gated = Gated(pair, tmp_path, 2)
    gated.wait_started(2)
    hung, other = pair.workers()
    stuck, free = gated.held_by(hung), gated.held_by(other)
    kill(hung.pid, signal.SIGSTOP)
    gated.gates[free].touch()
    assert gated.futures[free].result(PATIENCE_S) == free
    number, home = gated.wait_started(3)[-1]
    assert number == stuck
    assert home in other.executors, "after its lease what it had runs elsewhere"
    gated.gates[stuck].touch()
    assert gated.futures[stuck].result(PATIENCE_S) == stuck
    kill(hung.pid, signal.SIGCONT)
    assert {worker.pid for worker in wait_workers(pair, 2)} == {hung.pid, other.pid}
    again = Gated(pair, tmp_path, 2)
    assert {home for _, home in again.wait_started(5)[-2:]} == {*hung.executors, *other.executors}
    assert pair.gather(again.futures, PATIENCE_S) == [0, 1]
    assert pair.status().succeeded == 4, "each result was recorded once"


def test_a_worker_that_returns_with_work_done_elsewhere_drops_it(pair: Cluster, tmp_path: Path) -> None:
    gated = Gated(pair, tmp_path, 1)
    ((_, home),) = gated.wait_started(1)
    hung, other = sorted(pair.workers(), key=lambda worker: home not in worker.executors)
    kill(hung.pid, signal.SIGSTOP)
    gated.wait_started(2)
    kill(home, signal.SIGSTOP)
    gated.gates[0].touch()
    assert gated.futures[0].result(PATIENCE_S) == 0
    kill(hung.pid, signal.SIGCONT)
    fresh = eventually(
        "the stale attempt ended, its executor replaced",
        lambda: [w for w in wait_workers(pair, 2) if w.pid == hung.pid and home not in w.executors],
    )
    homes = {pair.options(workers=worker.name).submit(where).result(PATIENCE_S) for worker in [*fresh, other]}
    assert homes == {*fresh[0].executors, *other.executors}


def test_a_worker_that_hangs_for_less_than_its_lease_loses_nothing(tmp_path: Path) -> None:
    patient = {"master": {"worker_lease_s": PATIENCE_S}, "worker": {"beat_s": 0.02}}
    with quick_cluster(slots=1, workers=2, settings=patient) as cluster:
        gated = Gated(cluster, tmp_path, 4)
        gated.wait_started(2)
        hung = cluster.workers()[0]
        kill(hung.pid, signal.SIGSTOP)
        time.sleep(0.2)
        gated.open()
        kill(hung.pid, signal.SIGCONT)
        assert cluster.gather(gated.futures, PATIENCE_S) == list(range(4))
        assert Counter(number for number, _ in gated.homes()) == Counter(range(4))


# ------------------------------------------------------------------------------------------------- leaving


@pytest.mark.parametrize("how", ["the client asks", "SIGTERM"])
def test_a_draining_worker_finishes_what_runs_and_returns_the_rest(
    pair: Cluster, tmp_path: Path, how: str
) -> None:
    path = str(tmp_path / "notes")
    gated = Gated(pair, tmp_path, 2)
    gated.wait_started(2)
    waiting = [pair.submit(where) for _ in range(20)]
    leaving, staying = pair.workers()
    if how == "SIGTERM":
        kill(leaving.pid, signal.SIGTERM)
    else:
        pair.drain_workers([leaving.name])
    eventually("it drains", lambda: {w.name: w.state for w in pair.workers()}[leaving.name] == "draining")
    gated.gates[gated.held_by(staying)].touch()
    assert set(pair.gather(waiting, PATIENCE_S)) == set(staying.executors)
    assert not gated.futures[gated.held_by(leaving)].done()
    agent = psutil.Process(leaving.pid)
    gated.open()
    assert pair.gather(gated.futures, PATIENCE_S) == [0, 1]
    assert len(gated.homes()) == 2, "neither was run again"
    wait_gone([agent])
    assert [worker.name for worker in wait_workers(pair, 1)] == [staying.name]
    assert pair.gather(pair.submit_many(noted, [path] * 20, range(20)), PATIENCE_S) == list(range(20))


# ------------------------------------------------------------------------------------------- short of memory


def test_a_worker_under_memory_pressure_gets_no_more() -> None:
    pressed = WorkerSettings(beat_s=0.05, memory_fraction_pause=0.0)
    workers = [WorkerPlan("", "pressed", 1, settings=pressed), WorkerPlan("", "free", 1)]
    with short_folder() as folder:
        address = f"unix:{folder}/master"
        host = Host(HostPlan(MasterPlan([address]), workers), folder)
        try:
            host.wait_ready("master", "pressed", "free")
            with ganger.connect(address) as client:
                _check_only_the_free_one_works(client)
        finally:
            host.close()


def _check_only_the_free_one_works(client: ganger.Client) -> None:
    def states() -> dict[str, str]:
        return {worker.name: worker.state for worker in client.workers()}

    eventually("pressure", lambda: states().get("pressed") == "pressed")
    (free,) = (worker for worker in client.workers() if worker.name == "free")
    homes = client.gather([client.submit(where) for _ in range(50)], PATIENCE_S)
    assert set(homes) == set(free.executors)


def test_the_largest_task_ends_when_the_machine_runs_out_of_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    greedy = {"worker": {"memory_fraction_kill": 0.0, "memory_check_s": 0.02}}
    with quick_cluster(slots=1, settings=greedy) as cluster:
        error = cluster.options(losses_max=1).submit(sleep_for_ever, path).exception(PATIENCE_S)
        assert isinstance(error, OutOfMemory)
        assert "the machine" in str(error)
        assert error.peak_bytes > 0
        assert len(notes(path)) == 2
