"""Whatever a task returns or raises, its caller gets a value or a clear error, and the worker goes on."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from ganger import Cluster
from ganger.errors import InvalidOption, RemoteError, ResultNotSerializable
from tests.misbehaviour import MIB, blob
from tests.processes import PATIENCE_S, quick_cluster

PAYLOAD_MAX = 24 * MIB


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with quick_cluster(slots=2, settings={"master": {"payload_bytes_max": PAYLOAD_MAX}}) as made:
        yield made


@pytest.fixture(autouse=True)
def _worker_goes_on(cluster: Cluster) -> Iterator[None]:
    """After each of these tests the same executors answer."""
    (before,) = cluster.workers()
    yield
    assert list(cluster.map(pow, [2] * 4, range(4), timeout=PATIENCE_S)) == [1, 2, 4, 8]
    (after,) = cluster.workers()
    assert sorted(after.executors) == sorted(before.executors)


# ------------------------------------------------------------------------------------------------- results


class Unloadable:
    """Pickles well, and cannot be unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return _refuse, ("nobody can load this",)


def _refuse(text: str) -> object:
    raise ValueError(text)


class RefusesToPickle:
    """Raises what is no ordinary exception when it is pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        raise KeyboardInterrupt("not even that")


def make_lock() -> object:
    return {"inside": [threading.Lock()]}


def make_generator() -> object:
    return (number for number in range(3))


def make_deep_list() -> list[object]:
    deep: list[object] = []
    for _ in range(200_000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_lock, "dict"),
        (make_generator, "generator"),
        (make_deep_list, "list"),
        (RefusesToPickle, "RefusesToPickle"),
    ],
)
def test_a_result_that_cannot_be_pickled_is_named(
    cluster: Cluster, make: Callable[[], object], kind: str
) -> None:
    error = cluster.submit(make).exception(PATIENCE_S)
    assert isinstance(error, ResultNotSerializable)
    assert isinstance(error, TypeError)
    assert make.__name__ in str(error)
    assert kind in str(error)


def test_a_result_that_cannot_be_unpickled_says_whose_it_was(cluster: Cluster) -> None:
    future = cluster.submit(Unloadable)
    for _ in range(2):
        with pytest.raises(ValueError, match="nobody can load this") as caught:
            future.result(PATIENCE_S)
        assert any("Unloadable" in note for note in caught.value.__notes__)


def test_a_result_that_cannot_be_unpickled_fails_the_task_that_takes_it(cluster: Cluster) -> None:
    dependent = cluster.submit(len, cluster.submit(Unloadable))
    error = dependent.exception(PATIENCE_S)
    assert isinstance(error, ValueError)
    assert "nobody can load this" in str(error)


def test_a_function_that_cannot_be_unpickled_on_the_worker_says_so(cluster: Cluster) -> None:
    class Callable_(Unloadable):  # noqa: N801  # a callable whose pickle is a call of `_refuse`
        def __call__(self) -> None:
            return None

    error = cluster.submit(Callable_()).exception(PATIENCE_S)
    assert isinstance(error, ValueError)
    assert "nobody can load this" in str(error)


@pytest.mark.parametrize("size_bytes", [0, 64 << 10, (64 << 10) + 1, MIB, 20 * MIB])
def test_results_and_arguments_of_any_allowed_size_travel(cluster: Cluster, size_bytes: int) -> None:
    assert cluster.submit(blob, size_bytes).result(PATIENCE_S) == blob(size_bytes)
    assert cluster.submit(len, blob(size_bytes)).result(PATIENCE_S) == size_bytes


def test_large_results_and_small_ones_do_not_disturb_each_other(cluster: Cluster) -> None:
    sizes = [size for pair in zip([MIB] * 30, range(30), strict=True) for size in pair]
    assert [len(value) for value in cluster.map(blob, sizes, timeout=PATIENCE_S)] == sizes


def test_a_result_over_the_limit_is_refused_with_both_numbers(cluster: Cluster) -> None:
    error = cluster.submit(blob, PAYLOAD_MAX).exception(PATIENCE_S)
    assert isinstance(error, ResultNotSerializable)
    assert "payload_bytes_max" in str(error)
    assert f"{PAYLOAD_MAX:,}" in str(error)
    assert "blob" in str(error), "the function is named"


def test_arguments_over_the_limit_are_refused_at_submit(cluster: Cluster) -> None:
    with pytest.raises(InvalidOption, match="payload_bytes_max"):
        cluster.submit(len, blob(PAYLOAD_MAX))


# ---------------------------------------------------------------------------------------------- exceptions


class NeedsTwo(Exception):
    """Cannot be rebuilt by pickle, as its constructor wants more than its args hold."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


class Speechless(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class Holds(Exception):
    """Carries whatever it is given."""


class Loud(BaseException):
    """No ordinary exception."""


def raise_it(error: BaseException) -> None:
    raise error


def raise_needs_two() -> None:
    raise NeedsTwo("here", "for no reason")


def raise_with_lock() -> None:
    raise Holds(threading.Lock())


def raise_speechless() -> None:
    raise Speechless


def raise_refusing() -> None:
    raise Holds(RefusesToPickle())


def raise_unloadable() -> None:
    raise Holds("so", Unloadable())


def raise_loud() -> None:
    raise Loud("no ordinary one")


def raise_from_below(depth: int) -> None:
    if depth:
        raise_from_below(depth - 1)
    raise LookupError("at the bottom")


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def raise_large(size_bytes: int) -> None:
    raise ValueError("x" * size_bytes)


def raise_chain(length: int) -> None:
    error: Exception | None = None
    for number in range(length):
        following = ValueError(f"link {number}")
        following.__cause__ = error
        error = following
    raise error or ValueError


@pytest.mark.parametrize(
    ("fail", "name"),
    [
        (raise_needs_two, "NeedsTwo"),
        (raise_with_lock, "Holds"),
        (raise_refusing, "Holds"),
        (raise_unloadable, "Holds"),
    ],
)
def test_an_exception_that_cannot_travel_keeps_its_name_text_and_traceback(
    cluster: Cluster, fail: Callable[[], None], name: str
) -> None:
    error = cluster.submit(fail).exception(PATIENCE_S)
    assert isinstance(error, RemoteError)
    assert name in str(error)
    trace = str(error.__cause__)
    assert f"in {fail.__name__}" in trace
    assert __file__ in trace


def test_an_exception_keeps_its_class_arguments_and_traceback(cluster: Cluster) -> None:
    error = cluster.submit(raise_it, Holds("a", 1)).exception(PATIENCE_S)
    assert isinstance(error, Holds)
    assert error.args == ("a", 1)
    assert "in raise_it" in str(error.__cause__)


def test_an_exception_without_a_text_is_still_an_error(cluster: Cluster) -> None:
    error = cluster.submit(raise_speechless).exception(PATIENCE_S)
    assert isinstance(error, Speechless | RemoteError)
    assert "raise_speechless" in str(error.__cause__)


def test_an_extraordinary_exception_is_told_like_any_other(cluster: Cluster) -> None:
    error = cluster.submit(raise_loud).exception(PATIENCE_S)
    assert isinstance(error, Loud)
    assert error.args == ("no ordinary one",)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration])
def test_exceptions_with_a_meaning_of_their_own_are_told(cluster: Cluster, kind: type[BaseException]) -> None:
    error = cluster.submit(raise_it, kind("told")).exception(PATIENCE_S)
    assert isinstance(error, kind)


def test_endless_recursion_is_an_error_with_a_short_traceback(cluster: Cluster) -> None:
    error = cluster.submit(recurse).exception(PATIENCE_S)
    assert isinstance(error, RecursionError)
    assert len(str(error.__cause__)) < 10_000


def test_a_deep_traceback_is_told_and_kept_short(cluster: Cluster) -> None:
    depth = sys.getrecursionlimit() // 2
    error = cluster.submit(raise_from_below, depth).exception(PATIENCE_S)
    assert isinstance(error, LookupError)
    assert "at the bottom" in str(error.__cause__)
    assert len(str(error.__cause__)) < 10_000


def test_a_chain_of_many_causes_is_an_error_still(cluster: Cluster) -> None:
    error = cluster.submit(raise_chain, 3_000).exception(PATIENCE_S)
    assert isinstance(error, ValueError | RemoteError)
    assert "link 2999" in str(error)


def test_an_exception_with_a_large_text_travels(cluster: Cluster) -> None:
    error = cluster.submit(raise_large, 2 * MIB).exception(PATIENCE_S)
    assert isinstance(error, ValueError)
    assert len(str(error)) == 2 * MIB


def test_an_exception_whose_text_is_no_valid_unicode_travels(cluster: Cluster) -> None:
    error = cluster.submit(raise_it, ValueError("a file's name: \udcff")).exception(PATIENCE_S)
    assert isinstance(error, ValueError)
    assert error.args == ("a file's name: \udcff",)
    assert "in raise_it" in str(error.__cause__)


def test_an_exception_over_the_limit_is_told_by_its_class(cluster: Cluster) -> None:
    error = cluster.submit(raise_large, PAYLOAD_MAX + 1).exception(PATIENCE_S)
    assert isinstance(error, ValueError | RemoteError)
    assert "ValueError" in f"{type(error).__name__} {error}"
    assert "raise_large" in str(error.__cause__)


def test_errors_survive_a_second_pickling(cluster: Cluster) -> None:
    error = cluster.submit(make_lock).exception(PATIENCE_S)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ResultNotSerializable)
    assert str(copy) == str(error)
