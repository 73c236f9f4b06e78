"""A master killed and restarted on its journal goes on: nothing acknowledged is lost, nothing runs twice."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganger
from ganger.errors import MasterUnreachable, TaskCancelled
from tests.hosts import LEASE_S, TwoHosts, two_hosts
from tests.misbehaviour import fail_until, noted, notes, wait_for
from tests.processes import PATIENCE_S, eventually, kill, wait_workers


@pytest.fixture
def hosts() -> Iterator[TwoHosts]:
    with two_hosts() as made:
        yield made


@pytest.fixture
def client(hosts: TwoHosts) -> Iterator[ganger.Client]:
    with hosts.connect() as made:
        yield made


def test_tasks_in_flight_are_delivered_to_the_new_master_without_a_second_run(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    futures = [client.submit(wait_for, str(gate), path, number) for number in range(12)]
    eventually("four of them running", lambda: len(notes(path)) == 4)
    hosts.kill_master()
    gate.touch()
    hosts.start_master()
    assert client.gather(futures, PATIENCE_S) == list(range(12))
    assert Counter(line.split()[0] for line in notes(path)) == Counter(map(str, range(12)))
    assert client.status().epoch == 2
    assert client.status().succeeded == 12


def test_what_runs_through_a_restart_is_not_run_again(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    once = client.options(repeatable=False)
    futures = [once.submit(wait_for, str(gate), path, number) for number in range(6)]
    eventually("four of them running", lambda: len(notes(path)) == 4)
    hosts.kill_master()
    hosts.start_master()
    wait_workers(client, 2)
    assert not any(future.done() for future in futures)
    gate.touch()
    assert client.gather(futures, PATIENCE_S) == list(range(6))
    assert Counter(line.split()[0] for line in notes(path)) == Counter(map(str, range(6)))


def test_thousands_of_tasks_survive_restart_after_restart(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    futures = []
    for start in range(0, 6000, 2000):
        futures += client.submit_many(noted, [path] * 2000, range(start, start + 2000))
        futures[start + 50].result(PATIENCE_S)
        hosts.kill_master()
        hosts.start_master()
    assert client.gather(futures, PATIENCE_S) == list(range(6000))
    assert Counter(map(int, notes(path))) == Counter(range(6000))
    assert client.status().succeeded == 6000


def test_a_tree_goes_on_after_a_restart(hosts: TwoHosts, client: ganger.Client, tmp_path: Path) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    level = [client.submit(wait_for, str(gate), path, number) for number in range(32)]
    while len(level) > 1:
        level = [client.submit(_add, a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    eventually("four of them running", lambda: len(notes(path)) == 4)
    hosts.kill_master()
    gate.touch()
    hosts.start_master()
    assert level[0].result(PATIENCE_S) == sum(range(32))


def _add(a: int, b: int) -> int:
    return a + b


def test_acknowledged_tasks_complete_though_every_other_process_is_killed(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    futures = [client.submit(wait_for, str(gate), path, number) for number in range(8)]
    eventually("four of them running", lambda: len(notes(path)) == 4)
    first = {line.split()[0] for line in notes(path)}
    hosts.kill_master()
    hosts.kill_workers()
    gate.touch()
    hosts.start_master()
    assert client.gather(futures, PATIENCE_S) == list(range(8))
    runs = Counter(line.split()[0] for line in notes(path))
    assert runs == Counter({str(number): 1 + (str(number) in first) for number in range(8)})


def test_what_is_submitted_while_the_master_is_away_runs_when_it_is_back(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    assert client.submit(noted, path, 0).result(PATIENCE_S) == 0
    hosts.kill_master()
    futures = client.submit_many(noted, [path] * 100, range(1, 101))
    eventually("the client knows", lambda: _is_away(client))
    assert not any(future.done() for future in futures)
    hosts.start_master()
    assert client.gather(futures, PATIENCE_S) == list(range(1, 101))
    assert Counter(notes(path)) == Counter(map(str, range(101)))


def _is_away(client: ganger.Client) -> bool:
    try:
        client.status()
    except MasterUnreachable:
        return True
    return False


def test_errors_and_cancellations_are_remembered_across_a_restart(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    failed = client.submit(int, "no number")
    assert isinstance(failed.exception(PATIENCE_S), ValueError)
    running = [client.submit(wait_for, str(gate), path, number) for number in range(4)]
    cancelled = client.submit(noted, path, 99)
    eventually("four of them running", lambda: len(notes(path)) == 4)
    cancelled.cancel()
    client.status()
    hosts.kill_master()
    hosts.start_master()
    gate.touch()
    assert client.gather(running, PATIENCE_S) == list(range(4))
    with pytest.raises(TaskCancelled):
        cancelled.result()
    dependent = client.submit(pow, 2, failed)
    assert isinstance(dependent.exception(PATIENCE_S), ValueError)
    assert "99" not in notes(path)


def test_a_master_that_hangs_and_wakes_loses_no_worker_and_no_task(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    futures = [client.submit(wait_for, str(gate), path, number) for number in range(8)]
    eventually("four of them running", lambda: len(notes(path)) == 4)
    before = {worker.pid for worker in client.workers()}
    (master,) = hosts.master.children()
    kill(master.pid, signal.SIGSTOP)
    gate.touch()
    time.sleep(LEASE_S + 0.2)
    kill(master.pid, signal.SIGCONT)
    assert client.gather(futures, PATIENCE_S) == list(range(8))
    assert Counter(line.split()[0] for line in notes(path)) == Counter(map(str, range(8)))
    assert {worker.pid for worker in wait_workers(client, 2)} == before


def test_a_retry_that_was_due_while_the_master_was_away_is_made(
    hosts: TwoHosts, client: ganger.Client, tmp_path: Path
) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    patient = client.options(retries=10_000, retry_delay_s=0.02, retry_delay_max_s=0.05)
    future = patient.submit(fail_until, str(gate), path)
    eventually("some failures", lambda: len(notes(path)) >= 3)
    hosts.kill_master()
    gate.touch()
    hosts.start_master()
    assert future.result(PATIENCE_S) >= 3
