"""What a function costs is learnt quickly and forgotten slowly."""

import hypothesis.strategies as st
from hypothesis import given

from ganger.core.costs import Cost


def test_nothing_is_known_before_the_first_call() -> None:
    cost = Cost()
    cost.observe(0, 1_000)
    assert (cost.mean_ns, cost.calls) == (0.0, 0)


def test_the_first_observation_is_believed() -> None:
    cost = Cost()
    cost.observe(4, 4_000)
    assert cost.mean_ns == 1_000


def test_a_function_that_becomes_slow_is_noticed_within_a_batch_or_two() -> None:
    cost = Cost()
    cost.observe(1_000, 1_000 * 1_000)
    for _ in range(3):
        cost.observe(32, 32 * 100_000)
    assert cost.mean_ns > 80_000


def test_one_slow_call_among_many_changes_little() -> None:
    cost = Cost()
    cost.observe(1_000, 1_000 * 1_000)
    cost.observe(1, 20_000)
    assert cost.mean_ns < 2_100


def test_a_call_that_is_not_over_only_ever_makes_it_dearer() -> None:
    cost = Cost()
    cost.observe(10, 10_000)
    cost.exceeded(500)
    assert cost.mean_ns == 1_000
    cost.exceeded(101_000)
    assert cost.mean_ns == 6_000


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 10**9)), min_size=1))
def test_the_mean_stays_between_the_extremes_and_is_never_zero(observed: list[tuple[int, int]]) -> None:
    cost = Cost()
    for calls, each_ns in observed:
        cost.observe(calls, calls * each_ns)
    seen = [max(each_ns, 1) for _, each_ns in observed]
    assert min(seen) * 0.999 <= cost.mean_ns <= max(seen) * 1.001
    assert cost.calls == sum(calls for calls, _ in observed)
