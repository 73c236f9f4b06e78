"""Whatever is killed, a random graph of tasks comes to what a plain loop makes of it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

import ganger
from ganger.errors import AttemptLost, ExecutorCrashed
from tests.chaos.graphs import Expected, evaluate, make_graph, submit_graph
from tests.chaos.havoc import (
    Act,
    Havoc,
    kill_agent,
    kill_executor,
    kill_zygote,
    restart_master,
    stop_agent,
    stop_executor,
)
from tests.hosts import two_hosts
from tests.misbehaviour import noted, notes
from tests.processes import quick_cluster, wait_workers

DEADLINE_S = 200.0
LOSSES_MAX = 10_000
ACTS_MIN = 10
"""With fewer a graph was too quick for the test to mean anything, and another one follows."""


def check(future: ganger.Future[bytes], expected: Expected) -> str:
    """Compares one outcome with the plain loop's. Returns what is wrong with it, or nothing."""
    error = future.exception(DEADLINE_S)
    if not expected.blame:
        return "" if error is None and future.result() == expected.value else f"{error!r}, or another value"
    named = {str(ValueError(f"node {number}")) for number in expected.blame}
    return "" if isinstance(error, ValueError) and str(error) in named else f"{error!r} and not {named}"


def run_graphs(
    client: ganger.Client, seed: int, count: int, acts: Sequence[Act], pause_s: tuple[float, float]
) -> None:
    """Runs random graphs until enough havoc was wreaked upon them, and compares every value."""
    patient = client.options(losses_max=LOSSES_MAX)
    total = 0
    with Havoc(client, Random(seed), acts, pause_s) as havoc:
        while not total or havoc.count < ACTS_MIN:
            graph = make_graph(Random(f"{seed} {total}"), count)
            total += count
            futures = submit_graph(patient, graph)
            wrong = {
                node.number: text
                for node, future, expected in zip(graph, futures, evaluate(graph), strict=True)
                if (text := check(future, expected))
            }
            assert not wrong
    status = client.status()
    assert status.succeeded + status.failed == total, "each outcome was recorded once"


def check_at_rest(client: ganger.Client, workers: int) -> None:
    """After all of it every worker is there, nothing is left to do, and the next task runs."""
    wait_workers(client, workers)
    assert client.status().tasks == {"waiting": 0, "ready": 0, "assigned": 0}
    assert client.gather(client.submit_many(pow, [2] * 100, range(100)), 30.0) == [2**n for n in range(100)]


def test_a_graph_survives_the_loss_of_executors_and_workers() -> None:
    with quick_cluster(slots=2, workers=2) as cluster:
        acts = [kill_executor, kill_executor, kill_executor, kill_agent, kill_zygote, stop_executor]
        run_graphs(cluster, 1, 3_000, acts, (0.02, 0.1))
        check_at_rest(cluster, 2)


def test_what_may_not_be_repeated_never_runs_twice_whatever_is_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "notes")
    outcomes: list[BaseException | None] = []
    with quick_cluster(slots=2, workers=2) as cluster:
        once = cluster.options(repeatable=False)
        acts = [kill_executor, kill_agent, stop_executor]
        with Havoc(cluster, Random(2), acts, (0.01, 0.05)) as havoc:
            while havoc.count < ACTS_MIN:
                start = len(outcomes)
                futures = once.submit_many(noted, [path] * 1_000, range(start, start + 1_000))
                outcomes += [future.exception(DEADLINE_S) for future in futures]
        check_at_rest(cluster, 2)
    runs = Counter(map(int, notes(path)))
    assert max(runs.values()) == 1
    assert all(runs[number] == 1 for number, error in enumerate(outcomes) if error is None)
    assert {type(error) for error in outcomes if error is not None} <= {AttemptLost, ExecutorCrashed}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 14))
def test_a_large_graph_survives_everything_but_the_master(seed: int) -> None:
    acts = [*[kill_executor] * 6, *[stop_executor] * 4, kill_agent, kill_agent, kill_zygote, stop_agent]
    with quick_cluster(slots=2, workers=3) as cluster:
        run_graphs(cluster, seed, 40_000, acts, (0.02, 0.2))
        check_at_rest(cluster, 3)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20, 24))
def test_a_large_graph_survives_the_master_too(seed: int) -> None:
    with two_hosts() as hosts, hosts.connect() as client:
        acts = [*[kill_executor] * 6, kill_agent, stop_executor, *[restart_master(hosts)] * 3]
        run_graphs(client, seed, 20_000, acts, (0.05, 0.3))
        check_at_rest(client, 2)
