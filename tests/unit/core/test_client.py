"""A client numbers its calls, resends what is not recorded, and lets go of what it has."""

from ganger.protocol import messages as m
from ganger.protocol.ids import SEQUENCE_BITS
from tests.environment.client import ClientEnvironment, FakeFuture


def submits(messages: list[object]) -> list[m.TaskGroup]:
    return [group for message in messages if isinstance(message, m.Submit) for group in message.groups]


def releases(messages: list[object]) -> list[tuple[int, int]]:
    return [span for message in messages if isinstance(message, m.Release) for span in message.intervals]


def numbers(groups: list[m.TaskGroup]) -> list[int]:
    return [group.first + offset for group in groups for offset in range(len(group.payloads))]


# --- submission ----------------------------------------------------------------------------------


def test_calls_are_numbered_in_the_order_in_which_they_were_made() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    futures = [client.call(spec, payload=b"%d" % number) for number in range(3)]
    define, submit = client.flush()
    assert isinstance(define, m.Define)
    assert isinstance(submit, m.Submit)
    assert submit.groups == [m.TaskGroup(spec.number, 0, [b"0", b"1", b"2"])]
    assert [future.sequence for future in futures] == [0, 1, 2]
    client.call(spec)
    assert numbers(submits(client.flush())) == [3]


def test_consecutive_calls_of_one_function_form_a_group() -> None:
    client = ClientEnvironment()
    first, second = client.spec("first"), client.spec("second")
    for spec in (first, first, second, first):
        client.call(spec)
    groups = submits(client.flush())
    assert [(group.spec, group.first, len(group.payloads)) for group in groups] == [
        (1, 0, 2),
        (2, 2, 1),
        (1, 3, 1),
    ]


def test_calls_with_and_without_inputs_do_not_share_a_group() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    plain = client.call(spec)
    client.call(spec, plain)
    client.call(spec, plain, plain)
    groups = submits(client.flush())
    base = 1 << SEQUENCE_BITS
    assert [group.inputs for group in groups] == [None, [[base], [base, base]]]


def test_a_function_is_defined_once_and_its_code_sent_once() -> None:
    client = ClientEnvironment()
    patient, hasty = client.spec("patient", b"shared"), client.spec("hasty", b"shared")
    client.call(patient)
    first = client.flush()
    client.call(patient)
    client.call(hasty)
    second = client.flush()
    assert isinstance(first[0], m.Define)
    assert isinstance(second[0], m.Define)
    assert [len(first[0].functions), len(second[0].functions)] == [1, 0]
    assert [spec.name for spec in second[0].specs] == ["hasty"]


def test_a_message_has_a_bounded_number_of_tasks_and_bytes() -> None:
    client = ClientEnvironment(message_tasks_max=3, message_bytes_max=100)
    spec = client.spec()
    for _ in range(7):
        client.call(spec, payload=b"x")
    assert [len(group.payloads) for group in submits(client.flush())] == [3, 3, 1]
    for _ in range(3):
        client.call(spec, payload=b"x" * 60)
    assert [len(group.payloads) for group in submits(client.flush())] == [2, 1]


def test_calls_wait_for_credit_by_number() -> None:
    client = ClientEnvironment(connected=False)
    spec = client.spec()
    futures = [client.call(spec) for _ in range(5)]
    assert client.flush() == []
    client.welcome(credit_tasks=1)
    assert numbers(submits(client.flush())) == [0, 1]
    assert client.flush() == []
    client.accept(1, credit_tasks=3)
    assert numbers(submits(client.flush())) == [2, 3]
    client.accept(3, credit_tasks=2)
    assert client.flush() == []
    assert futures[4].task == -1
    assert len(client.outbox) == 1


def test_calls_wait_for_credit_in_bytes() -> None:
    client = ClientEnvironment(message_bytes_max=1)
    client.welcome(credit_bytes=100)
    spec = client.spec()
    for _ in range(5):
        client.call(spec, payload=b"x" * 60)
    assert numbers(submits(client.flush())) == [0, 1]
    client.accept(1, credit_bytes=220)
    assert numbers(submits(client.flush())) == [2, 3]


def test_refused_calls_are_told_why() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    futures = [client.call(spec) for _ in range(3)]
    client.flush()
    client.reject(1, 1)
    client.reject(1, 5)
    assert [future.state for future in futures] == ["pending", "refused", "refused"]
    assert futures[1].content == ("no room", "wait")


# --- results -------------------------------------------------------------------------------------


def test_a_result_is_released_as_soon_as_it_is_here() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    futures = [client.call(spec) for _ in range(4)]
    client.flush()
    client.results({0: b"zero", 1: b"one", 3: b"three"})
    assert [future.content for future in futures] == [b"zero", b"one", None, b"three"]
    (release,) = client.flush()
    assert release == m.Release([(0, 1), (3, 3)], len(b"zeroonethree"))
    assert client.flush() == []


def test_a_result_that_a_buffered_call_takes_is_released_after_that_call() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    client.call(spec)
    client.flush()
    client.welcome(accepted=[(0, 0)], credit_tasks=0)
    client.call(spec, *client_pending(client))
    client.results({0: b"value"})
    assert releases(client.flush()) == []
    client.accept(0)
    sent = client.flush()
    assert [type(message) for message in sent][-2:] == [m.Submit, m.Release]
    assert releases(sent) == [(0, 0)]


def client_pending(client: ClientEnvironment) -> list[FakeFuture]:
    return list(client.core.pending.values())  # type: ignore[arg-type]


def test_a_future_may_be_pinned_by_several_calls() -> None:
    client = ClientEnvironment(message_tasks_max=1)
    spec = client.spec()
    first = client.call(spec)
    client.flush()
    client.welcome(accepted=[(0, 0)], credit_tasks=0)
    client.call(spec, first)
    client.call(spec, first)
    client.results({0: b"value"})
    client.accept(0, credit_tasks=1)
    assert releases(client.flush()) == []
    client.accept(1)
    assert releases(client.flush()) == [(0, 0)]


def test_a_result_of_a_future_that_nobody_has_is_released() -> None:
    client = ClientEnvironment()
    client.results({7: b"forgotten"})
    assert releases(client.flush()) == [(7, 7)]


def test_an_error_is_held_until_its_future_is_dropped() -> None:
    client = ClientEnvironment()
    future = client.call(client.spec())
    client.flush()
    client.failures({0: b"error"}, origin=3)
    assert (future.state, future.content) == ("failed", (b"error", 3))
    assert client.flush() == []
    client.core.drop([future.task])
    assert releases(client.flush()) == [(0, 0)]


def test_a_kept_result_is_pending_again_when_it_is_asked_for() -> None:
    client = ClientEnvironment()
    future = client.call(client.spec())
    client.flush()
    client.turn(m.Kept([0]))
    assert future.state == "kept"
    client.core.refetch(future)  # type: ignore[arg-type]
    client.results({0: b"value"})
    assert future.content == b"value"
    assert releases(client.flush()) == [(0, 0)]


def test_running_and_cancelled_are_told() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    first, second = client.call(spec), client.call(spec)
    client.flush()
    client.turn(m.Running([0, 1, 9]))
    client.turn(m.Cancelled([0, 9]))
    client.turn(m.Running([0]))
    assert (first.state, second.state) == ("cancelled", "running")


# --- reconnection --------------------------------------------------------------------------------


def test_what_is_not_recorded_is_sent_again_with_its_functions() -> None:
    client = ClientEnvironment(message_tasks_max=2)
    spec = client.spec()
    for _ in range(6):
        client.call(spec)
    before = submits(client.flush())
    client.accept(1)
    assert client.welcome(accepted=[(0, 1)]) == []
    define, *resent = client.take_sent()
    assert isinstance(define, m.Define)
    assert define.functions
    assert submits(resent) == before[1:]
    client.call(spec)
    assert numbers(submits(client.flush())) == [6]


def test_what_was_recorded_without_our_knowing_is_not_sent_again() -> None:
    client = ClientEnvironment(message_tasks_max=2)
    spec = client.spec()
    for _ in range(6):
        client.call(spec)
    client.flush()
    client.welcome(accepted=[(0, 3), (5, 5)])
    assert numbers(submits(client.take_sent())) == [4, 5]


def test_a_refused_call_makes_a_gap_that_stops_nothing() -> None:
    client = ClientEnvironment(message_tasks_max=1)
    spec = client.spec()
    for _ in range(3):
        client.call(spec)
    client.flush()
    client.reject(0, 0)
    client.accept(1)
    client.welcome(accepted=[(1, 2)])
    assert numbers(submits(client.take_sent())) == [2]


def test_bytes_that_are_sent_again_count_once() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    client.call(spec, payload=b"x" * 60)
    client.flush()
    client.welcome(credit_bytes=100)
    client.take_sent()
    client.call(spec, payload=b"x" * 30)
    assert len(submits(client.flush())) == 1
    client.call(spec, payload=b"x" * 30)
    assert len(submits(client.flush())) == 1
    client.call(spec, payload=b"x" * 30)
    assert submits(client.flush()) == []


def test_a_kept_result_that_is_told_again_after_a_reconnect_stays_at_the_master() -> None:
    client = ClientEnvironment()
    future = client.call(client.spec())
    client.flush()
    client.accept(0)
    client.turn(m.Kept([0]))
    client.welcome(accepted=[(0, 0)])
    client.results({0: b"value"})
    assert releases(client.flush()) == []
    if future.state == "kept":
        assert client.core.refetch(future) is not False  # type: ignore[arg-type]
        client.results({0: b"value"})
    assert future.content == b"value"
    assert releases(client.flush()) == [(0, 0)]


def test_a_pinned_result_that_is_told_again_after_a_reconnect_stays_at_the_master() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    first = client.call(spec)
    client.flush()
    client.welcome(accepted=[(0, 0)], credit_tasks=0)
    client.call(spec, first)
    client.results({0: b"value"})
    client.welcome(accepted=[(0, 0)], credit_tasks=0)
    client.results({0: b"value"})
    assert releases(client.flush()) == []
    client.accept(0)
    sent = client.flush()
    assert submits(sent)[0].inputs == [[first.task]]
    assert releases(sent) == [(0, 0)]


def test_the_master_learns_what_was_received_even_if_nothing_is_released() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    futures = [client.call(spec) for _ in range(3)]
    client.flush()
    client.turn(m.Kept([0, 1, 2]))
    client.welcome(accepted=[(0, 2)])
    client.take_sent()
    client.results(dict.fromkeys(range(3), b"x" * (16 << 20)))
    (told,) = client.flush()
    assert isinstance(told, m.Release)
    assert told.received_bytes == 3 * (16 << 20)
    assert told.intervals == []
    assert {future.state for future in futures} <= {"kept", "succeeded"}


def test_a_kept_result_whose_future_was_dropped_is_released() -> None:
    client = ClientEnvironment()
    future = client.call(client.spec())
    client.flush()
    client.turn(m.Kept([0]))
    client.core.drop([future.task])
    assert releases(client.flush()) == [(0, 0)]
    client.results({0: b"told again"})
    assert releases(client.flush()) == [(0, 0)]


# --- a session that is lost ----------------------------------------------------------------------


def test_a_master_that_does_not_know_the_session_loses_what_was_sent() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    sent = [client.call(spec) for _ in range(2)]
    client.flush()
    buffered = client.call(spec)
    assert client.welcome(session=2) == sent
    assert client.take_sent() == []
    assert numbers(submits(client.flush())) == [0]
    assert buffered.task == 2 << SEQUENCE_BITS
    client.results({0: b"value"})
    assert buffered.content == b"value"


def test_a_buffered_call_that_takes_a_lost_value_is_orphaned() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    failed = client.call(spec)
    client.flush()
    client.failures({0: b"error"})
    orphan = client.call(spec, failed)
    other = client.call(spec)
    dependent = client.call(spec, orphan)
    client.welcome(session=2)
    assert numbers(submits(client.flush())) == [0]
    assert [future.state for future in (orphan, other, dependent)] == ["orphaned", "pending", "orphaned"]


def test_an_orphaned_call_lets_go_of_its_other_inputs() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    failed = client.call(spec)
    client.flush()
    client.failures({0: b"error"})
    client.welcome(session=2)
    fresh = client.call(spec)
    orphan = client.call(spec, failed, fresh)
    client.flush()
    assert orphan.state == "orphaned"
    client.results({0: b"value"})
    assert fresh.content == b"value"
    assert releases(client.flush()) == [(0, 0)]


def test_a_future_of_a_lost_session_releases_nothing_of_the_new_one() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    failed = client.call(spec)
    client.flush()
    client.failures({0: b"error"})
    client.welcome(session=2)
    fresh = client.call(spec)
    client.flush()
    client.core.drop([failed.task])
    assert releases(client.flush()) == []
    client.results({0: b"value"})
    assert fresh.content == b"value"


def test_a_kept_value_of_a_lost_session_cannot_be_fetched() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    kept = client.call(spec)
    client.flush()
    client.turn(m.Kept([0]))
    lost = client.welcome(session=2)
    fresh = client.call(spec)
    client.flush()
    assert kept in lost or client.core.refetch(kept) is False  # type: ignore[arg-type, func-returns-value]
    client.results({0: b"value of the new one"})
    assert fresh.content == b"value of the new one"
    assert kept.content is None


def test_an_end_that_is_told_again_after_its_future_was_dropped_is_released_again() -> None:
    client = ClientEnvironment()
    spec = client.spec()
    failed, cancelled, held = client.call(spec), client.call(spec), client.call(spec)
    client.flush()
    client.failures({0: b"error", 2: b"error"})
    client.turn(m.Cancelled([1]))
    client.core.drop([failed.task, cancelled.task])
    assert releases(client.flush()) == [(0, 1)]
    client.welcome(accepted=[(0, 2)])
    client.take_sent()
    client.core.on_failures(m.Failures([0, 2], [b"error"] * 2, [0, 2]))
    client.core.on_turned(m.Cancelled([1]))
    assert releases(client.flush()) == [(0, 1)]
    assert held.state == "failed"
