"""Whatever ends is said until the master has recorded it; an agent that lost its master goes on and comes back."""

from collections.abc import Callable

from ganger.core.worker import Assigned, Collected
from ganger.protocol import messages as m
from ganger.protocol.calls import SUCCESS, Finished
from tests.environment.agent import RUNTIME, US_NS, AgentEnvironment

Make = Callable[..., AgentEnvironment]
WELCOME = m.Welcome(2, b"", RUNTIME, lease_s=5.0)


def test_ends_of_one_batch_leave_in_one_report(make_agent: Make) -> None:
    agent = make_agent()
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.record()
    agent.assign(1, 2, 3)
    agent.work()
    report = agent.reports[-1]
    assert report.done[0].tasks == [1, 2, 3]
    assert report.done[0].elapsed_ns == 30 * US_NS


def test_results_of_different_functions_stand_in_groups_of_their_own(make_agent: Make) -> None:
    agent = make_agent()
    agent.teach_cost("first", elapsed_ns=10 * US_NS)
    agent.teach_cost("second", elapsed_ns=10 * US_NS)
    agent.assign(1, name="first")
    agent.assign(2, name="second")
    agent.assign(3, name="first")
    agent.work()
    assert [group.tasks for group in agent.reports[-1].done] == [[1], [2], [3]]


def test_a_report_leaves_early_when_it_is_large(make_agent: Make) -> None:
    agent = make_agent(2, report_bytes_max=1_000)
    agent.assign(1, 2)
    for slot in (0, 1):
        agent.start(slot)
        agent.end(slot, result=b"x" * 900)
    first, second = agent.executors[0], agent.executors[1]
    agent.step(
        Collected(0, first.finished, first.started, first.started_ns),
        Collected(1, second.finished, second.started, second.started_ns),
        Collected(0, [], first.started, first.started_ns),
    )
    assert sorted(agent.done) == [1, 2]


def test_a_report_is_resent_until_it_is_recorded(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.work()
    agent.lose_master()
    agent.hear(WELCOME)
    assert list(agent.done) == [1]
    assert agent.take(m.Held).tasks == []
    agent.record()
    agent.lose_master()
    agent.hear(WELCOME)
    assert agent.done == {}
    agent.take(m.Held)


def test_reports_keep_their_numbers_and_their_order(agent: AgentEnvironment) -> None:
    agent.assign(1, 2, 3)
    for _ in range(3):
        agent.work(calls=1)
    before = [report.number for report in agent.reports]
    agent.hear(m.Recorded(before[0]))
    agent.reports.clear()
    agent.hear(WELCOME)
    agent.take(m.Held)
    assert [report.number for report in agent.reports] == before[1:]


def test_an_agent_without_a_master_goes_on_computing(agent: AgentEnvironment) -> None:
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.assign(1, 2)
    agent.record()
    agent.lose_master()
    agent.work()
    agent.pass_ms(100)
    assert agent.done == {}
    agent.hear(WELCOME)
    assert sorted(agent.done) == [1, 2]
    assert agent.take(m.Held) == m.Held([], [], [])


def test_an_agent_that_comes_back_says_what_it_holds_and_what_runs(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.assign(1, 2, 3, number=4)
    agent.start(0)
    agent.tick()
    agent.lose_master()
    agent.hear(WELCOME)
    held = agent.take(m.Held)
    assert dict(zip(held.tasks, held.attempts, strict=True)) == {1: 4, 2: 4, 3: 4}
    assert held.started == [1]


def test_what_ended_in_the_same_moment_is_reported_before_what_is_held(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.lose_master()
    said: list[object] = []
    hear = agent._on_said
    agent._on_said = lambda message: (said.append(message), hear(message))[1]  # type: ignore[method-assign]
    finished = Finished(1, SUCCESS, 10 * US_NS, b"result")
    agent.step(Collected(0, [finished], 1, agent.now_ns), Assigned(WELCOME))
    assert [type(message) for message in said] == [m.Report, m.Held]
    assert agent.take(m.Held).tasks == []


def test_a_call_that_runs_is_not_announced_to_nobody(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.lose_master()
    agent.pass_ms(100)
    assert agent.mail == []
    agent.hear(WELCOME)
    assert agent.take(m.Held).started == [1]


def test_a_spec_that_is_forgotten_may_be_taught_again(agent: AgentEnvironment) -> None:
    agent.assign(1, name="work")
    agent.work()
    agent.hear(m.Forget([agent.specs.pop("work")], [b"work"]))
    assert agent.core.specs == {}
    assert agent.core.functions == {}
    assert agent.core.costs == {}
    agent.hear(m.Forget([77], [b"unknown"]))
    agent.assign(2, name="work")
    assert agent.work() == [2]


def test_a_pong_changes_nothing(agent: AgentEnvironment) -> None:
    agent.hear(m.Pong())
    assert agent.mail == []


# --- departure -----------------------------------------------------------------------------------


def test_a_draining_agent_finishes_what_runs_and_gives_back_the_rest(make_agent: Make) -> None:
    agent = make_agent(2)
    agent.teach_cost(elapsed_ns=10 * US_NS)
    agent.record()
    agent.assign(1, 2, 3, 4, 5)
    agent.start(0)
    agent.start(1)
    agent.tick()
    running = [agent.tasks(slot)[0] for slot in (0, 1)]
    agent.hear(m.Drain())
    assert sorted(agent.returned + running) == [1, 2, 3, 4, 5]
    agent.assign(6)
    assert agent.returned[-1] == 6
    for slot in (0, 1):
        agent.end(slot)
        agent.look(slot)
    assert sorted(agent.done) == sorted(running)
    assert not agent.left


def test_an_agent_leaves_only_when_everything_is_recorded(agent: AgentEnvironment) -> None:
    agent.assign(1)
    agent.start()
    agent.look()
    agent.hear(m.Drain())
    agent.end()
    agent.look()
    assert not agent.left
    agent.record()
    assert agent.left
    agent.take(m.Goodbye)


def test_an_idle_agent_that_is_asked_to_leave_says_so_and_goes(agent: AgentEnvironment) -> None:
    agent.ask_to_leave()
    agent.take(m.Draining)
    agent.take(m.Goodbye)
    assert agent.left


def test_an_agent_that_is_asked_to_leave_without_a_master_says_so_when_it_is_back(
    agent: AgentEnvironment,
) -> None:
    agent.assign(1, 2)
    agent.start()
    agent.look()
    agent.lose_master()
    agent.ask_to_leave()
    assert agent.mail == []
    agent.hear(WELCOME)
    assert agent.take(m.Held).tasks == [1]
    agent.take(m.Draining)
    assert agent.returned == [2]


def test_a_call_that_was_sent_and_not_started_goes_back_when_the_agent_drains(
    agent: AgentEnvironment,
) -> None:
    agent.assign(1)
    agent.hear(m.Drain())
    assert agent.returned == [1]
    agent.mail.clear()


def test_a_draining_agent_does_not_start_again_what_a_kill_left_over(make_agent: Make) -> None:
    agent = make_agent(1, cancel_grace_s=0.5, announce_ns=10**12)
    agent.assign(1, 2, name="fetch", concurrency=2)
    agent.start()
    agent.start()
    agent.look()
    agent.hear(m.Drain())
    agent.hear(m.Stop([1]))
    agent.pass_ms(1_500)
    agent.exit()
    assert agent.returned == [2]
