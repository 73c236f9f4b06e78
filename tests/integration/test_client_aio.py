"""The asynchronous client: what `Client` does, and the event loop is never held up."""

import asyncio
import concurrent.futures
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

import ganger
from ganger import AsyncClient, Cluster, Future
from ganger.errors import ClusterClosed, InvalidOption, NotSerializable, TaskCancelled
from tests.integration import jobs

T = TypeVar("T")


@pytest.fixture
def client(cluster: Cluster) -> AsyncClient:
    return AsyncClient(cluster)


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.002)


def run(main: Awaitable[T]) -> T:
    async def outer() -> T:
        return await main

    return asyncio.run(outer())


@asynccontextmanager
async def beating() -> AsyncIterator[list[int]]:
    """Counts the turns that the loop takes meanwhile."""
    beats = [0]

    async def beat() -> None:
        while True:
            beats[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(beat())
    yield beats
    task.cancel()


# --- work ----------------------------------------------------------------------------------------


def test_submit_gives_a_future_to_await(client: AsyncClient) -> None:
    async def main() -> None:
        future = await client.submit(jobs.add, 1, 2, more=3)
        assert isinstance(future, Future)
        assert await future == 6
        assert await client.submit(jobs.double, future) is not future
        assert await client.gather(await client.submit_many(jobs.double, range(3))) == [0, 2, 4]

    run(main())


def test_errors_come_as_they_do_with_the_other_client(client: AsyncClient) -> None:
    async def main() -> None:
        with pytest.raises(NotSerializable, match="argument 0"):
            await client.submit(jobs.same, threading.Lock())
        with pytest.raises(InvalidOption, match="no option"):
            client.options(retrys=1)
        with pytest.raises(ValueError, match="broken") as caught:
            await (await client.submit(jobs.fail, "broken"))
        assert "in fail" in str(caught.value.__cause__)

    run(main())


def test_options_hold_for_what_is_submitted_through_them(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> int:
        patient = client.options(retries=2, retry_delay_s=0.001)
        return await (await patient.submit(jobs.fail_until, tmp_path / "tries", 2))

    assert run(main()) == 3


def test_the_loop_goes_on_while_a_result_is_awaited(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> None:
        future = await client.submit(jobs.wait_at, tmp_path / "gate", 5)
        async with beating() as beats:
            waiting = asyncio.ensure_future(client.gather([future]))
            await until(lambda: beats[0] > 50)
            (tmp_path / "gate").touch()
            assert await waiting == [5]

    run(main())


def test_submit_waits_for_room_without_holding_up_the_loop() -> None:
    async def main() -> None:
        settings = {
            "client": {"buffered_tasks_max": 5},
            "master": {"queued_tasks_max": 10, "session_credit_tasks": 5},
        }
        async with await ganger.aconnect("local", settings=settings) as client:
            async with beating() as beats:
                futures = await asyncio.gather(*(client.submit(jobs.double, number) for number in range(300)))
                assert await client.gather(futures) == [2 * number for number in range(300)]
            assert beats[0] > 1

    run(main())


def test_a_submit_that_waits_for_room_ends_when_the_client_is_closed() -> None:
    async def main() -> None:
        settings = {
            "client": {"buffered_tasks_max": 5},
            "master": {"session_credit_tasks": 5, "queued_tasks_max": 5},
        }
        client = await ganger.aconnect("local", settings=settings)
        blocked = [asyncio.ensure_future(client.submit(jobs.never)) for _ in range(100)]
        await asyncio.wait(blocked, timeout=0.2)
        waiting = [each for each in blocked if not each.done()]
        assert waiting
        waiting[0].cancel()
        await client.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert all(isinstance(outcome, ClusterClosed) for outcome in outcomes[1:])

    run(main())


# --- map -----------------------------------------------------------------------------------------


def test_map_gives_results_in_order_and_map_unordered_as_they_come(
    client: AsyncClient, tmp_path: Path
) -> None:
    async def main() -> None:
        found = [value async for value in client.map(jobs.sleep_then, [0.03, 0, 0.01], "abc")]
        assert found == ["a", "b", "c"]
        results = client.map_unordered(jobs.wait_at, [tmp_path / "gate", "/", "/"], "abc")
        assert {await anext(results), await anext(results)} == {"b", "c"}
        (tmp_path / "gate").touch()
        assert [value async for value in results] == ["a"]

    run(main())


@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_a_map_takes_only_what_its_window_needs(client: AsyncClient, method: str) -> None:
    taken = itertools.count()

    def items() -> Iterator[int]:
        for number in range(10_000_000):
            next(taken)
            yield number

    async def main() -> None:
        async with aclosing(getattr(client, method)(jobs.double, items())) as results:
            few = [await anext(results) for _ in range(5)]
        assert method == "map_unordered" or few == [0, 2, 4, 6, 8]

    run(main())
    assert next(taken) <= 10_005


@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_an_error_of_the_iterable_comes_after_the_results_before_it(client: AsyncClient, method: str) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("the file ends here")

    async def main() -> None:
        results = getattr(client, method)(jobs.double, items())
        assert {await anext(results), await anext(results)} == {2, 4}
        with pytest.raises(LookupError, match="the file ends here"):
            await anext(results)

    run(main())


def test_a_map_that_times_out_or_is_left_cancels_what_is_in_flight(
    client: AsyncClient, cluster: Cluster, tmp_path: Path
) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await anext(client.map(jobs.wait_at, [tmp_path / "gate"] * 5, timeout=0.01))
        async with aclosing(client.map_unordered(jobs.wait_at, ["/", *[tmp_path / "gate"] * 5])) as results:
            await anext(results)
        await until(lambda: not sum(cluster.status().tasks.values()))

    run(main())


# --- many futures --------------------------------------------------------------------------------


def test_as_completed_and_wait_know_how_futures_end(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> None:
        held = await client.submit(jobs.wait_at, tmp_path / "gate")
        quick = await client.submit(jobs.double, 1)
        ended = client.as_completed([held, quick, quick])
        assert await anext(ended) is quick
        assert await client.wait([held, quick], return_when="FIRST_COMPLETED") == ({quick}, {held})
        failing = await client.submit(jobs.fail)
        assert await client.wait([held, failing], return_when="FIRST_EXCEPTION") == ({failing}, {held})
        assert await client.wait([held, quick], timeout=0.01) == ({quick}, {held})
        (tmp_path / "gate").touch()
        assert [future async for future in ended] == [held]
        assert await client.wait([held, quick]) == ({held, quick}, set())
        with pytest.raises(InvalidOption, match="SOME"):
            await client.wait([], return_when="SOME")

    run(main())


def test_timeouts_end_waits_and_leave_nothing_behind(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> None:
        held = await client.submit(jobs.wait_at, tmp_path / "gate", 5)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await client.gather([held], timeout=0.01)
            with pytest.raises(TimeoutError):
                async with aclosing(client.as_completed([held], timeout=0.01)) as ended:
                    await anext(ended)
            await client.wait([held], timeout=0.01)
        assert not held._callbacks
        (tmp_path / "gate").touch()
        assert await held == 5

    run(main())


def test_cancel_ends_tasks_and_their_waits(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> None:
        futures = [await client.submit(jobs.wait_at, tmp_path / "gate") for _ in range(4)]
        waiting = asyncio.ensure_future(client.gather(futures))
        await asyncio.sleep(0.01)
        await client.cancel(futures)
        with pytest.raises(TaskCancelled):
            await waiting
        assert all(future.cancelled() for future in futures)

    run(main())


# --- the cluster and its end ---------------------------------------------------------------------


def test_it_asks_about_the_cluster(client: AsyncClient, tmp_path: Path) -> None:
    async def main() -> None:
        future = await client.submit(jobs.come_to, tmp_path / "here", tmp_path / "gate")
        await until((tmp_path / "here").exists)
        assert (await client.status()).slots == 2
        assert [worker.name for worker in await client.workers()] == ["worker-1"]
        (task,) = [task for task in await client.tasks("assigned") if task.name == "come_to"]
        assert (await client.explain(future)).task.id == task.id
        assert await client.cancel_tasks([task.id]) == [task.id]
        await client.wait([future])
        assert future.cancelled()

    run(main())


def test_its_executor_works_in_run_in_executor(client: AsyncClient) -> None:
    async def main() -> int:
        with client.executor() as executor:
            assert isinstance(executor, concurrent.futures.Executor)
            return await asyncio.get_running_loop().run_in_executor(executor, jobs.double, 4)

    assert run(main()) == 8


def test_leaving_its_block_closes_the_cluster(tmp_path: Path) -> None:
    async def main() -> tuple[AsyncClient, Any]:
        async with await ganger.aconnect("local") as client:
            held = await client.submit(jobs.never)
        with pytest.raises(ClusterClosed):
            await held
        with pytest.raises(ClusterClosed):
            await client.submit(jobs.double, 1)
        await client.close()
        return client, held

    client, _ = run(main())
    assert "AsyncClient of <ganger.Cluster at unix:" in repr(client)


def test_a_connect_that_is_cancelled_leaves_no_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ganger.aconnect("local"), 0.001)
        await until(lambda: any(tmp_path.iterdir()))
        await until(lambda: not any(tmp_path.iterdir()))

    run(main())
