"""What a task does to its own process, and what others do to the processes of a worker, is survived."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ganger import Cluster
from ganger.errors import AttemptLost, ExecutorCrashed, TaskTimeout
from tests.misbehaviour import (
    MIB,
    blob,
    close_all_descriptors,
    exit_at_once,
    fork_and_return,
    kill_an_ancestor,
    leave_the_folder,
    noted,
    noted_after,
    noted_blob,
    notes,
    print_much,
    run_a_process,
    sleep_for_ever,
    start_a_process,
    start_a_process_and_stay,
    start_threads,
    wait_for,
    where,
)
from tests.processes import (
    PATIENCE_S,
    Program,
    eventually,
    family,
    is_alive,
    kill,
    process,
    quick_cluster,
    wait_gone,
    wait_workers,
    zygote_of,
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with quick_cluster(slots=1) as made:
        yield made


# -------------------------------------------------------------------------- what a task does to its process


def test_a_task_may_run_other_processes(cluster: Cluster) -> None:
    home = cluster.submit(where).result(PATIENCE_S)
    assert cluster.submit(run_a_process, "said").result(PATIENCE_S) == "said"
    assert cluster.submit(where).result(PATIENCE_S) == home


def test_threads_that_never_end_hold_up_nothing(cluster: Cluster) -> None:
    home = cluster.submit(where).result(PATIENCE_S)
    assert cluster.submit(start_threads, 5).result(PATIENCE_S) >= 6
    assert cluster.submit(where).result(PATIENCE_S) == home
    assert isinstance(
        cluster.options(losses_max=0).submit(exit_at_once).exception(PATIENCE_S), ExecutorCrashed
    )
    wait_gone([process(home)])


def test_a_task_that_changes_the_folder_does_no_harm(cluster: Cluster) -> None:
    assert cluster.submit(leave_the_folder).result(PATIENCE_S) == "/"
    assert cluster.submit(pow, 2, 5).result(PATIENCE_S) == 32


@pytest.mark.parametrize("first", [0, 3])
def test_a_task_that_closes_all_descriptors_ends_its_executor_alone(cluster: Cluster, first: int) -> None:
    home = cluster.submit(where).result(PATIENCE_S)
    closing = cluster.options(losses_max=0).submit(close_all_descriptors, first)
    behind = cluster.submit(where)
    error = closing.exception(PATIENCE_S)
    assert error is None or isinstance(error, ExecutorCrashed)
    assert behind.result(PATIENCE_S) != home
    wait_gone([process(home)])


def test_a_task_that_forks_and_forgets_its_child_is_run_by_one_of_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    for _ in range(3):
        assert cluster.submit(fork_and_return, path).result(PATIENCE_S) > 0, "the parent's value counts"
        assert list(cluster.map(pow, [2] * 50, range(50), timeout=PATIENCE_S)) == [2**n for n in range(50)]
    (worker,) = cluster.workers()
    wait_gone(psutil.Process(worker.executors[0]).children())


def test_what_a_crashed_task_had_started_ends_with_it(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    cluster.submit(start_a_process, path).result(PATIENCE_S)
    cluster.options(losses_max=0).submit(exit_at_once).exception(PATIENCE_S)
    wait_gone([process(pid) for pid in notes(path)])


PRINTING = """
import ganger, sys
from tests.misbehaviour import print_much

if len(sys.argv) > 1:
    with ganger.Cluster(slots=1) as cluster:
        cluster.submit(print_much, sys.argv[1]).result()
"""


def test_what_a_task_prints_is_seen_where_the_program_prints(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = Program(PRINTING, tmp_path, "a word from the task")
    request.addfinalizer(program.close)
    code, out, err = program.end()
    assert code == 0, err
    assert out.splitlines() == ["a word from the task"]
    assert err.splitlines() == ["a word from the task"]


def test_a_task_that_prints_does_no_harm(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    cluster.submit(print_much, "-").result(PATIENCE_S)
    assert cluster.submit(pow, 2, 5).result(PATIENCE_S) == 32
    capfd.readouterr()


# --------------------------------------------------------------------- what is done to a worker's processes


def test_executors_killed_in_a_batch_of_thousands_cost_what_ran_and_nothing_else(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    with quick_cluster(slots=2) as mine:
        futures = mine.submit_many(noted, [path] * 5000, range(5000))
        kills = 0
        for future in futures[500::1500]:
            future.result(PATIENCE_S)
            kill(mine.workers()[0].executors[kills % 2])
            kills += 1
            wait_workers(mine, 1)
        assert mine.gather(futures, PATIENCE_S) == list(range(5000))
    runs = Counter(map(int, notes(path)))
    assert set(runs) == set(range(5000))
    assert runs.total() <= 5000 + kills, "one executor runs one task at a time"


def test_an_executor_killed_from_outside_says_so_to_its_task(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(losses_max=1).submit(sleep_for_ever, path)
    for count in (1, 2):
        (*_, pid) = eventually(f"start {count}", lambda: notes(path)[count - 1 :])  # noqa: B023
        kill(int(pid))
    error = future.exception(PATIENCE_S)
    assert isinstance(error, ExecutorCrashed)
    assert "SIGKILL" in str(error)
    assert "from outside" in str(error)


@pytest.mark.parametrize("victim", ["agent", "zygote"])
def test_the_only_worker_is_replaced_and_no_task_is_lost(tmp_path: Path, victim: str) -> None:
    gate, path = tmp_path / "gate", str(tmp_path / "notes")
    with quick_cluster(slots=2) as mine:
        (worker,) = mine.workers()
        below = family(worker.pid)
        futures = [mine.submit(wait_for, str(gate), path, number) for number in range(6)]
        eventually("two of them running", lambda: len(notes(path)) == 2)
        kill(worker.pid if victim == "agent" else zygote_of(worker.pid).pid)
        wait_gone(below)
        gate.touch()
        assert mine.gather(futures, PATIENCE_S) == list(range(6))
        assert wait_workers(mine, 1)[0].pid != worker.pid


@pytest.mark.parametrize("victim", ["agent", "zygote"])
def test_executors_and_what_they_started_end_with_their_worker(tmp_path: Path, victim: str) -> None:
    path = str(tmp_path / "notes")
    with quick_cluster(slots=2) as mine:
        (worker,) = mine.workers()
        future = mine.options(losses_max=0).submit(start_a_process_and_stay, path)
        (grandchild,) = eventually("the grandchild", lambda: notes(path))
        below = [*family(worker.pid), process(grandchild)]
        kill(worker.pid if victim == "agent" else zygote_of(worker.pid).pid)
        wait_gone(below)
        future.cancel()
        wait_workers(mine, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("generations", [1, 2])
def test_a_task_that_kills_its_worker_again_and_again_fails_and_takes_no_other_along(
    tmp_path: Path, generations: int
) -> None:
    path, done = str(tmp_path / "notes"), str(tmp_path / "done")
    with quick_cluster(slots=2, workers=2) as mine:
        poison = mine.options(losses_max=1).submit(kill_an_ancestor, path, generations)
        others = [mine.submit(noted_after, 0.02, done, number) for number in range(20)]
        error = poison.exception(PATIENCE_S)
        assert isinstance(error, AttemptLost)
        assert mine.gather(others, PATIENCE_S) == list(range(20))
        wait_workers(mine, 2)
    assert 2 <= len(notes(path)) <= 3, "a first loss may be nobody's fault; later ones are its own"


# -------------------------------------------------------------------------------------- stopped, not killed


def test_an_executor_that_is_stopped_is_ended_by_the_timeout(cluster: Cluster, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    future = cluster.options(timeout_s=0.3).submit(sleep_for_ever, path)
    (pid,) = eventually("it runs", lambda: notes(path))
    kill(int(pid), signal.SIGSTOP)
    assert isinstance(future.exception(PATIENCE_S), TaskTimeout)
    assert cluster.submit(where).result(PATIENCE_S) != int(pid)


def test_results_wait_for_an_agent_that_is_stopped_however_many_they_are(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    patient = {"master": {"worker_lease_s": PATIENCE_S}, "worker": {"ring_bytes": 256 << 10}}
    with quick_cluster(slots=2, settings=patient) as mine:
        list(mine.map(noted_blob, [path] * 100, range(100), [0] * 100, timeout=PATIENCE_S))
        Path(path).unlink()
        (worker,) = mine.workers()
        futures = mine.submit_many(noted_blob, [path] * 400, range(400), [60_000] * 400)
        futures[0].result(PATIENCE_S)
        kill(worker.pid, signal.SIGSTOP)
        time.sleep(0.2)
        kill(worker.pid, signal.SIGCONT)
        assert [future.result(PATIENCE_S) for future in futures] == [blob(60_000)] * 400
    assert Counter(map(int, notes(path))) == Counter(range(400))


def test_large_results_survive_the_loss_of_the_executors_that_send_them() -> None:
    with quick_cluster(slots=2) as mine:
        futures = mine.options(losses_max=1000).submit_many(blob, [MIB + number for number in range(150)])
        for number in range(5, 150, 20):
            futures[number].result(PATIENCE_S)
            kill_one_if_there(mine, number % 2)
        for number, future in enumerate(futures):
            assert future.result(PATIENCE_S) == blob(MIB + number)


def kill_one_if_there(cluster: Cluster, number: int) -> None:
    """Kills an executor of the only worker, unless it is being replaced just now."""
    (worker,) = cluster.workers()
    victim = process(worker.executors[number]) if number < len(worker.executors) else None
    if victim is not None and is_alive(victim):
        victim.kill()
