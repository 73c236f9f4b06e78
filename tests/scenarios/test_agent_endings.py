"""An agent ends executors on account of one call, and charges only that one."""

from collections.abc import Callable

import pytest

from ganger.protocol import messages as m
from ganger.protocol.calls import EXIT, STOPPED
from ganger.protocol.outcome import decode_error
from tests.environment.agent import US_NS, AgentEnvironment

Make = Callable[..., AgentEnvironment]


def test_an_exception_is_reported_with_the_rule_that_covers_it(agent: AgentEnvironment) -> None:
    agent.assign(1, 2)
    agent.start()
    agent.fail()
    agent.start()
    agent.fail(retryable=True)
    assert (agent.failed[1].kind, agent.failed[1].retryable) == ("exception", False)
    assert (agent.failed[2].kind, agent.failed[2].retryable) == ("exception", True)
    assert agent.failed[1].error == b"error"


def test_an_exit_of_the_function_is_a_crash(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.end(kind=EXIT, result=b"exit")
    agent.look()
    assert agent.failed[1].kind == "crash"


@pytest.mark.parametrize(
    ("code", "words"),
    [(-11, "segmentation fault"), (-9, "from outside"), (-64, "signal 64"), (3, "exit code 3")],
)
def test_a_crash_is_put_into_words(agent: AgentEnvironment, code: int, words: str) -> None:
    agent.assign(1, name="shaky")
    agent.start()
    agent.exit(code=code, peak_bytes=5 << 20)
    error = decode_error(agent.failed[1].error)
    assert error.type_name == "ganger.errors.ExecutorCrashed"
    assert words in error.text
    assert "shaky" in error.text
    assert error.numbers == {"exit_code": code, "peak_bytes": 5 << 20}
    assert not agent.failed[1].retryable


def test_a_crash_charges_only_what_had_started(make_agent: Make) -> None:
    agent = make_agent()
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.work(calls=1)
    agent.start()
    agent.exit(code=-11)
    assert list(agent.failed) == [2]
    assert agent.tasks() == [3, 4]
    assert agent.work() == [3, 4]
    assert sorted(agent.done) == [1, 3, 4]


def test_the_last_results_of_a_dead_executor_count(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2)
    agent.start()
    agent.end()
    agent.start()
    agent.end()
    agent.exit(code=-11)
    assert sorted(agent.done) == [1, 2]
    assert agent.failed == {}


def test_a_crash_before_anything_started_charges_nobody(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.exit(code=-9)
    assert agent.failed == {}
    assert agent.work() == [1]


# --- timeouts ------------------------------------------------------------------------------------


def test_a_timeout_kills_its_call_and_nothing_else(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(1, 2, name="limited", timeout_s=1.0)
    agent.start(0)
    agent.pass_ms(500)
    agent.start(1)
    agent.pass_ms(600)
    agent.take(m.Started)
    agent.take(m.Started)
    assert agent.executors[0].asked_to_end
    assert not agent.executors[1].asked_to_end
    agent.exit(0)
    failure = agent.failed[1]
    assert (failure.kind, failure.retryable) == ("timeout", True)
    assert "timeout_s of 1" in decode_error(failure.error).text
    agent.end(1)
    agent.look(1)
    assert list(agent.done) == [2]


def test_a_timeout_counts_from_the_start_of_the_call(agent: AgentEnvironment) -> None:
    agent.assign(1, name="limited", timeout_s=1.0)
    agent.pass_ms(5_000)
    agent.start()
    agent.pass_ms(900)
    assert not agent.executors[0].asked_to_end
    agent.take(m.Started)
    agent.end()
    agent.look()
    assert list(agent.done) == [1]


def test_a_call_that_ends_while_it_is_being_killed_has_succeeded(agent: AgentEnvironment) -> None:
    agent.assign(1, name="limited", timeout_s=1.0)
    agent.start()
    agent.pass_ms(1_100)
    agent.take(m.Started)
    agent.end()
    agent.exit()
    assert list(agent.done) == [1]
    assert agent.failed == {}


# --- cancellation --------------------------------------------------------------------------------


def test_a_running_call_that_is_cancelled_is_killed_and_not_reported(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2, 3)
    agent.start()
    agent.look()
    agent.hear(m.Stop([1, 3]))
    assert agent.executors[0].asked_to_end
    agent.exit()
    assert agent.work() == [2]
    assert (agent.failed, list(agent.done), agent.returned) == ({}, [2], [])


def test_a_cancelled_call_that_waits_is_dropped(make_agent: Make) -> None:
    agent = make_agent()
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, name="other")
    agent.assign(2, 3)
    agent.hear(m.Stop([2, 77]))
    agent.work()
    assert agent.work() == [3]
    assert sorted(agent.done) == [1, 3]


def test_a_cancelled_call_that_was_sent_and_not_started_is_revoked(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2, 3)
    agent.start()
    agent.look()
    agent.hear(m.Stop([2]))
    assert not agent.executors[0].asked_to_end
    agent.end()
    agent.look()
    assert agent.work() == [3]
    assert sorted(agent.done) == [1, 3]


def test_a_result_of_a_cancelled_call_is_not_reported(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.look()
    agent.hear(m.Stop([1]))
    agent.end()
    agent.exit()
    assert (agent.done, agent.failed) == ({}, {})


def test_a_call_that_is_cancelled_while_its_executor_dies_is_not_started_again(make_agent: Make) -> None:
    agent = make_agent()
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2, 3)
    agent.start()
    agent.look()
    agent.sample_memory({0: 1 << 30}, machine_fraction=0.99)
    assert agent.executors[0].asked_to_end
    agent.hear(m.Stop([2]))
    agent.exit()
    assert agent.work() == [3]
    assert list(agent.failed) == [1]


# --- coroutines ----------------------------------------------------------------------------------


def test_calls_of_an_async_function_share_an_executor(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(*range(1, 10), name="fetch", concurrency=4)
    assert (agent.tasks(0), agent.tasks(1)) == ([1, 2, 3, 4], [5, 6, 7, 8])
    for _ in range(4):
        agent.start(0)
    agent.end(0, 3)
    agent.look(0)
    assert agent.tasks(0)[-1] == 9
    assert list(agent.done) == [3]


def test_an_async_suspect_runs_alone(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(1, name="fetch", concurrency=4, alone=True)
    agent.assign(2, 3, name="fetch")
    assert (agent.tasks(0), agent.tasks(1)) == ([1], [2, 3])


def test_calls_of_different_async_functions_do_not_mix(make_agent: Make) -> None:
    agent = make_agent(1)
    agent.assign(1, name="fetch", concurrency=4)
    agent.assign(2, name="store", concurrency=4)
    agent.assign(3, name="plain")
    assert agent.tasks() == [1]


def test_a_timeout_of_a_coroutine_cancels_it_first(make_agent: Make) -> None:
    agent = make_agent(1, announce_ns=10**12)
    agent.assign(1, 2, name="fetch", concurrency=4, timeout_s=1.0)
    agent.start()
    agent.start()
    agent.pass_ms(500)
    agent.end(0, 2)
    agent.look()
    agent.pass_ms(600)
    assert agent.executors[0].cancelled == [1]
    agent.stop(0, 1)
    assert agent.failed[1].kind == "timeout"
    assert list(agent.done) == [2]
    assert not agent.executors[0].asked_to_end


def test_a_coroutine_that_does_not_heed_its_cancellation_takes_its_executor_along(make_agent: Make) -> None:
    agent = make_agent(1, cancel_grace_s=1.0, announce_ns=10_000_000)
    agent.assign(1, name="fetch", concurrency=4, timeout_s=1.0)
    agent.start()
    agent.pass_ms(800)
    agent.take(m.Started)
    agent.assign(2, name="fetch")
    agent.start()
    agent.pass_ms(1_000)
    agent.take(m.Started)
    assert not agent.executors[0].asked_to_end
    agent.end(0, 2)
    agent.look()
    agent.assign(3, name="fetch")
    agent.start()
    agent.pass_ms(300)
    agent.take(m.Started)
    assert agent.executors[0].asked_to_end
    agent.exit()
    assert agent.failed[1].kind == "timeout"
    assert list(agent.failed) == [1]
    assert agent.work() == [3]


def test_a_cancelled_coroutine_has_a_grace_to_end(make_agent: Make) -> None:
    agent = make_agent(1, cancel_grace_s=1.0, announce_ns=10_000_000)
    agent.assign(1, 2, name="fetch", concurrency=4)
    agent.start()
    agent.start()
    agent.pass_ms(50)
    agent.take(m.Started)
    agent.hear(m.Stop([1]))
    assert agent.executors[0].cancelled == [1]
    agent.pass_ms(900)
    assert not agent.executors[0].asked_to_end
    agent.pass_ms(200)
    assert agent.executors[0].asked_to_end
    agent.exit()
    assert agent.failed == {}
    assert agent.work() == [2]


def test_a_cancelled_coroutine_that_heeds_is_not_reported(agent: AgentEnvironment) -> None:
    agent.assign(1, 2, name="fetch", concurrency=4)
    agent.start()
    agent.start()
    agent.hear(m.Stop([1]))
    agent.stop(0, 1)
    agent.end(0, 2)
    agent.look()
    assert (list(agent.done), agent.failed) == ([2], {})


def test_a_coroutine_that_cancels_itself_has_failed(agent: AgentEnvironment) -> None:
    agent.assign(1, name="fetch", concurrency=4)
    agent.start()
    agent.end(kind=STOPPED, result=b"cancelled itself")
    agent.look()
    assert agent.failed[1].kind == "exception"


def test_coroutines_that_must_not_run_twice_fail_with_the_executor_that_another_took_along(
    make_agent: Make,
) -> None:
    agent = make_agent(1, cancel_grace_s=1.0, announce_ns=10**12)
    agent.assign(1, 2, name="pay", concurrency=4, repeatable=False)
    agent.start()
    agent.start()
    agent.look()
    agent.hear(m.Stop([1]))
    agent.pass_ms(1_200)
    agent.exit()
    assert list(agent.failed) == [2]
    assert agent.tasks() == []


def test_a_crash_charges_every_coroutine_that_ran(agent: AgentEnvironment) -> None:
    agent.assign(1, 2, 3, name="fetch", concurrency=4)
    for _ in range(3):
        agent.start()
    agent.end(0, 2)
    agent.exit(code=-11)
    assert sorted(agent.failed) == [1, 3]
    assert list(agent.done) == [2]


# --- memory --------------------------------------------------------------------------------------


def test_a_call_that_uses_more_than_it_asked_for_is_ended(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(1, 2, name="greedy", resources={"memory": float(100 << 20)})
    agent.start(0)
    agent.start(1)
    agent.tick()
    agent.sample_memory({0: 90 << 20, 1: 150 << 20})
    assert not agent.executors[0].asked_to_end
    assert agent.executors[1].asked_to_end
    agent.exit(1)
    error = decode_error(agent.failed[2].error)
    assert agent.failed[2].kind == "memory"
    assert error.type_name == "ganger.errors.OutOfMemory"
    assert error.numbers == {"peak_bytes": 150 << 20, "limit_bytes": 100 << 20}


def test_a_call_that_died_over_its_limit_before_anybody_looked_was_out_of_memory(
    agent: AgentEnvironment,
) -> None:
    agent.assign(1, name="greedy", resources={"memory": float(100 << 20)})
    agent.start()
    agent.exit(code=-9, peak_bytes=170 << 20)
    assert agent.failed[1].kind == "memory"
    assert "170 MiB" in decode_error(agent.failed[1].error).text


def test_the_largest_executor_goes_when_the_machine_runs_out(make_agent: Make) -> None:
    agent = make_agent(3)
    agent.assign(1, 2)
    agent.start(0)
    agent.start(1)
    agent.tick()
    agent.sample_memory({0: 10, 1: 20, 2: 99}, machine_fraction=0.96)
    assert not any(executor.asked_to_end for executor in agent.executors.values())
    agent.sample_memory({0: 10, 1: 20, 2: 99}, machine_fraction=0.98)
    assert [agent.executors[slot].asked_to_end for slot in range(3)] == [False, True, False]
    agent.sample_memory({0: 10, 1: 20}, machine_fraction=0.98)
    agent.exit(1)
    assert agent.failed[2].kind == "memory"
    assert agent.executors[0].asked_to_end


def test_a_machine_that_is_full_of_others_ends_nothing_of_ours(agent: AgentEnvironment) -> None:
    agent.sample_memory({0: 10}, machine_fraction=1.0)
    assert not agent.executors[0].asked_to_end
