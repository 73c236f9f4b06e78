"""Where ready tasks go: to free slots, then a little further where the work is known to be short."""

from collections.abc import Callable

from ganger.protocol import messages as m
from tests.environment.cluster import Environment
from tests.environment.peers import MS_NS

Make = Callable[..., Environment]


def test_ready_tasks_fill_the_free_slots_and_the_rest_waits(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    tasks = client.submit(client.define(), 5)
    assert list(worker.holds) == tasks[:2]
    worker.succeed(tasks[0], elapsed_ns=20 * MS_NS)
    assert list(worker.holds) == tasks[1:3]


def test_tasks_that_came_before_any_worker_go_to_the_first_one(environment: Environment) -> None:
    client = environment.client()
    tasks = client.submit(client.define(), 3)
    worker = environment.worker(slots=3)
    assert list(worker.holds) == tasks


def test_a_function_of_unknown_cost_is_given_one_call_per_slot(environment: Environment) -> None:
    anna, bert = environment.worker("anna", 2), environment.worker("bert", 3)
    client = environment.client()
    client.submit(client.define(), 100)
    assert (len(anna.holds), len(bert.holds)) == (2, 3)


def test_a_cheap_function_is_prefetched_up_to_a_millisecond_of_work_per_slot(
    environment: Environment,
) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=MS_NS // 50)
    client.submit(spec, 1_000)
    assert len(worker.holds) == 100


def test_what_one_client_taught_of_a_functions_cost_serves_the_next(environment: Environment) -> None:
    worker = environment.worker()
    carl, dora = environment.client("carl"), environment.client("dora")
    worker.succeed(*carl.submit(carl.define("work")), elapsed_ns=MS_NS // 10)
    dora.submit(dora.define("work", priority=1), 100)
    assert len(worker.holds) == 10


def test_the_prefetch_covers_the_round_trip_where_that_is_longer(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=MS_NS // 10)
    worker.beat(round_trip_ns=5 * MS_NS)
    client.submit(spec, 100)
    assert len(worker.holds) == 50


def test_however_short_the_calls_a_worker_holds_no_more_than_its_share(make_environment: Make) -> None:
    environment = make_environment(prefetch_tasks_max=7)
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=100)
    client.submit(spec, 100)
    assert len(worker.holds) == 14


def test_a_long_function_is_never_prefetched(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=3 * MS_NS)
    client.submit(spec, 10)
    assert len(worker.holds) == 2


def test_a_function_that_must_not_run_twice_is_never_prefetched(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define(repeatable=False)
    worker.succeed(*client.submit(spec), elapsed_ns=1_000)
    client.submit(spec, 10)
    assert len(worker.holds) == 2


def test_a_stalled_slot_gets_nothing_behind_its_call(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    spec = client.define()
    worker.succeed(*client.submit(spec), elapsed_ns=MS_NS // 10)
    slow, other = client.submit(spec, 2)
    worker.stalled = 1
    worker.start(slow)
    client.submit(spec, 100)
    held = len(worker.holds)
    worker.stalled = 2
    worker.start(other)
    assert held < 20
    worker.give_back(*[task for task in worker.holds if task not in (slow, other)])
    assert set(worker.holds) == {slow, other}


def test_tasks_go_to_the_least_loaded_worker_first(environment: Environment) -> None:
    anna, bert = environment.worker("anna", 4), environment.worker("bert", 4)
    client = environment.client()
    anna.beat(load=3.0)
    client.submit(client.define(), 1)
    assert (len(anna.holds), len(bert.holds)) == (0, 1)


def test_tasks_spread_evenly_over_equal_workers(environment: Environment) -> None:
    workers = [environment.worker(f"worker-{number}", 4) for number in range(4)]
    client = environment.client()
    client.submit(client.define(), 8)
    assert [len(worker.holds) for worker in workers] == [2, 2, 2, 2]


def test_a_larger_worker_is_given_more(environment: Environment) -> None:
    small, large = environment.worker("small", 1), environment.worker("large", 7)
    client = environment.client()
    client.submit(client.define(), 8)
    assert (len(small.holds), len(large.holds)) == (1, 7)


def test_a_worker_that_joins_later_takes_its_part_of_the_queue(environment: Environment) -> None:
    anna, client = environment.worker("anna", 2), environment.client()
    client.submit(client.define(), 10)
    bert = environment.worker("bert", 3)
    assert (len(anna.holds), len(bert.holds)) == (2, 3)


def test_a_worker_holds_no_more_payload_than_its_credit_in_bytes(make_environment: Make) -> None:
    environment = make_environment(assigned_bytes_max=3_000)
    worker, client = environment.worker(slots=8), environment.client()
    client.submit(client.define(), 8, payload=b"x" * 1_000)
    assert len(worker.holds) == 3
    worker.succeed(*list(worker.holds)[:1], elapsed_ns=50 * MS_NS)
    assert len(worker.holds) == 3


def test_one_payload_larger_than_the_credit_still_runs(make_environment: Make) -> None:
    environment = make_environment(assigned_bytes_max=3_000)
    worker, client = environment.worker(slots=2), environment.client()
    tasks = client.submit(client.define(), 2, payload=b"x" * 5_000)
    assert list(worker.holds) == tasks[:1]


# --- wide tasks and resources --------------------------------------------------------------------


def test_a_wide_task_takes_several_slots(environment: Environment) -> None:
    worker, client = environment.worker(slots=4), environment.client()
    client.submit(client.define("wide", resources={"cpu": 3}), 2)
    assert len(worker.holds) == 1
    client.submit(client.define("narrow"), 5)
    assert len(worker.holds) == 2


def test_a_wide_task_does_not_starve_behind_single_slots(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    narrow = client.define("narrow")
    client.submit(narrow, 100)
    (wide,) = client.submit(client.define("wide", resources={"cpu": 3}))
    for _ in range(4):
        worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert list(worker.holds) == [wide]
    worker.succeed(wide)
    assert len(worker.holds) == 3


def test_only_one_worker_is_kept_free_for_a_queue_of_wide_tasks(environment: Environment) -> None:
    anna, bert = environment.worker("anna", 2), environment.worker("bert", 2)
    client = environment.client()
    client.submit(client.define("narrow"), 50)
    client.submit(client.define("wide", resources={"cpu": 2}), 2)
    for worker in (anna, bert, anna):
        worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert (len(anna.holds), len(bert.holds)) == (1, 2)


def test_a_reservation_moves_on_when_its_worker_takes_no_more(environment: Environment) -> None:
    anna, bert = environment.worker("anna", 2), environment.worker("bert", 2)
    client = environment.client()
    client.submit(client.define("narrow"), 50)
    (wide,) = client.submit(client.define("wide", resources={"cpu": 2}))
    anna.succeed(next(iter(anna.holds)), elapsed_ns=20 * MS_NS)
    anna.beat(pressed=True)
    for _ in range(2):
        bert.succeed(next(iter(bert.holds)), elapsed_ns=20 * MS_NS)
    assert list(bert.holds) == [wide]


def test_a_wide_task_that_is_cancelled_frees_the_worker_that_waited_for_it(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    client.submit(client.define("narrow"), 10)
    (wide,) = client.submit(client.define("wide", resources={"cpu": 2}))
    for _ in range(2):
        worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert len(worker.holds) == 1
    client.cancel(wide)
    assert len(worker.holds) == 2


def test_resources_bound_what_a_worker_holds(environment: Environment) -> None:
    worker = environment.worker(slots=8, memory=10.0, licence=2.0)
    client = environment.client()
    client.submit(client.define("greedy", resources={"memory": 4.0}), 5)
    assert len(worker.holds) == 2
    client.submit(client.define("licensed", resources={"licence": 1.0, "memory": 2.0}), 5)
    assert len(worker.holds) == 3
    for task in list(worker.holds):
        worker.succeed(task, elapsed_ns=20 * MS_NS)
    assert environment.roster("anna").free["memory"] >= 0


def test_tasks_of_different_needs_and_equal_priority_take_turns(environment: Environment) -> None:
    worker, client = environment.worker(memory=1.0), environment.client()
    first = client.submit(client.define("first"), 5)
    second = client.submit(client.define("second", resources={"memory": 1.0}), 5)
    order = []
    for _ in range(6):
        (task,) = worker.holds
        order.append("first" if task in first else "second")
        worker.succeed(task, elapsed_ns=20 * MS_NS)
    assert order.count("second") >= 2
    assert set(second) & set(environment.starts)


def test_the_client_is_told_at_once_of_a_task_that_no_present_worker_can_hold(
    environment: Environment,
) -> None:
    environment.worker(slots=2, gpu=1.0)
    client = environment.client()
    spec = client.define("train", resources={"gpu": 2.0}, workers=["anna"])
    notice = client.take(m.Notice)
    assert "train" in notice.text
    assert "gpu 2" in notice.text
    assert "anna" in notice.text
    (task,) = client.submit(spec)
    assert environment.state(task) == "ready"


def test_a_large_enough_worker_that_joins_later_gets_the_task(environment: Environment) -> None:
    environment.worker("small", 1)
    client = environment.client()
    spec = client.define("train", resources={"cpu": 2, "gpu": 1.0})
    client.take(m.Notice)
    (task,) = client.submit(spec)
    large = environment.worker("large", 2, gpu=1.0)
    assert list(large.holds) == [task]


def test_a_pinned_task_waits_for_its_worker(environment: Environment) -> None:
    anna, client = environment.worker("anna", 2), environment.client()
    spec = client.define(workers=["bert", "cora"])
    client.take(m.Notice)
    tasks = client.submit(spec, 3)
    assert not anna.holds
    bert = environment.worker("bert", 2)
    assert list(bert.holds) == tasks[:2]


def test_the_calls_of_an_async_function_share_a_slot(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    client.submit(client.define("fetch", concurrency=10), 50)
    assert len(worker.holds) == 20
    worker.succeed(*list(worker.holds)[:3])
    assert len(worker.holds) == 20


# --- order, pressure and departure ---------------------------------------------------------------


def test_the_more_important_task_goes_first(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    running, *_ = client.submit(client.define("common"), 3)
    (urgent,) = client.submit(client.define("urgent", priority=5))
    (lowly,) = client.submit(client.define("lowly", priority=-5))
    worker.succeed(running, elapsed_ns=20 * MS_NS)
    assert list(worker.holds) == [urgent]
    for _ in range(3):
        assert lowly not in worker.holds
        worker.succeed_all(elapsed_ns=20 * MS_NS)
    assert list(worker.holds) == [lowly]


def test_an_important_task_gets_the_slot_that_frees_in_the_moment_of_its_coming(
    environment: Environment,
) -> None:
    worker, client = environment.worker(), environment.client()
    running, *_ = client.submit(client.define("common"), 3)
    urgent = client.group(client.define("urgent", priority=5))
    done = m.DoneGroup(worker.groups[0].spec, [worker.holds.popitem()[0]], [b"result"], 20 * MS_NS)
    worker.reports += 1
    worker.say(m.Report(worker.reports, [done], [], [], 0))
    client.say(m.Submit([urgent]))
    environment.run()
    assert list(worker.holds) == client.ids_of(urgent)
    assert running in client.results


def test_a_worker_under_memory_pressure_gets_no_more_until_it_is_over(environment: Environment) -> None:
    worker, client = environment.worker(slots=2), environment.client()
    worker.beat(pressed=True)
    tasks = client.submit(client.define(), 2)
    assert not worker.holds
    assert environment.roster("anna").state == "pressed"
    worker.beat(pressed=False)
    assert list(worker.holds) == tasks


def test_a_draining_worker_finishes_what_runs_gives_back_the_rest_and_leaves(
    environment: Environment,
) -> None:
    worker, client = environment.worker("anna", 2), environment.client()
    spec = client.define()
    running, waiting = client.submit(spec, 2)
    client.say(m.DrainWorkers(7, ["anna"]))
    assert client.take(m.Answer).error == ""
    worker.take(m.Drain)
    assert environment.roster("anna").state == "draining"
    worker.give_back(waiting)
    assert list(worker.holds) == [running]
    worker.succeed(running, elapsed_ns=50 * MS_NS)
    assert not worker.holds
    worker.say(m.Goodbye())
    environment.run()
    assert not worker.connected
    assert environment.state(waiting) == "ready"
    bert = environment.worker("bert")
    assert bert.holds == {waiting: 2}
    assert not bert.groups[0].alone


def test_a_worker_that_was_asked_to_leave_on_its_own_machine_gets_no_more(environment: Environment) -> None:
    worker, client = environment.worker(), environment.client()
    worker.say(m.Draining())
    client.submit(client.define())
    assert not worker.holds


def test_a_worker_that_does_not_exist_cannot_be_drained(environment: Environment) -> None:
    environment.worker("anna")
    client = environment.client()
    client.say(m.DrainWorkers(1, ["anna", "bert"]))
    answer = client.take(m.Answer)
    assert "no worker bert" in answer.error
    assert "anna" in answer.error
    assert environment.roster("anna").state == "active"


def test_nothing_is_placed_on_a_worker_before_it_has_said_what_it_holds(environment: Environment) -> None:
    client = environment.client()
    spec = client.define("wide", resources={"cpu": 2}, repeatable=False)
    worker = environment.worker(slots=2, join=False)
    worker.connect()
    environment.run()
    (task,) = client.submit(spec)
    worker.say(m.Held([], [], []))
    environment.run()
    assert worker.holds == {task: 1}
    assert environment.starts[task] == [1]


def test_a_queue_that_emptied_by_itself_is_looked_at_again_when_it_fills(environment: Environment) -> None:
    early, late = environment.client("carl"), environment.client("dora")
    early.submit(early.define())
    spec = late.define()
    early.goodbye()
    worker = environment.worker()
    (task,) = late.submit(spec)
    assert list(worker.holds) == [task]


def test_a_slot_beside_a_wide_task_that_was_waited_for_is_filled_at_once(environment: Environment) -> None:
    worker, client = environment.worker(slots=3), environment.client()
    narrow = client.define("narrow")
    wide = client.define("wide", resources={"cpu": 2})
    client.submit(wide, 2)
    client.submit(narrow, 3)
    for _ in range(2):
        worker.succeed(next(iter(worker.holds)), elapsed_ns=20 * MS_NS)
    assert len(worker.holds) == 2


def test_a_worker_kept_free_for_what_another_took_is_free_again(environment: Environment) -> None:
    anna, client = environment.worker("anna", 3, memory=4.0), environment.client()
    wide = client.define("wide", resources={"cpu": 2})
    client.submit(wide, 2)
    environment.worker("bert", 3, memory=4.0)
    small = client.submit(client.define("small", resources={"memory": 1.0}), 2)
    assert set(small) <= set(environment.starts)
    assert len(anna.holds) == 2
