"""What is typed is read once, and refused where it stands if it cannot be meant."""

import click
import pytest

from ganger.cli.values import read_preload, read_resource, read_task_id

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("gpu=1", ("gpu", 1.0)),
        ("licence=2.5", ("licence", 2.5)),
        ("memory=8G", ("memory", 8.0 * GIB)),
        ("memory=512 MiB", ("memory", 0.5 * GIB)),
        ("memory=1024", ("memory", 1024.0)),
    ],
)
def test_a_resource_is_a_name_and_an_amount(text: str, offered: tuple[str, float]) -> None:
    assert read_resource(text) == offered


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu", "not of the form name=amount"),
        ("=1", "not of the form name=amount"),
        ("gpu=many", "must be a number"),
        ("gpu=-1", "must not be negative"),
        ("gpu=inf", "must not be negative"),
        ("gpu=0.5", "whole number of devices"),
        ("memory=lots", "a size such as 512M or 8G"),
    ],
)
def test_a_resource_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter, match=words):
        read_resource(text)


def test_a_task_id_has_a_session_and_a_number() -> None:
    assert read_task_id("3.17") == "3.17"
    for text in ("3", "3.", "a.b", "3.-1", ""):
        with pytest.raises(click.BadParameter, match=r"ids look like 3\.17"):
            read_task_id(text)


def test_a_preload_function_is_named_with_its_module() -> None:
    assert read_preload("models:load") == "models:load"
    assert read_preload("") == ""
    for text in ("models", ":load", "models:"):
        with pytest.raises(click.BadParameter, match="module:function"):
            read_preload(text)
