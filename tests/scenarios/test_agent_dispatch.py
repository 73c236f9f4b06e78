"""An agent binds attempts to executors late: a millisecond of known work at once, the unknown alone."""

from collections.abc import Callable

from ganger.core.dispatch import TAKEN_BACK_MAX
from ganger.protocol import messages as m
from ganger.protocol.calls import SUCCESS, Finished
from tests.environment.agent import MS_NS, US_NS, AgentEnvironment

Make = Callable[..., AgentEnvironment]


def test_an_unknown_function_goes_alone(agent: AgentEnvironment) -> None:
    agent.assign(1, 2, 3)
    assert agent.tasks() == [1]
    assert agent.work() == [1]
    assert agent.done == {1: b"result of 1"}


def test_a_known_function_is_sent_as_a_millisecond_of_work(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(*range(1, 31))
    assert agent.tasks() == list(range(1, 11))
    agent.work(elapsed_ns=100 * US_NS)
    assert agent.tasks() == list(range(11, 21))


def test_work_is_spread_evenly_over_idle_executors(make_agent: Make) -> None:
    agent = make_agent(3)
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(*range(1, 10))
    assert [agent.tasks(slot) for slot in range(3)] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_call_dearer_than_the_budget_goes_alone(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=5 * MS_NS)
    agent.assign(1, 2)
    assert agent.tasks() == [1]


def test_functions_of_known_cost_share_the_budget(agent: AgentEnvironment) -> None:
    agent.teach_cost("cheap", elapsed_ns=100 * US_NS)
    agent.teach_cost("dear", elapsed_ns=800 * US_NS)
    agent.assign(1, name="dear")
    agent.assign(2, 3, 4, name="cheap")
    assert agent.tasks() == [1, 2, 3]


def test_nothing_is_sent_behind_a_call_of_unknown_cost(agent: AgentEnvironment) -> None:
    agent.teach_cost("cheap", elapsed_ns=10 * US_NS)
    agent.assign(1, name="unknown")
    agent.assign(2, name="cheap")
    assert agent.tasks() == [1]


def test_what_may_have_to_be_killed_stands_alone(make_agent: Make) -> None:
    for options in ({"timeout_s": 9.0}, {"resources": {"memory": 1e9}}, {"repeatable": False}):
        agent = make_agent()
        agent.teach_cost("work", elapsed_ns=10 * US_NS, **options)
        agent.teach_cost("cheap", elapsed_ns=10 * US_NS)
        agent.assign(1, 2, name="work")
        agent.assign(3, name="cheap")
        assert agent.tasks() == [1]


def test_a_suspect_shares_its_executor_with_nothing(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, alone=True)
    agent.assign(2)
    assert agent.tasks() == [1]
    agent.work()
    agent.assign(3, 4, alone=True)
    agent.assign(5, 6)
    assert agent.tasks() == [2]
    for expected in ([2], [3], [4], [5, 6]):
        assert agent.work() == expected


def test_a_suspect_is_announced_as_soon_as_it_is_seen_to_run(agent: AgentEnvironment) -> None:
    agent.assign(1, alone=True)
    agent.start()
    agent.pass_ms(3)
    assert agent.take(m.Started).tasks == [1]


def test_inputs_and_attempt_numbers_travel_with_the_call(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    plain, *_ = agent.group(1)
    rich, *_ = agent.group(2, inputs=[b"a", b"b"], number=3)
    agent.hear(m.Assign([plain, rich, *agent.group(3)[:1]], [], []))
    executor = agent.executors[0]
    assert [executor.inputs[executor.index_of(task)] for task in (1, 2, 3)] == [[], [b"a", b"b"], []]
    agent.work(calls=1)
    agent.start()
    agent.fail()
    assert agent.failed[2].attempt == 3


def test_an_executor_is_taught_each_function_once(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(1, 2)
    agent.work(0)
    agent.assign(3)
    agent.exit(0)
    agent.work(1)
    agent.assign(4)
    assert agent.executors[0].functions
    assert agent.failed == {}


def test_calls_wait_for_an_executor_that_is_being_made_ready(make_agent: Make) -> None:
    agent = make_agent()
    agent.executors[0].waiting.clear()
    agent.assign(1)
    agent.start()
    agent.look()
    agent.executors[0].running.clear()
    agent.exit(code=1)
    assert agent.failed[1].kind == "crash"
    agent.assign(2)
    assert agent.work() == [2]


# --- stalls --------------------------------------------------------------------------------------


def test_what_stands_behind_a_slow_call_moves_to_another_executor(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    assert (agent.tasks(0), agent.tasks(1)) == ([1, 2], [3, 4])
    agent.start(0)
    agent.work(1)
    agent.pass_ms(3)
    assert agent.tasks(0) == [1]
    assert agent.tasks(1) == [2]
    assert agent.work(1) == [2]
    agent.end(0)
    agent.look(0)
    assert sorted(agent.done) == [1, 2, 3, 4]


def test_a_finished_result_leaves_whatever_stands_behind_it(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3)
    agent.start()
    agent.end()
    agent.start()
    agent.pass_ms(1)
    assert agent.done == {1: b"result of 1"}


def test_what_stands_behind_slow_calls_everywhere_goes_back_to_the_master(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.start(0)
    agent.start(1)
    agent.pass_ms(3)
    assert sorted(agent.returned) == [2, 4]
    assert agent.reports[-1].stalled == 2
    agent.record()
    agent.end(0)
    agent.end(1)
    agent.look(0)
    agent.look(1)
    assert sorted(agent.done) == [1, 3]


def test_what_arrives_behind_slow_calls_goes_back_at_once(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.pass_ms(20)
    assert agent.take(m.Started) == m.Started([1], 1)
    agent.assign(2, 3)
    assert agent.returned == [2, 3]


def test_a_call_that_had_just_started_when_it_was_revoked_stays_with_its_executor(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.start(0)
    agent.work(1)
    agent.tick()
    agent.end(0)
    agent.start(0)
    agent.hear(m.Drain())
    assert (agent.tasks(0), agent.returned) == ([2], [])
    agent.end(0)
    agent.look(0)
    assert sorted(agent.done) == [1, 2, 3, 4]


def test_a_call_that_was_just_starting_when_it_was_revoked_is_skipped_and_moves(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.start(0)
    agent.work(1)
    agent.now_ns += 3 * MS_NS
    executor = agent.executors[0]
    index = executor.index_of(2)
    executor.started = index  # it has announced the call, and reads the revocation next
    executor.finished.append(_finished(index - 1))
    executor.running.clear()
    agent.hear(m.Stop([99]))
    agent.hear(m.Drain())
    assert agent.returned == []
    assert agent.start(0) is None
    agent.look(0)
    assert agent.returned == [2]
    assert sorted(agent.done) == [1, 3, 4]


def _finished(index: int) -> Finished:
    return Finished(index, SUCCESS, 10 * US_NS, b"late")


def test_a_call_that_ran_although_it_was_revoked_counts_once(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.start(0)
    agent.work(1)
    agent.pass_ms(3)
    assert agent.tasks(1) == [2]
    index = agent.executors[0].last
    agent.executors[0].finished.append(_finished(index))
    agent.end(0)
    agent.look(0)
    assert agent.done[2] == b"late"
    assert agent.work(1) == [2]
    agent.assign(5, 6)
    assert len(agent.tasks(0)) == len(agent.tasks(1)) == 1


def test_a_call_that_went_back_to_the_master_and_ran_all_the_same_is_reported(
    agent: AgentEnvironment,
) -> None:
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2)
    agent.start()
    agent.pass_ms(3)
    assert agent.returned == [2]
    agent.executors[0].finished.append(_finished(agent.executors[0].last))
    agent.look()
    assert agent.done == {2: b"late"}


def test_a_second_revocation_does_not_bring_back_what_the_first_took(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=100 * US_NS)
    agent.assign(1, 2, 3, 4)
    agent.start(0)
    agent.work(1)
    agent.pass_ms(3)
    agent.end(0)
    agent.look(0)
    agent.work(1)
    agent.assign(*range(5, 15))
    agent.hear(m.Stop(agent.tasks(0)[-1:]))
    assert agent.start(0) != 2
    for slot in (0, 1, 0, 1):
        if agent.executors[slot].running:
            agent.end(slot)
        agent.work(slot)
    assert sorted(agent.done) == sorted({*range(1, 15)} - {_stopped(agent)})


def _stopped(agent: AgentEnvironment) -> int:
    (missing,) = {*range(1, 15)} - agent.done.keys()
    return missing


def test_only_so_many_revoked_calls_are_remembered(make_agent: Make) -> None:
    agent = make_agent(1, executor_budget_ns=1 << 60)
    agent.teach_cost(elapsed_ns=1_000)
    agent.assign(*range(1, TAKEN_BACK_MAX + 100))
    agent.start()
    agent.pass_ms(3)
    assert len(agent.returned) == TAKEN_BACK_MAX + 98
    assert len(agent.core.slots[0].taken_back) == TAKEN_BACK_MAX


def test_a_function_that_turned_out_slow_is_thought_slower_before_it_ends(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1)
    agent.start()
    agent.pass_ms(50)
    agent.take(m.Started)
    cost = agent.core.costs[b"work"]
    assert cost.mean_ns > 100 * US_NS


def test_a_call_that_runs_for_a_while_is_announced_once(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.pass_ms(9)
    assert agent.mail == []
    agent.pass_ms(500)
    assert agent.take(m.Started) == m.Started([1], 1)
    assert agent.core.next_look_ns() is None


def test_nothing_is_looked_at_while_nothing_is_out(agent: AgentEnvironment) -> None:
    assert agent.core.next_look_ns() is None
    assert agent.core.busy_slots == []
    agent.assign(1)
    assert agent.core.next_look_ns() == 2 * MS_NS


def test_a_call_with_others_behind_it_is_looked_at_every_millisecond(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2)
    assert agent.core.next_look_ns() == MS_NS


def test_an_executor_is_replaced_after_its_number_of_calls(make_agent: Make) -> None:
    agent = make_agent(1, executor_tasks_max=3)
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2)
    agent.work()
    assert agent.executors[0].asked_to_end
    agent.assign(3)
    assert agent.tasks() == []
    agent.exit(code=0)
    assert agent.work() == [3]
    assert agent.failed == {}


# --- devices -------------------------------------------------------------------------------------


def test_a_task_with_devices_sees_just_its_own(make_agent: Make) -> None:
    agent = make_agent(3, 4)
    agent.assign(1, 2, name="train", resources={"gpu": 2.0})
    seen = [agent.executors[slot].devices[1] for slot in (0, 1)]
    assert seen == ["0,1", "2,3"]
    agent.assign(3, name="plain")
    assert agent.executors[2].devices[1] is None


def test_an_executor_keeps_its_devices_for_the_next_such_task(make_agent: Make) -> None:
    agent = make_agent(2, 1)
    agent.assign(1, name="train", resources={"gpu": 1.0})
    agent.work(0)
    agent.assign(2, name="train")
    assert agent.tasks(0) == [2]
    assert agent.executors[0].devices[2] == "0"
    agent.assign(3, name="plain")
    assert agent.tasks(1) == [3]


def test_a_plain_task_uses_an_executor_with_devices_if_no_other_is_free(make_agent: Make) -> None:
    agent = make_agent(1, 1)
    agent.assign(1, name="train", resources={"gpu": 1.0})
    agent.work(0)
    agent.assign(2, name="plain")
    assert agent.tasks(0) == [2]


def test_an_executor_gives_up_devices_that_another_task_needs_together(make_agent: Make) -> None:
    agent = make_agent(2, 2)
    agent.assign(1, 2, name="single", resources={"gpu": 1.0})
    agent.work(0)
    agent.work(1)
    agent.assign(3, name="pair", resources={"gpu": 2.0})
    for _ in range(2):
        (asked,) = [slot for slot in (0, 1) if agent.executors[slot].asked_to_end]
        agent.exit(asked)
    (runs,) = [slot for slot in (0, 1) if agent.tasks(slot)]
    assert agent.executors[runs].devices[1] == "0,1"


def test_a_task_with_devices_waits_until_some_are_free(make_agent: Make) -> None:
    agent = make_agent(2, 1)
    agent.assign(1, 2, name="train", resources={"gpu": 1.0})
    assert (agent.tasks(0), agent.tasks(1)) == ([1], [])
    agent.work(0)
    assert agent.tasks(0) == [2]


def test_the_devices_of_a_dead_executor_are_free_again(make_agent: Make) -> None:
    agent = make_agent(1, 1)
    agent.assign(1, name="train", resources={"gpu": 1.0})
    agent.start()
    agent.exit(code=-11)
    agent.assign(2, name="train")
    assert agent.executors[0].devices[1] == "0"
    assert agent.failed[1].kind == "crash"
