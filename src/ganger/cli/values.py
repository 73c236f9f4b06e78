"""What options and arguments hold, read from text; a refusal says what form it should have."""

from __future__ import annotations

import math

import click

from ganger.errors import GangerError


def read_task_id(text: str) -> str:
    """A task's id as `task list` shows it: ``3.17``."""
    from ganger.protocol.ids import read_task

    try:
        read_task(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a task id; ids look like 3.17") from None
    return text


def read_resource(text: str) -> tuple[str, float]:
    """What a worker offers besides its slots: ``gpu=1``, ``memory=8G`` (in bytes), ``licence=2``."""
    name, equals, amount_text = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is not of the form name=amount")
    amount = _read_amount(name, amount_text)
    if amount < 0 or not math.isfinite(amount):
        raise click.BadParameter(f"the amount of {name} must not be negative, it is {amount_text!r}")
    if name == "gpu" and amount != int(amount):
        raise click.BadParameter(f"gpu must be a whole number of devices, it is {amount_text!r}")
    return name, amount


def _read_amount(name: str, text: str) -> float:
    from ganger.client.options import parse_bytes

    try:
        return parse_bytes(text, f"resource {name}") if name == "memory" else float(text)
    except (GangerError, ValueError):
        form = "a size such as 512M or 8G" if name == "memory" else "a number"
        raise click.BadParameter(f"the amount of {name} must be {form}, it is {text!r}") from None


def read_preload(text: str) -> str:
    """A function by its module and name: ``models:load``."""
    module, colon, function = text.partition(":")
    if text and not (module and colon and function):
        raise click.BadParameter(f"{text!r} is not of the form module:function")
    return text
