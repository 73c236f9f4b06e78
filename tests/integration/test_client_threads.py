"""One client, many threads and many event loops: all of them work, and none waits for another."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ganger
from ganger import AsyncClient, Cluster, Future
from ganger.errors import ClusterClosed
from tests.integration import jobs


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns as often as they can, so that what can come between comes between."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Runs `work(number)` in so many threads at once; returns what they returned, or raises what one raised."""
    found: dict[int, Any] = {}
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            found[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [found[number] for number in range(count)]


@pytest.mark.usefixtures("hectic")
def test_many_threads_submit_and_wait_on_one_client(cluster: Cluster) -> None:
    def work(start: int) -> list[int]:
        futures = [cluster.submit(jobs.double, start * 1_000 + number) for number in range(300)]
        return [future.result() for future in futures]

    assert together(8, work) == [
        [2 * (start * 1_000 + number) for number in range(300)] for start in range(8)
    ]


@pytest.mark.usefixtures("hectic")
def test_one_future_is_waited_for_by_many_threads(cluster: Cluster) -> None:
    for round_ in range(100):
        future = cluster.submit(jobs.same, [round_])
        values = together(6, lambda _, future=future: future.result())
        assert all(value is values[0] for value in values)
        assert values[0] == [round_]


@pytest.mark.usefixtures("hectic")
def test_one_failure_is_asked_for_by_many_threads(cluster: Cluster) -> None:
    for _ in range(50):
        future = cluster.submit(jobs.fail, "broken")
        errors = together(6, lambda _, future=future: future.exception())
        assert all(error is errors[0] for error in errors)
        assert isinstance(errors[0], ValueError)


@pytest.mark.usefixtures("hectic")
def test_futures_are_passed_on_between_threads_while_they_end(cluster: Cluster) -> None:
    futures: list[Future[int]] = cluster.submit_many(jobs.double, range(400))

    def work(_: int) -> list[int]:
        return [cluster.submit(jobs.add, future, 1).result() for future in futures]

    assert together(4, work) == [[2 * number + 1 for number in range(400)]] * 4


@pytest.mark.usefixtures("hectic")
def test_many_threads_map_at_once(cluster: Cluster) -> None:
    found = together(6, lambda start: list(cluster.map(jobs.add, range(200), [start] * 200)))
    assert found == [[number + start for number in range(200)] for start in range(6)]


@pytest.mark.usefixtures("hectic")
def test_submitting_and_cancelling_from_many_threads_loses_nothing(cluster: Cluster) -> None:
    def work(number: int) -> int:
        kept = 0
        for _ in range(100):
            future = cluster.submit(jobs.double, 1)
            if number % 2 and future.cancel():
                assert future.cancelled()
            else:
                kept += future.result() == 2
        return kept

    found = together(4, work)
    assert (found[0], found[2]) == (100, 100)


def test_a_wait_ends_when_another_thread_closes_the_client() -> None:
    client = Cluster(slots=1)
    held = client.submit(jobs.never)
    closer = threading.Timer(0.1, client.close)
    closer.start()
    with pytest.raises(ClusterClosed):
        held.result()
    closer.join()
    assert ganger.wait([held]).done == {held}


def test_a_submit_that_waits_for_room_ends_when_another_thread_closes_the_client() -> None:
    client = Cluster(
        slots=1,
        settings={"client": {"buffered_tasks_max": 5}, "master": {"session_credit_tasks": 5}},
    )
    closer = threading.Timer(0.3, client.close)
    closer.start()
    with pytest.raises(ClusterClosed):
        for _ in range(100_000):
            client.submit(jobs.never)
    closer.join()


# --- event loops ---------------------------------------------------------------------------------


def test_several_event_loops_use_one_client(cluster: Cluster) -> None:
    client = AsyncClient(cluster)
    shared = cluster.submit(jobs.sleep_then, 0.05, 7)

    async def main(start: int) -> list[int]:
        futures = await client.submit_many(jobs.add, range(100), [start] * 100)
        return [await shared, *await client.gather(futures)]

    found = together(5, lambda start: asyncio.run(main(start)))
    assert found == [[7, *(number + start for number in range(100))] for start in range(5)]


def test_one_loop_after_another_uses_one_client(cluster: Cluster) -> None:
    client = AsyncClient(cluster)

    async def main(number: int) -> int:
        return await (await client.submit(jobs.double, number))

    assert [asyncio.run(main(number)) for number in range(5)] == [0, 2, 4, 6, 8]


def test_a_loop_that_was_closed_while_it_waited_harms_nobody(cluster: Cluster, tmp_path: Path) -> None:
    future = cluster.submit(jobs.wait_at, tmp_path / "gate", 5)

    async def wait() -> object:
        return await future

    loop = asyncio.new_event_loop()
    waiting = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0.01))
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    (tmp_path / "gate").touch()
    assert future.result() == 5
    assert cluster.submit(jobs.double, 1).result() == 2
