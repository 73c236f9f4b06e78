"""Coroutines share an executor with each other, and take turns with plain calls, without harm to either."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ganger import Cluster
from ganger.errors import ExecutorCrashed, RemoteError, ResultNotSerializable
from tests.misbehaviour import MIB, blob, exit_at_once, stay, where
from tests.processes import PATIENCE_S, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with quick_cluster(slots=1) as made:
        yield made


async def async_blob(size_bytes: int) -> bytes:
    await asyncio.sleep(0)
    return blob(size_bytes)


async def async_length(data: bytes) -> int:
    await asyncio.sleep(0.001)
    return len(data)


async def async_square(number: int) -> int:
    await asyncio.sleep(0.0005)
    return number * number


async def async_block(seconds: float) -> float:
    time.sleep(seconds)  # noqa: ASYNC251  # on purpose
    return seconds


async def async_fail(kind: type[BaseException]) -> None:
    await asyncio.sleep(0)
    raise kind("on purpose")


async def async_exit(neighbours: int) -> int:
    await asyncio.sleep(0.05)
    if not neighbours:
        exit_at_once()
    return neighbours


async def leave_a_task_behind() -> str:
    asyncio.get_running_loop().create_task(asyncio.sleep(3600))
    return "left"


async def return_a_coroutine() -> object:
    return asyncio.sleep(0)


async def gather_many(count: int) -> int:
    return sum(await asyncio.gather(*(async_square(number) for number in range(count))))


def square_in_a_loop_of_its_own(number: int) -> int:
    return asyncio.run(async_square(number))


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("concurrency", [1, 8])
def test_coroutines_and_plain_calls_take_turns_in_one_executor(cluster: Cluster, concurrency: int) -> None:
    home = cluster.submit(where).result(PATIENCE_S)
    shared: Any = cluster.options(concurrency=concurrency)
    futures = []
    for number in range(400):
        client, function = (shared, async_square) if number % 3 else (cluster, square)
        futures.append(client.submit(function, number))
        if number % 7 == 0:
            futures[-1].result(PATIENCE_S)
    assert cluster.gather(futures, PATIENCE_S) == [number * number for number in range(400)]
    assert cluster.submit(where).result(PATIENCE_S) == home


def test_a_plain_call_may_run_a_loop_of_its_own_between_coroutines(cluster: Cluster) -> None:
    shared: Any = cluster.options(concurrency=4)
    for number in range(20):
        first = shared.submit(async_square, number)
        second = cluster.submit(square_in_a_loop_of_its_own, number)
        assert (first.result(PATIENCE_S), second.result(PATIENCE_S)) == (number * number, number * number)


@pytest.mark.parametrize("size_bytes", [0, MIB, 20 * MIB])
def test_coroutines_return_values_of_any_allowed_size(cluster: Cluster, size_bytes: int) -> None:
    shared: Any = cluster.options(concurrency=4)
    small = shared.submit_many(async_square, range(8))
    large = shared.submit_many(async_blob, [size_bytes] * 3)
    assert [future.result(PATIENCE_S) for future in large] == [blob(size_bytes)] * 3
    assert cluster.gather(small, PATIENCE_S) == [number * number for number in range(8)]


def test_coroutines_take_arguments_of_any_allowed_size(cluster: Cluster) -> None:
    shared: Any = cluster.options(concurrency=8)
    sizes = [number * 3 * 10**4 for number in range(60)] + [20 * MIB] * 3
    futures = [shared.submit(async_length, blob(size)) for size in sizes]
    assert cluster.gather(futures, PATIENCE_S) == sizes


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, KeyboardInterrupt, StopIteration])
def test_what_a_coroutine_raises_is_told(cluster: Cluster, kind: type[BaseException]) -> None:
    error = cluster.options(concurrency=4).submit(async_fail, kind).exception(PATIENCE_S)
    assert isinstance(error, kind | RuntimeError | RemoteError)
    assert cluster.submit(pow, 2, 5).result(PATIENCE_S) == 32


def test_a_crash_among_coroutines_charges_those_that_had_started(cluster: Cluster) -> None:
    shared: Any = cluster.options(concurrency=4, losses_max=1)
    bad, *others = shared.submit_many(async_exit, range(4))
    assert isinstance(bad.exception(PATIENCE_S), ExecutorCrashed)
    assert cluster.gather(others, PATIENCE_S) == [1, 2, 3], "alone they succeed"


def test_a_coroutine_that_blocks_holds_up_its_neighbours_and_nobody_else() -> None:
    with quick_cluster(slots=2) as pair:
        shared: Any = pair.options(concurrency=2)
        blocking = shared.submit_many(async_block, [0.3, 0.0])
        stays = pair.gather(pair.submit_many(stay, [0.0] * 20), PATIENCE_S)
        assert pair.gather(blocking, PATIENCE_S) == [0.3, 0.0]
        assert len({each.pid for each in stays}) == 1


def test_what_a_coroutine_leaves_on_the_loop_holds_up_nothing(cluster: Cluster) -> None:
    shared: Any = cluster.options(concurrency=4)
    assert shared.submit(leave_a_task_behind).result(PATIENCE_S) == "left"
    assert shared.submit(gather_many, 50).result(PATIENCE_S) == sum(n * n for n in range(50))
    assert cluster.submit(square, 3).result(PATIENCE_S) == 9


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_coroutine_is_no_value_to_return(cluster: Cluster) -> None:
    error = cluster.options(concurrency=4).submit(return_a_coroutine).exception(PATIENCE_S)
    assert isinstance(error, ResultNotSerializable)
    assert "coroutine" in str(error)
