"""`@ganger.task`: the function stays what it was, and carries its options."""

import asyncio
import functools
import inspect
import math
import pickle
from typing import Any

import cloudpickle
import pytest

import ganger
from ganger.client.decorator import check_concurrency
from ganger.errors import InvalidOption


@ganger.task(retries=3, timeout_s=30)
def fetch(url: str, /, times: int = 2, *, upper: bool = False) -> str:
    """Gets it."""
    return url.upper() * times if upper else url * times


@ganger.task
def plain(number: int) -> int:
    return 1 if number < 2 else number * plain(number - 1)


@ganger.task(concurrency=50)
async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


def outside(number: int) -> int:
    return number + 1


outside_patiently = ganger.task(retries=9)(outside)


class Base:
    def greet(self) -> str:
        return "hello"


class Greeter(Base):
    def __init__(self, name: str) -> None:
        self.name = name

    @ganger.task(retries=1)
    def greet(self) -> str:
        return f"{super().greet()} {self.name}"

    @staticmethod
    @ganger.task(retries=2)
    def fixed(value: int) -> int:
        return value

    @classmethod
    @ganger.task(retries=3)
    def named(cls) -> str:
        return cls.__name__


def options_of(function: Any) -> dict[str, Any]:
    return function.ganger_options


def test_a_decorated_function_is_called_as_before() -> None:
    assert fetch("a") == "aa"
    assert fetch("a", 3, upper=True) == "AAA"
    assert plain(4) == 24
    assert asyncio.run(later(5)) == 5
    with pytest.raises(TypeError, match="positional-only"):
        fetch(url="a")  # type: ignore[call-arg]


def test_it_keeps_its_name_signature_documentation_and_kind() -> None:
    assert (fetch.__name__, fetch.__module__, fetch.__doc__) == ("fetch", __name__, "Gets it.")
    assert str(inspect.signature(fetch)) == "(url: str, /, times: int = 2, *, upper: bool = False) -> str"
    assert inspect.isfunction(fetch)
    assert inspect.iscoroutinefunction(later)
    assert not inspect.iscoroutinefunction(fetch)


def test_it_carries_its_options_and_the_function_that_it_was() -> None:
    assert options_of(fetch) == {"retries": 3, "timeout_s": 30}
    assert options_of(plain) == {}
    original = fetch.__wrapped__  # type: ignore[attr-defined]
    assert original("a") == "aa"
    assert not hasattr(original, "ganger_options")


def test_a_function_that_is_decorated_elsewhere_stays_without_options() -> None:
    assert outside_patiently(1) == outside(1) == 2
    assert options_of(outside_patiently) == {"retries": 9}
    assert not hasattr(outside, "ganger_options")


def test_decorating_twice_adds_options_and_the_outer_ones_win() -> None:
    twice = ganger.task(retries=1, priority=7)(fetch)
    assert options_of(twice) == {"retries": 1, "timeout_s": 30, "priority": 7}
    assert options_of(fetch) == {"retries": 3, "timeout_s": 30}


def test_it_pickles_by_reference_under_its_own_name() -> None:
    assert pickle.loads(pickle.dumps(fetch)) is fetch
    assert pickle.loads(pickle.dumps(Greeter.fixed)) is Greeter.fixed
    assert pickle.loads(pickle.dumps(Greeter("you").greet))() == "hello you"


def test_it_pickles_by_value_where_its_name_leads_elsewhere() -> None:
    assert cloudpickle.loads(cloudpickle.dumps(outside_patiently))(1) == 2

    @ganger.task(retries=1)
    def nested(number: int) -> int:
        return 1 if number < 2 else number * nested(number - 1)

    copy = cloudpickle.loads(cloudpickle.dumps(nested))
    assert copy(4) == 24
    assert copy.ganger_options == {"retries": 1}


def test_methods_bind_and_carry_the_options() -> None:
    assert Greeter("you").greet() == "hello you"
    assert options_of(Greeter("you").greet) == {"retries": 1}
    assert Greeter.fixed(3) == Greeter("you").fixed(3) == 3
    assert options_of(Greeter.fixed) == {"retries": 2}
    assert Greeter.named() == "Greeter"
    assert options_of(Greeter.named) == {"retries": 3}


def test_closures_share_their_variables_with_the_original() -> None:
    count = 0

    @ganger.task()
    def step() -> int:
        nonlocal count
        count += 1
        return count

    assert (step(), step.__wrapped__(), count) == (1, 2, 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "function", [math.sqrt, functools.partial(pow, 3), functools.cache(abs), "abc".count]
)
def test_other_callables_can_be_decorated(function: Any) -> None:
    decorated = ganger.task(retries=1)(function)
    argument = "a" if function == "abc".count else 4
    assert decorated(argument) == function(argument)
    assert options_of(decorated) == {"retries": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retrys": 1}, "no option 'retrys'"),
        ({"retries": -1}, "must not be negative"),
        ({"timeout_s": 0}, "must be positive"),
        ({"resources": {"memory": "much"}}, "not a size"),
        ({"retry_on": "ValueError"}, "exception class"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_where_they_stand(options: Any, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        ganger.task(**options)


def test_concurrency_is_for_async_functions() -> None:
    with pytest.raises(InvalidOption, match="outside is not one"):
        ganger.task(concurrency=2)(outside)
    check_concurrency(later, 2)
    check_concurrency(outside, 1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (3, "by name"),
        (Greeter, "class Greeter"),
        (staticmethod(outside), "staticmethod"),
        (classmethod(outside), "classmethod"),
    ],
)
def test_what_is_no_function_is_refused_with_a_hint(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidOption, match=words) as caught:
        ganger.task(wrong)
    assert caught.value.hint
