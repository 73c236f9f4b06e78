"""Options as users write them."""

from typing import Any

import pytest

from ganger.client.options import Options, merge, overlay, parse_bytes
from ganger.errors import InvalidOption
from ganger.protocol.options import TaskOptions


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("2K", 2048),
        ("2k", 2048),
        ("1.5G", 3 << 29),
        ("3 MiB", 3 << 20),
        ("1TB", 1 << 40),
        (7, 7),
        (2.5, 2.5),
    ],
)
def test_sizes_are_numbers_or_text_with_a_unit(text: object, size: float) -> None:
    assert parse_bytes(text, "memory") == size


@pytest.mark.parametrize(
    "text", ["", "G", "2X", "-1G", "1e9", "2 G B", None, True, -1, float("nan"), float("inf"), [1]]
)
def test_what_is_no_size_is_refused_by_name(text: object) -> None:
    with pytest.raises(InvalidOption, match="memory"):
        parse_bytes(text, "memory")


def test_every_option_finds_its_place() -> None:
    given = {
        "retries": 3,
        "retry_delay_s": 0.5,
        "retry_delay_max_s": 9,
        "losses_max": 1,
        "repeatable": False,
        "timeout_s": 30,
        "priority": -5,
        "resources": {"cpu": 2, "memory": "1G", "gpu": 1, "tape": 0.5},
        "workers": "a",
        "concurrency": 7,
        "name": "n",
    }
    options = merge(Options(), given)
    assert options.name == "n"
    assert options.given == set(given)
    assert options.task == TaskOptions(
        retries=3,
        retry_delay_s=0.5,
        retry_delay_max_s=9,
        losses_max=1,
        repeatable=False,
        timeout_s=30,
        priority=-5,
        resources={"cpu": 2, "memory": 1 << 30, "gpu": 1, "tape": 0.5},
        workers=["a"],
        concurrency=7,
    )


def test_later_options_replace_earlier_ones_and_leave_the_rest() -> None:
    first = merge(Options(), {"retries": 3, "priority": 1, "timeout_s": 5})
    second = merge(first, {"retries": 0, "timeout_s": None})
    assert (second.task.retries, second.task.priority, second.task.timeout_s) == (0, 1, 0.0)
    assert first.task.retries == 3


def test_of_a_function_and_a_client_the_client_wins_where_it_said_something() -> None:
    function = merge(Options(), {"retries": 3, "name": "f", "priority": 1})
    client = merge(Options(), {"retries": 0, "timeout_s": 4})
    both = overlay(function, client)
    assert (both.task.retries, both.task.priority, both.task.timeout_s, both.name) == (0, 1, 4, "f")
    assert overlay(function, merge(Options(), {"name": "g"})).name == "g"
    assert overlay(function, Options()).task == function.task


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": -1},
        {"retries": 1.5},
        {"retries": True},
        {"retries": "3"},
        {"retry_delay_s": -0.1},
        {"retry_delay_s": float("nan")},
        {"losses_max": None},
        {"repeatable": 1},
        {"timeout_s": -1},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"priority": 1.0},
        {"resources": ["cpu"]},
        {"resources": {"cpu": -1}},
        {"resources": {"cpu": "2"}},
        {"resources": {"": 1}},
        {"resources": {1: 1}},
        {"resources": {"gpu": 0.5}},
        {"resources": {"memory": "lots"}},
        {"workers": 5},
        {"workers": ["a", 5]},
        {"concurrency": 0},
        {"concurrency": 2.5},
        {"name": ""},
        {"name": 5},
        {"retry_on": int},
        {"retry_on": [ValueError, "KeyError"]},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_the_name_of_its_option(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InvalidOption, match=name.removesuffix("s")):
        merge(Options(), wrong)


def test_a_name_that_does_not_exist_is_refused_with_the_nearest_that_does() -> None:
    with pytest.raises(InvalidOption, match="no option 'retires'") as caught:
        merge(Options(), {"retires": 3})
    assert caught.value.hint == "did you mean retries?"
    with pytest.raises(InvalidOption) as caught:
        merge(Options(), {"zzz": 3})
    assert "known: " in caught.value.hint
