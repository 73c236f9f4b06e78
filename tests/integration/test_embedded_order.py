"""Any task may be slow: what stands beside or behind it does not wait for it, and nobody says beforehand."""

from collections.abc import Iterator

import pytest

from ganger import Cluster, as_completed
from tests.misbehaviour import Stay, stay
from tests.processes import PATIENCE_S, quick_cluster

SLOW_S = 0.3


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two slots that know the function well, as a quick one."""
    with quick_cluster(slots=2) as made:
        list(made.map(stay, [0.0] * 500, timeout=PATIENCE_S))
        yield made


def run(cluster: Cluster, durations: list[float]) -> tuple[list[Stay], list[int]]:
    """Runs calls of one function. Returns where and when each ran, and in which order they were delivered."""
    futures = cluster.submit_many(stay, durations)
    numbers = {id(future): number for number, future in enumerate(futures)}
    order = [numbers[id(future)] for future in as_completed(futures, PATIENCE_S)]
    return [future.result() for future in futures], order


def before(order: list[int], *slow: int) -> set[int]:
    """What was delivered before any of the slow calls."""
    return set(order[: min(map(order.index, slow))])


def check_apart(first: Stay, second: Stay) -> None:
    """Two slow calls ran at the same time in two processes."""
    assert first.pid != second.pid
    assert max(first.began_s, second.began_s) < min(first.ended_s, second.ended_s)


def test_quick_calls_do_not_wait_for_the_slow_ones_among_them(cluster: Cluster) -> None:
    for _ in range(3):
        stays, order = run(cluster, [0.0] * 20 + [SLOW_S] * 2 + [0.0] * 20)
        slow = stays[20:22]
        check_apart(*slow)
        first_end_s = min(each.ended_s for each in slow)
        assert max(each.ended_s for each in stays[:20]) < first_end_s
        assert set(range(20)) <= before(order, 20, 21), "they were delivered before either sleep"


def test_one_slow_call_holds_up_no_quick_one(cluster: Cluster) -> None:
    stays, order = run(cluster, [0.0] * 30 + [SLOW_S] + [0.0] * 30)
    assert order[-1] == 30
    assert max(each.ended_s for each in stays[:30] + stays[31:]) < stays[30].ended_s


def test_slow_calls_that_come_first_hold_up_what_must_wait_and_then_share_it(cluster: Cluster) -> None:
    stays, _ = run(cluster, [SLOW_S] * 2 + [0.0] * 40)
    check_apart(stays[0], stays[1])
    assert min(each.began_s for each in stays[2:]) >= min(each.ended_s for each in stays[:2])


def test_slow_calls_far_apart_in_a_batch_run_side_by_side(cluster: Cluster) -> None:
    stays, _ = run(cluster, [0.0] * 3 + [SLOW_S] + [0.0] * 37 + [SLOW_S] + [0.0] * 20)
    check_apart(stays[3], stays[41])


def test_a_function_that_nobody_knows_starts_on_all_slots_at_once() -> None:
    with quick_cluster(slots=2, workers=2) as fresh:
        stays, _ = run(fresh, [SLOW_S] * 4)
        assert len({each.pid for each in stays}) == 4
        assert max(each.began_s for each in stays) < min(each.ended_s for each in stays)


def test_slow_calls_spread_over_workers(cluster: Cluster) -> None:
    with quick_cluster(slots=1, workers=2) as spread:
        list(spread.map(stay, [0.0] * 500, timeout=PATIENCE_S))
        stays, order = run(spread, [0.0] * 20 + [SLOW_S] * 2 + [0.0] * 20)
        check_apart(*stays[20:22])
        assert set(range(20)) <= before(order, 20, 21)
